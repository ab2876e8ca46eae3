"""The real charts, by the values that the program makes for them. Opt-in:

`make test ARGS="-m network"` pulls them from their repositories. With CHARTS_FOLDER=FOLDER, which
has NAME-VERSION.tgz of each, `make test ARGS=tests/charts` needs no network.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from components.addons.kinds import KINDS
from tests.charts import strangers
from tests.charts.cases import Case, cases
from tests.charts.promises import PROMISES, Promise
from tests.charts.rendering import Rendered, rendered

FOLDER = os.environ.get("CHARTS_FOLDER")
CHARTS = {"from": "folder", "folder": FOLDER} if FOLDER else {"from": "repository"}
# Values that a chart passes on as they are, to an object or a program: theirs to say what it holds.
PASSED_ON = {
    # Of the Installation and of the FelixConfiguration.
    "cni": ("installation.flexVolumePath", "defaultFelixConfiguration.wireguardEnabled"),
    # Loki's own configuration.
    "logging": (
        "loki.commonConfig.ring",
        "loki.ingester.wal.replay_memory_ceiling",
        "loki.limits_config.max_line_size_truncate",
        "loki.limits_config.retention_period",
    ),
    "rook": (
        "cephClusterSpec.cephConfig",
        "operatorConfig.driverSpecDefaults.controllerPlugin.priorityClassName",
    ),
}
Rendering = Callable[[Case], Rendered]


def named(case: Case, *more: object, name: str = "") -> object:
    """A parameter of a test, which needs the repositories of the add-on's charts."""
    words = [case.key, case.title, *([name] if name else [])]
    asked = (chart for chart in KINDS[case.key].charts if chart.wanted(case.settings))
    addresses = {f"{chart.repository}/index.yaml": None for chart in asked}
    marks = [] if FOLDER else [pytest.mark.network(*addresses, opt_in=True)]
    return pytest.param(case, *more, id=", ".join(words), marks=marks)


def promised() -> Iterator[object]:
    for case in cases():
        for promise in PROMISES.get(case.key, ()):
            yield named(case, promise, name=promise.__name__)


@pytest.fixture(scope="module")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    """Each case once, however many tests ask for it."""
    made: dict[tuple[str, str], Rendered] = {}

    def of(case: Case) -> Rendered:
        which = (case.key, case.title)
        if which not in made:
            made[which] = rendered(case, CHARTS, tmp_path_factory.mktemp(case.key))
        return made[which]

    return of


@pytest.mark.parametrize("case", [named(case) for case in cases()])
def test_every_value_that_the_program_sets_is_one_of_the_charts(
    case: Case, rendering: Rendering
) -> None:
    found = rendering(case)
    known = PASSED_ON.get(case.key, ())
    told = {
        name: [
            path for path in strangers.in_values(release.values, release.chart) if path not in known
        ]
        for name, release in found.releases.items()
    }
    print(f"{case.key}, {case.title}: {len(found.objects)} objects of {', '.join(found.releases)}")
    assert found.objects
    assert {name: paths for name, paths in told.items() if paths} == {}


@pytest.mark.parametrize("case", [named(case) for case in cases()])
def test_every_object_has_the_fields_of_its_definition_alone(
    case: Case, rendering: Rendering
) -> None:
    found = rendering(case)
    known = strangers.schemas(found.objects)
    assert list(strangers.in_objects([*found.objects, *found.made], known)) == []


@pytest.mark.parametrize(("case", "promise"), list(promised()))
def test_the_chart_does_what_the_add_ons_page_says(
    case: Case, promise: Promise, rendering: Rendering
) -> None:
    promise(rendering(case))
