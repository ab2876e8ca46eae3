"""What `make bench` works out: from a state, an API's answer and nodes' journals to tables."""

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from components.addons.kinds import KINDS
from stacks import scalars
from stacks.settings import parse as parse_settings
from tools import processes
from tools.bench import asked, facts, report, sessions, shapes, timeline
from tools.bench import run as bench
from tools.bench.facts import Run
from tools.bench.timeline import Span
from tools.copies import Copy
from tools.messages import ToolError
from tools.state import Choices, remember

STACK = shapes.STACK
START = timeline.timestamp("2026-11-21T06:00:00Z")
URN = f"urn:pulumi:{STACK}::k3s::"


def resource(
    type_: str, name: str, at: float, *needs: str, parent: str = "", custom: bool = True
) -> dict[str, Any]:
    """As a checkpoint has it, `at` seconds after the start."""
    return {
        "urn": f"{URN}{type_}::{STACK}{name}",
        "type": type_,
        "custom": custom,
        "parent": parent,
        "created": f"2026-11-21T06:00:{at:012.9f}Z",
        "dependencies": list(needs),
    }


def made() -> list[dict[str, Any]]:
    """A machine, its steps and two add-ons side by side; the second has a step on a server."""
    cluster = resource("k3s:cluster:K3sCluster", "", 2.0, custom=False)
    key = resource("tls:index/privateKey:PrivateKey", "-key", 2.5)
    machine = resource("command:local:Command", "-agent-1", 5.0, key["urn"])
    server = resource("command:remote:Command", "-server-1-install", 9.0, key["urn"])
    install = resource("command:remote:Command", "-agent-1-install", 14.0, machine["urn"])
    joined = resource("command:remote:Command", "-agent-1-registration", 15.0, install["urn"])
    provider = resource("pulumi:providers:kubernetes", "-kubernetes", 9.5, server["urn"])
    one = resource("k3s:addons:Metallb", "-metallb", 2.1, parent=cluster["urn"], custom=False)
    two = resource("k3s:addons:Prometheus", "-prometheus", 2.1, custom=False)
    waits = joined["urn"], server["urn"]
    password = resource("random:index/randomPassword:RandomPassword", "-p", 3.0, parent=two["urn"])
    space = resource("kubernetes:core/v1:Namespace", "-a", 15.5, *waits, parent=one["urn"])
    chart = resource("kubernetes:helm.sh/v3:Release", "-b", 19.0, space["urn"], parent=one["urn"])
    other = resource("kubernetes:helm.sh/v3:Release", "-c", 23.0, *waits, parent=two["urn"])
    step = resource("command:remote:Command", "-ceph", 25.0, other["urn"], parent=two["urn"])
    for each in (space, chart, other):
        each["provider"] = f"{provider['urn']}::some-id"
    return [
        *(cluster, key, machine, server, install, joined, provider),
        *(one, two, password, space, chart, other, step),
    ]


def steps() -> dict[str, timeline.Step]:
    return timeline.steps({"resources": made()}, STACK)


def run(ended: float = 26.0, shape: str = "1+2", **changes: Any) -> Run:
    told: dict[str, Any] = {
        "shape": shape,
        "started": START,
        "ready": START + 14,
        "ended": START + ended,
        "load": (0.5, 2.5),
        "made_with": Choices("lab", "lab", "lab"),
        "steps": steps(),
        "sessions": {f"{STACK}-server-1": [], f"{STACK}-agent-1": []},
    }
    return Run(**told | changes)


def journal(*lines: tuple[float, str, object]) -> str:
    entries = (
        {"__REALTIME_TIMESTAMP": str(round((START + at) * 1e6)), "_PID": pid, "MESSAGE": message}
        for at, pid, message in lines
    )
    return "\n".join(map(json.dumps, entries)) + "\n"


