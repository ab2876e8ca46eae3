"""Which release may follow which: up, and not past a minor release.

Sources: https://docs.k3s.io/upgrades ("upgrade ... one minor version at a time", no downgrades) and
https://kubernetes.io/releases/version-skew-policy/. `prepare` holds each node to the same rule.
"""

import re
from collections.abc import Iterator

from components.problems import Problem

_FORM = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.]+))?\+([0-9A-Za-z.]+)")
_PIECE = re.compile(r"\d+|[^\d.]+")
_Pieces = tuple[tuple[bool, int, str], ...]
_Version = tuple[int, int, int, bool, _Pieces, _Pieces]


def problems(last: str, wanted: str) -> Iterator[Problem]:
    """Whether the release `wanted` may follow `last`, which runs; ValueError for no version."""
    old, new = _parts(last), _parts(wanted)
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


def _parts(version: str) -> _Version:
    """Major, minor, patch, whether it is released, which candidate it is, k3s's own number."""
    found = _FORM.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is not the name of a release of k3s")
    major, minor, patch, candidate, own = found.groups()
    released = candidate is None
    return int(major), int(minor), int(patch), released, _pieces(candidate or ""), _pieces(own)


def _pieces(text: str) -> _Pieces:
    """`rc2` is before `rc10`, and `k3s2` before `k3s10`."""
    pieces = _PIECE.findall(text)
    return tuple((p.isdigit(), int(p) if p.isdigit() else 0, p) for p in pieces)
