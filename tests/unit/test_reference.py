"""The settings reference says what the models say."""

from stacks.reference import reference
from tests.unit.stackfiles import ROOT


def test_the_page_in_docs_is_the_one_that_the_models_make() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == reference(), "run: python -m stacks.reference > docs/settings.md"


def test_every_setting_says_what_to_write() -> None:
    assert "| None |" not in reference()