def test_a_step_begins_when_the_last_of_what_it_waits_for_is_there() -> None:
    found = {step.name: step for step in steps().values()}
    assert round(found["agent-1-install"].begun - START, 3) == 5.0
    assert round(found["agent-1-install"].seconds, 3) == 9.0
    # One that waits for nothing: with the stack's first resource, not with `make up`.
    assert round(found["key"].begun - START, 3) == 2.0
    # The provider is waited for, too, and components are no steps.
    assert any(need.endswith("-kubernetes") for need in found["a"].needs)
    assert not {"metallb", "prometheus"} & set(found)


def test_an_add_on_lasts_from_its_first_object_in_the_cluster_to_its_last() -> None:
    spans = timeline.addons(steps())
    assert [(s.name, round(s.begun - START, 3), round(s.ended - START, 3)) for s in spans] == [
        ("metallb", 15.0, 19.0),
        ("prometheus", 15.0, 25.0),
    ]
    assert timeline.parallel(spans) == pytest.approx(1.4)
    assert timeline.parallel([Span("a", 0, 4), Span("b", 4, 8)]) == 1.0


def test_the_critical_path_names_what_was_waited_for_last_before_each_step() -> None:
    path = [step.name for step in timeline.critical_path(steps(), addons=False)]
    assert path == ["key", "agent-1", "agent-1-install", "agent-1-registration"]
    assert [s.name for s in timeline.critical_path(steps(), addons=True)] == [*path, "c", "ceph"]
    assert timeline.critical_path({}, addons=True) == []


def test_sessions_are_read_by_the_nodes_clock_each_by_its_own_process() -> None:
    begun = "Accepted publickey for root from 10.0.0.1 port 5 ssh2: ED25519 SHA256:x"
    ended = "pam_unix(sshd:session): session closed for user root"
    found = sessions.read(
        journal(
            (1.0, "1", "Server listening on 0.0.0.0 port 22."),
            (2.0, "7", begun),
            (2.5, "8", begun),
            (3.0, "8", [255, 254]),
            (4.0, "7", ended),
            (4.1, "9", ended),
            (5.0, "7", begun),
            (5.5, "8", ended),
        )
    )
    assert [round(session.seconds, 3) for session in found] == [2.0, 3.0, math.inf]


def test_a_steps_session_is_the_one_that_ended_with_it_where_it_runs() -> None:
    found = {step.name: step for step in steps().values()}
    server, agent = f"{STACK}-server-1", f"{STACK}-agent-1"
    begun = START + 5.2
    known = {
        server: [Span("p", START + 14.1, START + 14.8), Span("q", begun, START + 13.99)],
        agent: [Span("p", begun, START + 13.9), Span("q", begun, START + 9)],
    }
    assert sessions.on_node(found["agent-1-install"], known, STACK) == pytest.approx(8.7)
    # It is about the agent, and runs on a server.
    assert sessions.on_node(found["agent-1-registration"], known, STACK) == pytest.approx(0.7)
    assert sessions.on_node(found["ceph"], known, STACK) is None
    assert sessions.on_node(found["key"], known, STACK) is None


def test_the_last_node_to_be_ready_counts_and_one_that_is_not_is_told() -> None:
    def node(name: str, status: str, second: int) -> dict[str, Any]:
        at = f"2026-11-21T06:00:{second:02}Z"
        condition = {"type": "Ready", "status": status, "lastTransitionTime": at}
        pressure = {"type": "DiskPressure", "status": "False", "lastTransitionTime": at}
        return {"metadata": {"name": name}, "status": {"conditions": [pressure, condition]}}

    assert facts.ready([node("a", "True", 9), node("b", "True", 4)]) == START + 9
    with pytest.raises(ToolError, match="node b — it is not Ready"):
        facts.ready([node("a", "True", 9), node("b", "Unknown", 4)])


