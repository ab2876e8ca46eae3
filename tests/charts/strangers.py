"""What a chart, or a definition, does not know: keys that would be without effect, or refused."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from components.addons.addon import merged

Path_ = tuple[str, ...]


def in_values(values: Mapping[str, Any], chart: Path) -> Iterator[str]:
    """Values that no values.yaml of it has, not even in a comment, and no template asks for."""
    text = "".join(file.read_text() for file in chart.rglob("values.yaml"))
    for path in _unknown(values, _defaults(chart), text):
        if not _asked_for(path, chart):
            yield path


def _asked_for(path: str, chart: Path) -> bool:
    folders = [chart, *(folder for _, folder in _dependencies(chart))]
    names = (path, path.partition(".")[2])  # a dependency's own are without its name
    asked = re.compile("|".join(rf"\.Values\.{re.escape(name)}\b" for name in names if name))
    files = (file for folder in folders for file in (folder / "templates").rglob("*.*"))
    return any(asked.search(file.read_text()) for file in files)


def _dependencies(chart: Path) -> Iterator[tuple[str, Path]]:
    """Folders of the chart's dependencies, by the names under which their values stand."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    for needed in about.get("dependencies", ()):
        folder = chart / "charts" / needed["name"]
        if folder.is_dir():
            yield needed.get("alias") or needed["name"], folder


def _defaults(chart: Path) -> dict[str, Any]:
    """The chart's values, and under their names those of its dependencies."""
    file = chart / "values.yaml"
    own = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
    for name, folder in _dependencies(chart):
        own[name] = merged(_defaults(folder), own.get(name) or {})
    return own


def _unknown(given: Mapping[str, Any], defaults: Mapping[str, Any], text: str) -> Iterator[str]:
    """Where the chart has nothing, or what is not an object, anything may be written below."""
    for key, value in given.items():
        default = defaults.get(key)
        if key not in defaults:
            if not re.search(rf"^\s*#[\s#-]*{re.escape(key)}:", text, re.MULTILINE):
                yield key
        elif isinstance(value, Mapping) and isinstance(default, Mapping) and default:
            yield from (f"{key}.{path}" for path in _unknown(value, default, text))


Schemas = Mapping[tuple[str, str], Mapping[str, Any]]


def schemas(objects: Sequence[Mapping[str, Any]]) -> Schemas:
    """Of each apiVersion and kind that a CustomResourceDefinition among the objects defines."""
    return {
        (f"{found['spec']['group']}/{version['name']}", found["spec"]["names"]["kind"]): (
            version["schema"]["openAPIV3Schema"]
        )
        for found in objects
        if found["kind"] == "CustomResourceDefinition"
        for version in found["spec"]["versions"]
        if version["served"]
    }


def in_objects(objects: Sequence[Mapping[str, Any]], known: Schemas) -> Iterator[str]:
    """Fields that the definition of their object does not have; the API server refuses them."""
    for found in objects:
        schema = known.get((found["apiVersion"], found["kind"]))
        if schema is not None:
            name = f"{found['kind']} {found['metadata']['name']}"
            body = {k: v for k, v in found.items() if k not in ("apiVersion", "kind", "metadata")}
            yield from (f"{name}: {path}" for path in _fields(body, schema, ()))


def _fields(value: Any, schema: Mapping[str, Any], path: Path_) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _fields(inner, schema.get("items", {}), path)
    if not isinstance(value, Mapping) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties, further = schema.get("properties", {}), schema.get("additionalProperties")
    for key, inner in value.items():
        if key in properties:
            yield from _fields(inner, properties[key], (*path, key))
        elif isinstance(further, Mapping):
            yield from _fields(inner, further, (*path, key))
        elif not further:
            yield ".".join((*path, key))
