"""The two places that are written: the clone and one cache folder."""

import os
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
PROJECT = "k3s"  # Pulumi.yaml's name
LAB_PLUGINS = CLONE / "lab" / "plugins" / "bin"


def cache_folder() -> Path:
    """`K3S_PULUMI_CACHE`, else `k3s-pulumi` in the user's cache folder (XDG base directories)."""
    if chosen := os.environ.get("K3S_PULUMI_CACHE"):
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "k3s-pulumi"


@dataclass(frozen=True)
class Cache:
    """Sub-folders of the cache folder. Shared by every clone; anything in it can be made again."""

    root: Path

    @property
    def k3s(self) -> Path:
        """Release folders of k3s, one a version."""
        return self.root / "k3s"

    @property
    def go(self) -> Path:
        """Go's build and module caches."""
        return self.root / "go"

    @property
    def pulumi_home(self) -> Path:
        """Pulumi's own plugins, templates and credentials."""
        return self.root / "pulumi"

    @property
    def cli(self) -> Path:
        """Downloaded Pulumi CLIs, one folder a version."""
        return self.root / "cli"


@dataclass(frozen=True)
class State:
    """What the clone keeps of the stacks that `make` made. Never committed."""

    root: Path

    def made(self) -> Path:
        """The folder itself, readable by the user alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        return self.root

    @property
    def backend(self) -> Path:
        """Pulumi's file backend."""
        return self.root / "backend"

    @property
    def passphrase(self) -> Path:
        """The passphrase of every secret in the backend."""
        return self.root / "passphrase"

    def config(self, stack: str) -> Path:
        """The stack file that the engines read."""
        return self.root / "config" / f"Pulumi.{stack}.yaml"

    @property
    def plugins(self) -> Path:
        """Folders of links to the plugins of the lab that stand in for some of the real ones."""
        return self.root / "plugins"

    def kubeconfig(self, stack: str) -> Path:
        """The kubeconfig that `make up` writes."""
        return self.root / "kubeconfig" / f"{stack}.yaml"

    def choices(self, stack: str) -> Path:
        """Which engine and which k3s made the stack."""
        return self.root / "choices" / f"{stack}.json"

    def checkpoint(self, stack: str) -> Path:
        """The stack's state, in the layout of Pulumi's file backend."""
        return self.backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def clone_state() -> State:
    """The state folder of this clone."""
    return State(CLONE / ".state")


def cache() -> Cache:
    """The cache folder of this user."""
    return Cache(cache_folder())
