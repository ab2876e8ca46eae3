"""The names of k3s's releases, and which may follow which: up, and not past a minor release.

Sources: https://docs.k3s.io/upgrades ("upgrade ... one minor version at a time", no downgrades) and
https://kubernetes.io/releases/version-skew-policy/. The node holds to the same rule: version.sh.
"""

import re
from collections.abc import Iterator

from components.problems import Problem

_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.]+)?\+[0-9A-Za-z.]+")


def is_release(name: str) -> bool:
    """Whether the name has the form of a release of k3s: v1.35.6+k3s1, v1.36.0-rc1+k3s1."""
    return _RELEASE.fullmatch(name) is not None


def problems(last: str, wanted: str) -> Iterator[Problem]:
    """Whether the release `wanted` may follow `last`, which runs; ValueError for no version.

    Candidates of a release, and k3s's own numbers (+k3s1, +k3s2), follow each other either way.
    """
    old, new = _numbers(last), _numbers(wanted)
    if new < old:
        yield Problem(
            key="k3s.version",
            given=wanted,
            why=f"the cluster runs {last}, and Kubernetes does not go back to an older release",
            write=f"write {last} or a later one",
        )
    elif new[0] != old[0] or new[1] > old[1] + 1:
        yield Problem(
            key="k3s.version",
            given=wanted,
            why=f"the cluster runs {last}, and no minor release may be skipped",
            write=f"write a release of v{old[0]}.{old[1] + 1} first, and this one after an up",
        )


def _numbers(version: str) -> tuple[int, int, int]:
    """Kubernetes's major, minor and patch."""
    found = _RELEASE.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is not the name of a release of k3s")
    major, minor, patch = map(int, found.groups()[:3])
    return major, minor, patch
