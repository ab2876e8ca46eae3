"""What the engine's tests share."""

from pathlib import Path

import pytest

from tests.engine.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A project without a program, see ``Workspace.write_program``."""
    return Workspace(tmp_path)
