"""Who may leave: etcd's quorum, reckoned by the script with given members."""

import subprocess

import pytest

from tests.unit.stackfiles import ROOT

PART = ROOT / "components" / "k3s" / "scripts" / "removal.sh"
MEMBERS = ROOT / "components" / "k3s" / "scripts" / "members.sh"


def told(call: str, members: str) -> str:
    """What a function of the script prints of members, `a+` for one that answers, `b-` else."""
    lines = "".join(
        f"{word[:-1]} {'answers' if word[-1] == '+' else 'silent'}\n" for word in members.split()
    )
    text = f"set -eu\n{PART.read_text()}\n{call}\n"
    done = subprocess.run(
        ["sh", "-c", text], input=lines, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("members", "leaving", "left"),
    [
        ("a+ b+ c+", "a", None),
        ("a+ b+ c-", "c", None),
        ("a+ b+", "b", None),
        # Two members answer, and one of them goes: the other has no majority of the two left.
        ("a+ b+ c-", "a", (1, 2, 1, "c")),
        ("a+ b- c-", "a", (0, 2, 2, "b, c")),
        ("a+ b- c-", "b", (1, 2, 1, "c")),
        ("a+ b+ c+ d- e-", "e", None),
        ("a+ b+ c+ d- e-", "a", (2, 3, 1, "d, e")),
        # Nobody is left to keep the data.
        ("a+", "a", (0, 1, 1, "none")),
    ],
)
def test_a_server_leaves_only_while_the_others_have_a_majority(
    members: str, leaving: str, left: tuple[int, int, int, str] | None
) -> None:
    words = ""
    if left:
        answering, needed, missing, silent = left
        words = (
            f"{leaving} stays: without it {answering} of the other members of etcd would answer, "
            f"{needed} are needed, {missing} are missing (silent: {silent})"
        )
    assert told(f"refusal {leaving}", members) == words


@pytest.mark.parametrize(
    ("members", "leaving", "order"),
    [
        ("a+ b+ c-", "b c", ["c", "b"]),
        ("a+ b+ c+ d- e-", "b c d e", ["d", "e", "b", "c"]),
        ("a+ b+ c+", "x y", []),
    ],
)
def test_servers_that_are_silent_leave_first_and_agents_are_none_of_them(
    members: str, leaving: str, order: list[str]
) -> None:
    nodes = "\n".join(leaving.split())
    assert told(f"in_order '{nodes}'", members).split() == order


@pytest.mark.parametrize(
    ("members", "leaving", "stays"),
    [
        ("a+ b+ c+", "b c", ""),
        ("a+ b+ c-", "b c", ""),
        ("a+ b+ c+ d+ e+", "b c d e", ""),
        # The silent one is to stay, so the second of the others may not go.
        ("a+ b+ c+ d-", "b c", "c"),
    ],
)
def test_the_whole_way_is_looked_at_before_anything_is_done(
    members: str, leaving: str, stays: str
) -> None:
    functions = MEMBERS.read_text().replace('main "$@" </dev/null', "")
    call = f"""{functions}
all=$(cat)
servers=$(printf '%s\\n' "$all" | in_order "$(printf '%s\\n' {leaving})")
check_the_way "$all" "$servers" || printf '%s\\n' "${{why%% *}}"
"""
    assert told(call, members).strip() == stays
