"""What all tests share: what the machine can do, the node image and the k3s that it runs."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from tests.inotify import raised
from tools import pulumi_cli
from tools.https import unreachable
from tools.releases import K3S, PULUMI

CLONE = Path(__file__).resolve().parent.parent
# How long an example takes, or its data, is the machine's doing.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
_ROOT_PROGRAMS = ("podman", "mmdebstrap")


@dataclass(frozen=True)
class K3sRelease:
    """A release folder, and the version of the k3s in it."""

    folder: Path
    version: str


@pytest.fixture(scope="session")
def node_image(request: pytest.FixtureRequest) -> Iterator[str]:
    """Reference of the node image, built if it is not there; its nodes have room to watch."""
    with raised():
        yield _built(request, "lab.nodes.build")


@pytest.fixture(scope="session")
def k3s_release(request: pytest.FixtureRequest) -> K3sRelease:
    """The lab's k3s, built if it is not there: minutes the first time."""
    folder = Path(_built(request, "lab.k3s.build"))
    return K3sRelease(folder, folder.name)


def pytest_report_header() -> list[str]:
    """What is tested with, and what is left out and why."""
    lines = [f"network: {_no_network() or 'there'}"]
    lines += [f"{marker}: skipped, {why}" for marker, why in _cannot().items()]
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what nobody asked for or what no network is there for; skips what cannot run."""
    cannot = _cannot()
    for item in items:
        for marker, reason in cannot.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    asked_for = "network" in config.option.markexpr
    without = {item: why for item in items if (why := _left_out(item, asked_for))}
    if asked_for:
        for item, why in without.items():
            item.add_marker(pytest.mark.skip(reason=why))
        without = {}
    if "long" not in config.option.markexpr:
        without |= {item: _LONG for item in items if item.get_closest_marker("long")}
    if without:
        config.hook.pytest_deselected(items=list(without))
        items[:] = [item for item in items if item not in without]
        config.stash[_DESELECTED] = Counter(without.values())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Says what the closing line only counts."""
    for why, count in config.stash.get(_DESELECTED, Counter()).items():
        what = "long tests" if why == _LONG else "tests of the real addresses"
        terminalreporter.write_line(f"{count} {what} left out: {why}")


_LONG = 'only run by make test ARGS="-m long"'
_DESELECTED = pytest.StashKey[Counter[str]]()


def _left_out(item: pytest.Item, asked_for: bool) -> str | None:
    """Why a test of real addresses is not run: nobody asked for it, or they are out of reach."""
    marker = item.get_closest_marker("network")
    if marker is None:
        return None
    if marker.kwargs.get("opt_in") and not asked_for:
        return 'only run by make test ARGS="-m network"'
    reasons = filter(None, map(_unreachable, marker.args))
    return next(reasons, None) if marker.args else _no_network()


_unreachable = cache(unreachable)


def _no_network() -> str | None:
    """One look for both: where Pulumi's releases are out of reach, k3s's are not asked for."""
    return _unreachable(f"{PULUMI.official}/") or _unreachable(K3S.official)


def _cannot() -> dict[str, str]:
    """Markers of tests that cannot run here, and why."""
    cannot = {}
    missing = [name for name in _ROOT_PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0:
        cannot["nodes"] = "nodes need root: run make test as root"
    elif missing:
        cannot["nodes"] = f"{', '.join(missing)} not installed"
    cli, why = pulumi_cli.on_path()
    if cli is None:
        cannot["pulumi"] = why
    return cannot


def _built(request: pytest.FixtureRequest, module: str) -> str:
    """Runs a builder of the lab, its progress shown; gives what it printed."""
    with _shown(request.config):
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=CLONE,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        pytest.fail(f"{module} ended with exit code {done.returncode}, see above", pytrace=False)
    return done.stdout.strip().splitlines()[-1]


@contextmanager
def _shown(config: pytest.Config) -> Iterator[None]:
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        yield