def test_a_row_has_the_median_and_the_spread_of_its_shapes_runs() -> None:
    known = {f"{STACK}-server-1": [Span("s", 0, 1)] * 3, f"{STACK}-agent-1": [Span("s", 0, 1)]}
    runs = [run(ended=n, sessions=known) for n in (30.0, 26.0, 27.0)]
    more = {**known, f"{STACK}-agent-2": [Span("s", 0, 1)] * 2}
    runs.append(run(shape="3+3", steps={}, sessions=more))
    head, _, first, second = report.overview(runs, STACK).splitlines()
    assert len({len(line) for line in (head, first, second)}) == 1
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == [
        *("1+2", "3", "14.0 (14.0–14.0)", "11.0 (11.0–11.0)", "27.0 (26.0–30.0)"),
        *("1.4 (1.4–1.4)", "server 3, agent 1", "0.5 (0.5–0.5)"),
    ]
    cells = [cell.strip() for cell in second.strip("|").split("|")]
    assert cells == ["3+3", "1", "14.0", "", "26.0", "", "server 3, agent 1–2", "0.5"]


def test_the_run_in_the_middle_is_shown() -> None:
    assert report.middle([run(30.0), run(26.0), run(27.0)]).seconds == pytest.approx(27.0)
    assert report.middle([run(30.0), run(26.0)]).seconds == pytest.approx(26.0)


def test_bars_stand_side_by_side_where_add_ons_do() -> None:
    first, second = report.chart(timeline.addons(steps()), START + 13).splitlines()
    assert first.index("=") == second.index("=")
    assert first.count("=") == round(4 / 12 * 48)
    assert second.count("=") == round(10 / 12 * 48)
    assert first.endswith("|    2.0 –  6.0 s")
    # One that is over before Ready, as a network plugin is, has its place as well.
    assert report.chart([Span("cni", 1, 2), Span("b", 2, 9)], 4).splitlines()[0].count("=") == 1


def test_the_path_of_a_run_adds_up_to_all_of_it() -> None:
    known = {f"{STACK}-agent-1": [Span("s", START + 5.1, START + 13.9)]}
    rows = report.critical_path(run(sessions=known), STACK).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert sum(float(took) for _, _, took, _ in cells) == pytest.approx(26.0)
    assert [cell for cell in cells if cell[0] == "agent-1-install"] == [
        ["agent-1-install", "5.0", "9.0", "8.8"]
    ]
    assert [cell[0] for cell in cells][-3:] == [
        *("prometheus: c", "prometheus: ceph", "after the last resource"),
    ]


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_every_shape_with_all_add_ons_is_one_that_the_program_takes(shape: str) -> None:
    settings = shapes.settings(shapes.SHAPES[shape], shapes.ADDONS)
    raw = {key: scalars.text(key, value) for key, value in settings.items()}
    parsed = parse_settings(STACK, raw, operator_key_given=False, in_clear=[])
    servers, agents = map(int, shape.split("+"))
    roles = [node.role for node in parsed.nodes(STACK)]
    assert (roles.count("server"), roles.count("agent")) == (servers, agents)
    assert set(parsed.addons.chosen()) == set(shapes.ADDONS) <= set(KINDS)


