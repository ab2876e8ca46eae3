"""The add-ons' index has every add-on, and every page that it names is there."""

import re
from pathlib import Path

import pytest

from components.addons.kinds import KINDS
from stacks.addons_page import file_name, page
from tests.unit.stackfiles import ROOT

FOLDER = ROOT / "docs" / "addons"
INDEX = FOLDER / "README.md"
COMMAND = "python -m stacks.addons_page > docs/addons/README.md"


def linked(file: Path) -> set[Path]:
    """Files of the project that a page links to."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", file.read_text())
    return {(file.parent / target).resolve() for target in targets}


def test_the_index_is_the_one_that_the_table_makes() -> None:
    assert INDEX.read_text() == page(), f"run: {COMMAND}"


@pytest.mark.parametrize("key", KINDS)
def test_every_add_on_has_a_line_and_a_page_that_begins_with_a_title(key: str) -> None:
    text = page()
    assert f"\n| `{key}` | " in text
    assert f"[{file_name(key)}]({file_name(key)}) |" in text
    assert (FOLDER / file_name(key)).read_text().startswith("# ")


@pytest.mark.parametrize(("key", "name"), [("certManager", "cert-manager.md"), ("rook", "rook.md")])
def test_a_page_is_named_after_its_key(key: str, name: str) -> None:
    assert file_name(key) == name


def test_every_page_of_the_folder_is_in_the_index() -> None:
    assert {file.resolve() for file in FOLDER.glob("*.md")} - linked(INDEX) == {INDEX.resolve()}


@pytest.mark.parametrize("page", ["README.md", "docs/addons/README.md", "docs/wordpress.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    assert [file for file in linked(ROOT / page) if not file.exists()] == []


def test_the_readme_names_every_add_on() -> None:
    there = {file for file in linked(ROOT / "README.md") if file.parent == FOLDER}
    assert {(FOLDER / file_name(key)).resolve() for key in KINDS} <= there
