"""The program in a stack that runs k3s: an older release is refused, and nothing is touched."""

import json
from pathlib import Path

import pytest
import yaml

from lab.engine import backend
from tests.engine.workspace import CLONE, Outcome, Workspace

ENGINES = ["lab", pytest.param("pulumi", marks=pytest.mark.pulumi)]
PROJECT = "k3s"
RUNS = "v1.35.6+k3s1"


class Project(Workspace):
    """The project as it stands, with a stack whose last `up` left k3s of version RUNS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.stack_file = self.folder / "Pulumi.dev.yaml"
        self.stack_file.rename(folder / "salt.yaml")
        self.salt = yaml.safe_load((folder / "salt.yaml").read_text())["encryptionsalt"]
        self.folder = CLONE
        files = backend.open_stack(f"file://{self.backend}", PROJECT, "dev")
        self.checkpoint = files.checkpoint
        deployment = {
            "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
            "secrets_providers": {"type": "passphrase", "state": {"salt": self.salt}},
            "resources": [
                {
                    "urn": f"urn:pulumi:dev::{PROJECT}::pulumi:pulumi:Stack::{PROJECT}-dev",
                    "custom": False,
                    "type": "pulumi:pulumi:Stack",
                    "outputs": {"k3sVersion": RUNS},
                }
            ],
        }
        backend.write_private(self.checkpoint, backend.encode_checkpoint(files, deployment))

    def ask_for(self, version: str) -> list[str]:
        """Write the stack file; gives the flags that name it."""
        settings = yaml.safe_load((CLONE / "Pulumi.dev.yaml").read_text())["config"]
        settings["k3s:k3s"]["version"] = version
        document = {"encryptionsalt": self.salt, "config": settings}
        self.stack_file.write_text(yaml.safe_dump(document))
        return ["--config-file", str(self.stack_file)]

    def resources(self) -> list[str]:
        deployment = json.loads(self.checkpoint.read_text())["checkpoint"]["latest"]
        return [
            r["urn"].split("::")[-1]
            for r in deployment["resources"]
            if not r["type"].startswith("pulumi:providers:")
        ]


REFUSED = {
    "v1.35.5+k3s1": "does not go back to an older release — write v1.35.6+k3s1 or a later one",
    "v1.37.0+k3s1": "no minor release may be skipped — write a release of v1.36 first",
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("version", REFUSED)
def test_it_is_refused_with_one_message_and_nothing_is_made(
    tmp_path: Path, version: str, engine: str
) -> None:
    project = Project(tmp_path)
    flags = project.ask_for(version)
    for command in ("preview", "up"):
        done: Outcome = project.drive(engine, command, *flags)
        assert done.code not in (0, None)
        assert engine != "lab" or done.code == 1
        assert f"k3s.version: {version} — the cluster runs {RUNS}, " in done.said
        assert REFUSED[version] in done.said
        assert "Traceback" not in done.said
        assert set(done.operations) <= {f"Stack/{PROJECT}-dev"}
        assert project.resources() == [f"{PROJECT}-dev"]