@pytest.fixture
def nothing_forced(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ENGINE", "K3S", "CHARTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.usefixtures("nothing_forced")
def test_by_default_it_is_once_one_server_and_two_agents_with_all_add_ons() -> None:
    assert asked.parse([]) == asked.Asked(
        1, ("1+2",), tuple(shapes.ADDONS), {"K3S": "lab", "CHARTS": "lab"}
    )
    words = ["--runs", "3", "--shapes", "1+2,3+0,1+2", "--addons", "none"]
    assert asked.parse(words) == asked.Asked(3, ("1+2", "3+0"), (), {"K3S": "lab", "CHARTS": "lab"})


def test_the_real_ceph_is_never_given_a_device(nothing_forced: pytest.MonkeyPatch) -> None:
    nothing_forced.setenv("CHARTS", "repository")
    nothing_forced.setenv("ENGINE", "pulumi")
    given = asked.parse([])
    assert "rook" not in given.addons
    assert given.variables == {"K3S": "lab", "CHARTS": "repository", "ENGINE": "pulumi"}
    with pytest.raises(ToolError, match="there is no rook"):
        asked.parse(["--addons", "rook"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--runs", "0"], "--runs 0 — not a number of runs — write 1 to 100"),
        (["--runs", "²"], "--runs ² — not a number of runs — write 1 to 100"),
        (["--shapes", "2+2"], "--shapes 2+2 — there is no 2+2 — write some of 1+2,3+0,3+3"),
        (["--addons", "metallb,"], "--addons metallb, — a name is empty — write some of metallb,"),
        (["--fast"], "unrecognized arguments: --fast — make bench does not know it — write make"),
        (["--runs"], "argument --runs: expected one argument — make bench does not know it — "),
    ],
)
@pytest.mark.usefixtures("nothing_forced")
def test_wrong_words_are_told_in_one_message(words: list[str], told: str) -> None:
    with pytest.raises(ToolError) as caught:
        asked.parse(words)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_program_that_takes_too_long_is_told_to_end_and_its_words_are_kept(
    tmp_path: Path,
) -> None:
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('ends'), sys.exit(3)))\n"
        "print('begins', flush=True)\n"
        "time.sleep(600)"
    )
    handler, log = signal.getsignal(signal.SIGTERM), tmp_path / "log"
    # On a busy machine a second may be over before the program has begun.
    for seconds in (1, 10, 100):
        with log.open("w") as output:
            code = processes.run(
                [sys.executable, "-c", program], cwd=tmp_path, output=output, seconds=seconds
            )
        if log.read_text():
            break
    assert code == 3
    assert log.read_text() == "begins\nends\n"
    assert signal.getsignal(signal.SIGTERM) == handler


ASKED = asked.Asked(1, ("1+2",), (), {"K3S": "lab"})


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A project of which only `make` is there: its up fails."""
    made = Copy(tmp_path / "bench" / STACK, STACK)
    made.folder.mkdir(parents=True)
    (made.folder / "Makefile").write_text(
        "up:\n\t@echo no room >&2; exit 3\ndestroy:\n\t@echo $(STACK) $(K3S) >destroyed\n"
    )
    return made


def test_a_cluster_that_did_not_come_up_is_taken_away_and_the_reason_told(copy: Copy) -> None:
    with pytest.raises(ToolError) as caught:
        bench._measured(copy, ASKED, "1+2", "run 1 of 1")
    told = str(caught.value)
    assert told.startswith("make up of k3sbench — it ended with exit code 2:\nno room\n")
    assert str(copy.folder.with_suffix(".up.log")) in told
    assert (copy.folder / "destroyed").read_text() == f"{STACK} lab\n"


def test_a_cluster_that_could_not_be_taken_away_is_told_with_the_way_to_do_it(copy: Copy) -> None:
    (copy.folder / "Makefile").write_text("up destroy:\n\t@echo $@ stuck; exit 1\n")
    with pytest.raises(ToolError) as caught:
        bench._measured(copy, ASKED, "1+2", "run 1 of 1")
    told = str(caught.value)
    assert "destroy stuck" in told
    assert told.endswith(f"make -C {copy.folder} destroy STACK={STACK}")


def test_what_a_killed_run_left_goes_first_by_the_engine_that_made_it(copy: Copy) -> None:
    bench._clear(copy)
    assert not (copy.folder / "destroyed").exists()
    checkpoint = copy.state.checkpoint(STACK)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text(json.dumps({"checkpoint": {"latest": {"resources": made()}}}))
    remember(STACK, Choices("lab", "lab", "lab"), copy.state)
    bench._clear(copy)
    assert (copy.folder / "destroyed").is_file()


def test_only_one_measures_at_a_time(copy: Copy) -> None:
    refused = pytest.raises(ToolError, match="another `make bench`")
    with bench._alone(copy), refused, bench._alone(copy):
        pytest.fail("two at once")
    with bench._alone(copy):
        pass
