"""The inputs of a Helm release: which there are, their defaults, and Helm's words for them.

Meaning: ``provider/pkg/provider/helm_release.go`` in pulumi-kubernetes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pulumi_kubernetes.helm.v3 import ReleaseArgs

from lab.engine.values import ASSET, UNKNOWN, Properties, Value, reveal, secret, signature
from lab.plugins import shapes
from lab.plugins.kubernetes.annotations import unique_name
from lab.plugins.kubernetes.checkpoint import has_secret, marked_like
from lab.plugins.sdk import inputs_of
from lab.plugins.shapes import Problem

SHAPE = inputs_of(ReleaseArgs, "Release")
TIMEOUT_SECONDS = 300
_NEVER = ("compat", "resourceNames", "manifest", "status")  # without effect
_REFUSED = (
    "disableCRDHooks",
    "keyring",
    "lint",
    "postrender",
    "recreatePods",
    "resetValues",
    "reuseValues",
    "verify",
)
# What the state says of them when a program does not: else the official plugin, which goes on with
# the stack, would upgrade each release once for the difference.
_UNSAID: Properties = {
    name: "" if shape.describe() == "a string" else False
    for name, shape in SHAPE.properties.items()
    if shape.describe() == "a boolean" or name in ("description", "keyring", "postrender")
}
_REFUSED_OF_REPOSITORY = ("username", "password")
_CHART_SWITCHES = {"devel": "--devel"}
_SWITCHES = {
    "atomic": "--atomic",
    "dependencyUpdate": "--dependency-update",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "renderSubchartNotes": "--render-subchart-notes",
    "takeOwnership": "--take-ownership",
}
_INSTALL_SWITCHES = {
    **_SWITCHES,
    "createNamespace": "--create-namespace",
    "disableWebhooks": "--no-hooks",
    "replace": "--replace",
    "skipCrds": "--skip-crds",
}
_UPGRADE_SWITCHES = {**_SWITCHES, "cleanupOnFail": "--cleanup-on-fail", "forceUpdate": "--force"}
_REPOSITORY_FILES = {"caFile": "--ca-file", "certFile": "--cert-file", "keyFile": "--key-file"}


def problems(inputs: Properties) -> list[Problem]:
    """What is wrong with the inputs of a program."""
    found = list(shapes.check(SHAPE, "", inputs))
    reason = "the lab's kubernetes plugin does not do this — leave it out"
    found += [(name, reason) for name in _REFUSED if inputs.get(name)]
    repository = shapes.bare(inputs.get("repositoryOpts"))
    if isinstance(repository, dict):
        given = [name for name in _REFUSED_OF_REPOSITORY if repository.get(name)]
        found += [(f"repositoryOpts.{name}", reason) for name in given]
    files = shapes.bare(inputs.get("valueYamlFiles"))
    for index, file in enumerate(files if isinstance(files, list) else ()):
        if signature(shapes.bare(file)) != ASSET:
            found.append((f"valueYamlFiles[{index}]", "not a file — write a FileAsset"))
    return found


def complete(
    inputs: Properties, olds: Properties, resource: str, seed: bytes, namespace: str
) -> Properties:
    """The inputs as the state keeps them: named, with defaults, the files' values within.

    Raises ``ValueError`` with the reason where a file of values cannot be read.
    """
    given = {k: v for k, v in inputs.items() if k not in _NEVER}
    given["name"] = given.get("name") or olds.get("name") or unique_name(resource, seed)
    given["namespace"] = given.get("namespace") or namespace
    given.setdefault("timeout", 0 if given.get("skipAwait") else TIMEOUT_SECONDS)
    given["values"] = _values(given.pop("valueYamlFiles", None), given.get("values"))
    return {**_UNSAID, **{k: v for k, v in given.items() if v is not None}}


def _values(files: Value, values: Value) -> Value:
    """The files' values, later ones first to be heard, and the program's own over them all."""
    listed = shapes.bare(files) or []
    if UNKNOWN in (listed, shapes.bare(values)):
        return secret(UNKNOWN) if has_secret(values) or has_secret(files) else UNKNOWN
    under: Properties = {}
    for file in listed:
        under = merged(under, _read(shapes.bare(file)))
    whole = merged(under, dict(reveal(values or {})))
    if has_secret(files):
        return secret(whole)
    return marked_like({"values": whole}, {"values": values or {}})["values"]


def _read(asset: Properties) -> Properties:
    try:
        text = asset["text"] if asset.get("text") else Path(asset["path"]).read_text()
        document = yaml.safe_load(text)
    except (KeyError, OSError, yaml.YAMLError) as error:
        name = asset.get("path") or "a file of values"
        raise ValueError(f"{name} cannot be read: {type(error).__name__}") from error
    if document is not None and not isinstance(document, dict):
        raise ValueError(f"{asset.get('path') or 'a file of values'} holds no mapping")
    return document or {}


def merged(under: Properties, over: Properties) -> Properties:
    """Both, maps within maps too; where both say something the second one is heard."""
    result = dict(under)
    for key, value in over.items():
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = merged(before, value)
        result[key] = value
    return result


def chart_words(inputs: Properties) -> list[str]:
    """The chart as Helm wants it: a path, or a name and where it is.

    Raises ``ValueError`` where there is no such path. Like the provider, and unlike Helm, a folder
    is a chart only where no repository is given.
    """
    chart, repository = inputs["chart"].strip(), inputs.get("repositoryOpts") or {}
    where = repository.get("repo") or ""
    version = ["--version", inputs["version"].strip()] if inputs.get("version") else []
    extra = [*version, *_switches(inputs, _CHART_SWITCHES)]
    for name, flag in _REPOSITORY_FILES.items():
        if repository.get(name):
            extra += [flag, str(Path(repository[name]).absolute())]
    if chart.startswith("oci://"):
        return [chart, *extra]
    if urlsplit(where).scheme:
        return [chart, "--repo", where, *extra]
    if where and "/" not in chart:
        chart = f"{where}/{chart}"
    path = Path(chart)
    if path.is_file() or (path / "Chart.yaml").is_file():
        return [str(path.absolute()), *extra]
    if urlsplit(chart).scheme:
        return [chart, *extra]
    raise ValueError(
        f"{chart!r} is neither a chart's folder, nor its archive, nor a URL — write one of them, "
        "or repositoryOpts with a repo"
    )


def install_words(inputs: Properties) -> list[str]:
    """The switches of ``helm install``."""
    return [*_switches(inputs, _INSTALL_SWITCHES), *_common(inputs)]


def upgrade_words(inputs: Properties) -> list[str]:
    """The switches of ``helm upgrade``; no limit of revisions where none is given."""
    history = str(int(inputs.get("maxHistory", 0)))
    return [*_switches(inputs, _UPGRADE_SWITCHES), *_common(inputs), "--history-max", history]


def uninstall_words(inputs: Properties) -> list[str]:
    """The switches of ``helm uninstall``: it waits where the installation waited."""
    waits = inputs.get("atomic") or not inputs.get("skipAwait")
    return ["--wait", *_timeout(inputs)] if waits else []


def _common(inputs: Properties) -> Iterator[str]:
    if not inputs.get("skipAwait"):
        yield "--wait"
        if inputs.get("waitForJobs"):
            yield "--wait-for-jobs"
    yield from _timeout(inputs)
    if inputs.get("description"):
        yield from ("--description", inputs["description"])


def _timeout(inputs: Properties) -> list[str]:
    return ["--timeout", f"{int(inputs.get('timeout') or TIMEOUT_SECONDS)}s"]


def _switches(inputs: Properties, switches: dict[str, str]) -> list[str]:
    return [flag for name, flag in switches.items() if inputs.get(name)]


def resource_names(manifest: str) -> dict[str, list[str]]:
    """The names of what a manifest makes, by kind and version, as the provider groups them."""
    names: dict[str, set[str]] = {}
    for found in yaml.safe_load_all(manifest):
        if not isinstance(found, dict) or "kind" not in found:
            continue
        version: str = found["apiVersion"]
        group = version.rpartition("/")[0]
        kind = f"{found['kind']}.{group}" if group else found["kind"]
        own: dict[str, Any] = found.get("metadata") or {}
        name = "/".join(filter(None, (own.get("namespace"), own.get("name"))))
        names.setdefault(f"{kind}/{version}", set()).add(name)
    return {kind: sorted(found) for kind, found in sorted(names.items())}
