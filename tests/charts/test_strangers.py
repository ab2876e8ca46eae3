"""What a chart or a definition does not know is noticed: the real charts' tests can fail."""

from pathlib import Path
from typing import Any

import pytest

from components.addons.kinds import KINDS
from tests.charts import strangers
from tests.charts.cases import cases
from tests.charts.promises import PROMISES

VALUES = """\
speaker:
  enabled: true
  # frr: the older way
  tolerations: []
labels: {}
# image: set by the chart
grafana:
  enabled: true
"""
INNER = "admin:\n  existingSecret: ''\n"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "Chart.yaml").write_text("name: a\nversion: 1\ndependencies: [{name: grafana}]\n")
    inner = tmp_path / "charts" / "grafana"
    inner.mkdir(parents=True)
    (inner / "values.yaml").write_text(INNER)
    (inner / "Chart.yaml").write_text("name: grafana\nversion: 1\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.yaml").write_text("{{ .Values.hidden }} {{ .Values.speaker.x }}")
    return tmp_path


@pytest.mark.parametrize(
    ("values", "strange"),
    [
        ({"speaker": {"enabled": False, "frr": {"enabled": False}}}, []),
        ({"speaker": {"enabeld": False}}, ["speaker.enabeld"]),
        ({"labels": {"anything": "goes"}, "image": "x"}, []),
        ({"speakers": {}}, ["speakers"]),
        ({"hidden": True, "speaker": {"x": 1}}, []),
        ({"hidde": True}, ["hidde"]),
        ({"grafana": {"enabled": False, "admin": {"existingSecret": "x"}}}, []),
        ({"grafana": {"admin": {"existingSecrets": "x"}}}, ["grafana.admin.existingSecrets"]),
    ],
)
def test_a_value_that_no_values_file_has_is_told(
    chart: Path, values: dict[str, Any], strange: list[str]
) -> None:
    assert list(strangers.in_values(values, chart)) == strange


SPEC = {
    "properties": {
        "spec": {
            "properties": {
                "pools": {"items": {"properties": {"size": {}}}},
                "labels": {"additionalProperties": {"type": "string"}},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
            }
        }
    }
}
DEFINITION = {
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "ceph.rook.io",
        "names": {"kind": "CephCluster"},
        "versions": [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": SPEC}}],
    },
}


@pytest.mark.parametrize(
    ("spec", "strange"),
    [
        ({"pools": [{"size": 3}], "labels": {"a": "b"}, "free": {"as": {"it": "is"}}}, []),
        ({"pools": [{"size": 3}, {"sise": 3}]}, ["CephCluster rook: spec.pools.sise"]),
        ({"pool": []}, ["CephCluster rook: spec.pool"]),
    ],
)
def test_a_field_that_the_definition_lacks_is_told(
    spec: dict[str, Any], strange: list[str]
) -> None:
    kind = {"apiVersion": "ceph.rook.io/v1", "kind": "CephCluster"}
    found = {**kind, "metadata": {"name": "rook"}, "spec": spec}
    assert list(strangers.in_objects([found], strangers.schemas([DEFINITION]))) == strange


def test_every_add_on_with_a_chart_is_rendered() -> None:
    assert {case.key for case in cases()} == {key for key, kind in KINDS.items() if kind.charts}


def test_every_add_on_with_a_chart_has_promises() -> None:
    assert {key for key, kind in KINDS.items() if kind.charts} <= set(PROMISES)
