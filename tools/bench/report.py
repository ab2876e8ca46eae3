"""What was measured, in tables that can go into a page of docs/ as they are."""

from collections.abc import Sequence
from statistics import median

from tools.bench import sessions, timeline
from tools.bench.facts import Run
from tools.bench.timeline import Span, Step

_WIDTH = 48  # characters that the time of all add-ons is drawn in
_LEAST_SECONDS = 0.05  # of a step in the critical path: shorter ones are told of together
_COLUMNS = (
    *("servers+agents", "runs", "`make up` to Ready, s", "Ready to all add-ons, s"),
    *("`make up`, s", "add-ons at once", "SSH sessions a node", "load before"),
)


def overview(runs: Sequence[Run], stack: str) -> str:
    """A row a shape: the median of its runs, the least and the most in brackets."""
    shapes = dict.fromkeys(run.shape for run in runs)
    rows = [_row([run for run in runs if run.shape == shape], stack) for shape in shapes]
    return table([_COLUMNS, *rows])


def details(runs: Sequence[Run], stack: str) -> str:
    """Of each shape the run in the middle: its add-ons in time, and what its end waited for."""
    parts = []
    for shape in dict.fromkeys(run.shape for run in runs):
        run = middle([run for run in runs if run.shape == shape])
        parts.append(f"{shape}, the run of {run.seconds:.1f} s\n")
        if run.addons:
            parts += [chart(run.addons, run.ready), ""]
        parts += [critical_path(run, stack), ""]
    return "\n".join(parts).rstrip()


def middle(runs: Sequence[Run]) -> Run:
    """The run whose time is the median; of two the shorter."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, and what lies between the least and the most."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def chart(spans: Sequence[Span], zero: float) -> str:
    """A line a span, seconds counted from `zero`, which all of it is drawn from."""
    end = max(max(span.ended for span in spans), zero + 0.1)
    name = max(len(span.name) for span in spans)
    lines = []
    for span in spans:
        begun, ended = (round((t - zero) / (end - zero) * _WIDTH) for t in (span.begun, span.ended))
        begun = min(max(begun, 0), _WIDTH - 1)
        bar = " " * begun + "=" * max(ended - begun, 1)
        times = f"{span.begun - zero:5.1f} – {span.ended - zero:4.1f} s"
        lines.append(f"    {span.name:<{name}}  |{bar:<{_WIDTH}}|  {times}")
    return "\n".join(lines)


def critical_path(run: Run, stack: str) -> str:
    """Each step that the end waited for, and its session by its node's own clock."""
    path = timeline.critical_path(run.steps, addons=True)
    begin = path[0].begun if path else run.ended
    rows = [("before the first resource", "0.0", _s(begin - run.started), "")]
    short = [step for step in path if step.seconds < _LEAST_SECONDS]
    for step in path:
        if step not in short:
            on_node = sessions.on_node(step, run.sessions, stack)
            rows.append((_title(step), _s(step.begun - run.started), _s(step.seconds), _s(on_node)))
    if short:
        rows.append((f"{len(short)} shorter ones", "", _s(sum(s.seconds for s in short)), ""))
    if path:
        end = path[-1].ended
        rows.append(("after the last resource", _s(end - run.started), _s(run.ended - end), ""))
    return table([("waited for", "from, s", "took, s", "on its node, s"), *rows])


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _row(runs: Sequence[Run], stack: str) -> tuple[str, ...]:
    to_addons = [seconds for run in runs if (seconds := run.to_addons) is not None]
    at_once = [timeline.parallel(run.addons) for run in runs if run.addons]
    return (
        runs[0].shape,
        str(len(runs)),
        spread([run.to_ready for run in runs]),
        spread(to_addons) if to_addons else "",
        spread([run.seconds for run in runs]),
        spread(at_once) if at_once else "",
        ", ".join(_sessions(runs, role, stack) for role in ("server", "agent")).strip(", "),
        spread([run.load[0] for run in runs]),
    )


def _sessions(runs: Sequence[Run], role: str, stack: str) -> str:
    """How many sessions nodes of a role have had: `server 12–14`."""
    counts = sorted(
        len(had)
        for run in runs
        for node, had in run.sessions.items()
        if node.startswith(f"{stack}-{role}-")
    )
    if not counts:
        return ""
    return f"{role} {counts[0]}" + (f"–{counts[-1]}" if counts[-1] > counts[0] else "")


def _title(step: Step) -> str:
    return f"{step.addon}: {step.name}" if step.addon else step.name


def _s(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
