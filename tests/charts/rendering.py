"""A real chart by the values that the program makes: what `helm template` gives for them."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.helm import build as helm
from tests.charts.cases import Case
from tests.unit.program import run_stack
from tests.unit.recorder import Recording, Registration

# What charts are told of the cluster, as its version decides what they make.
KUBERNETES = "1.35.6"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_SECONDS = 300


class _Loader(yaml.CSafeLoader):
    """A safe loader that takes a lone = for text, as Kubernetes does."""


_Loader.add_constructor("tag:yaml.org,2002:value", yaml.CSafeLoader.construct_yaml_str)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The objects of all charts of a case, and those that the program makes itself."""

    case: Case
    releases: Mapping[str, "Release"]
    objects: list[Mapping[str, Any]] = field(repr=False)
    made: list[Mapping[str, Any]] = field(repr=False)

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Mapping[str, Any]:
        """The only one of its kind, or of its kind and name."""
        (found,) = (o for o in self.of_kind(kind) if name in (None, o["metadata"]["name"]))
        return found


@dataclass(frozen=True, kw_only=True)
class Release:
    """A chart's folder, and the values for it."""

    name: str
    chart: Path
    values: Mapping[str, Any] = field(repr=False)


def rendered(case: Case, charts: Mapping[str, str], folder: Path) -> Rendered:
    """Runs the program with the case's settings, and Helm with what came of it."""
    recording = run_stack(case.stack, case.overrides(charts))
    releases, objects = {}, []
    for made in recording.of_type(_RELEASE):
        release = _pulled(made, folder / made.name)
        releases[release.name] = release
        objects += _templates(made, release, folder / f"{made.name}.json")
    assert releases, f"the program makes no release for {case.key}"
    return Rendered(case=case, releases=releases, objects=objects, made=list(_made(recording)))


def _made(recording: Recording) -> Iterator[Mapping[str, Any]]:
    for resource in recording.registrations:
        if resource.type.startswith("kubernetes:") and "apiVersion" in resource.inputs:
            yield whole(resource.inputs)


def _pulled(made: Registration, folder: Path) -> Release:
    """The chart's folder: of a file, or pulled from its repository, which checks the version."""
    chart, version = made.inputs["chart"], made.inputs["version"]
    folder.mkdir()
    if chart.endswith(".tgz"):
        subprocess.run(["tar", "-xzf", chart, "-C", str(folder)], check=True)
    else:
        repository = made.inputs.get("repositoryOpts", {}).get("repo")
        source = ["--repo", repository] if repository else []
        _helm("pull", chart, *source, "--version", version, "--untar", "--untardir", str(folder))
    (found,) = folder.iterdir()
    about = yaml.safe_load((found / "Chart.yaml").read_text())
    assert about["version"].lstrip("v") == version.lstrip("v"), f"{chart}: {about['version']}"
    return Release(name=made.inputs["name"], chart=found, values=whole(made.inputs["values"]))


def _templates(made: Registration, release: Release, file: Path) -> list[Mapping[str, Any]]:
    file.write_text(json.dumps(release.values))
    where = ["--namespace", made.inputs["namespace"], "--kube-version", KUBERNETES]
    words = ["--values", str(file), "--include-crds", *where]
    told = _helm("template", release.name, str(release.chart), *words)
    return [found for found in yaml.load_all(told, Loader=_Loader) if found]


def _helm(*words: str) -> str:
    run = subprocess.run(
        [str(helm.ensure()), *words], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert run.returncode == 0, f"helm {' '.join(words)}: {run.stderr}"
    return run.stdout


def whole(value: Any) -> Any:
    """Numbers as they were written: Pulumi's protocol knows floating-point ones alone."""
    if isinstance(value, Mapping):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
