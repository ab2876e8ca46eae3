"""The add-ons' index, from their table: `python -m stacks.addons_page > docs/addons/README.md`."""

import inspect
import re
import sys
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from components.addons.addon import STORAGE
from components.addons.charts import Chart
from components.addons.kinds import KINDS, Kind
from components.addons.settings import Addons

_HEAD = """\
# Add-ons

What a cluster needs after k3s, each chosen by a key of `k3s:addons`; `{}` takes its own defaults:

    k3s:addons:
      certManager: {}
      prometheus: {retention: 30d}

Made from the table of add-ons: `python -m stacks.addons_page > docs/addons/README.md`.

| key | what | charts | version | page |
|---|---|---|---|---|
"""
_PARTS = """\
| `localPath`, `servicelb`, `metricsServer` | k3s's own parts, each on or off | | k3s's own | \
[packaged.md](packaged.md) |

Every key and its default is in [settings.md](../settings.md#k3saddons). What runs on top is not an
add-on: [WordPress with MySQL](../wordpress.md) is a workload, `k3s:workloads`.

## In which order

Add-ons are installed when all nodes are Ready (with `cni` or `cloudController`, which make them
Ready: when they are there), independent ones side by side. An add-on waits for those that it needs,
where they are chosen:

| key | after | in the place of |
|---|---|---|
"""
_CHARTS = """\

Custom resources wait for the release that defines them, and for its webhook to answer. Workloads
come after all add-ons.

## Where charts come from

From the repository of each, unless `k3s:addons.charts` says otherwise:

| `charts` | what it means |
|---|---|
| `{from: repository}` | each chart's own, as in the table above: the default |
| `{from: mirror, url: https://charts.company.tld}` | one that has all of them, HTTPS or `oci://` |
| `{from: folder, folder: charts}` | a folder on the machine that Pulumi runs on: air gap |

The folder has `NAME-VERSION.tgz` of each chart; one that is missing is told by its name before
anything is made. To fill it, on a machine that reaches the repositories:

"""
_REST = """
These are the charts and versions by default: pull those that your stack file names. Charts name
images, which nodes pull from the images' registries: without the internet their containerd needs a
mirror ([k3s: private registries](https://docs.k3s.io/installation/private-registry)), or the charts
values that name another registry.

## Versions and values

The version of each chart is pinned by the program, and its page says which source it was checked
against. `version` of an add-on chooses another, `values` are merged last, over what the program
sets: objects key by key, everything else replaced.

    k3s:addons:
      metallb:
        version: 0.16.1
        pools: {main: {addresses: [10.0.0.200-10.0.0.250]}}
        values: {speaker: {logLevel: debug}}

A changed version or value upgrades that one release in place and touches nothing else; an upgrade
that fails is rolled back by Helm (not where data hangs on it, such as Rook's), and `up` ends with
its error. A first install that fails is taken
back, so that the next `up` finds nothing half-made. Definitions (CRDs) that a chart keeps in its
folder `crds/` are not upgraded with it, as ever with Helm: the chart's release notes say when that
is needed.

## Secrets

Passwords (Grafana's, for one) are made by the stack. They reach charts in a Secret that the program
makes, never as a value, and are secret outputs:

    pulumi stack output grafanaPassword --show-secrets

Where a setting needs a secret of yours, write `{secret: NAME}` in its place, and give the value
encrypted; one in clear is refused where it is known to be a secret:

    pulumi config set --secret --path k3s:secrets.NAME

## Removing

Without its key an add-on's custom resources go first, then its release, then its namespace with all
that is in it, volumes too. What stays (definitions, Ceph's and Longhorn's data) is on its page. A
cluster that is destroyed takes add-ons along, without uninstalling each; what is outside of it,
such as a cloud's balancers and volumes, is taken away first by what made it.

## What is tested, and what is not

Where charts' repositories cannot be reached, stacks on this machine get stand-ins of the charts
from the lab (`CHARTS=repository|lab` forces it). They prove order, waits, retries, values, upgrades
and teardown on a real API server. They prove nothing about the real charts' templates, images and
controllers: with them no address is announced, no certificate signed and no byte stored.

The real charts are rendered by Helm with the program's own values: each value is looked up in the
chart's `values.yaml`, each custom resource held against its definition, and what the add-on's page
promises is looked for in the output. As this pulls all charts, it is run on request alone:

    make test ARGS="-m network"

and without the repositories, from a folder that is filled as above:

    CHARTS_FOLDER=charts make test ARGS=tests/charts
"""


def page() -> str:
    """The whole page, in Markdown."""
    lines = "".join(_line(key, kind) for key, kind in KINDS.items())
    order = "".join(_order(key, kind) for key, kind in KINDS.items())
    pulls = "".join(f"    {pull}\n" for pull in dict.fromkeys(_pulls()))
    return f"{_HEAD}{lines}{_PARTS}{order}{_CHARTS}{pulls}{_REST}"


def file_name(key: str) -> str:
    """The page of an add-on: `cert-manager.md` of certManager."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower() + ".md"


def _line(key: str, kind: Kind) -> str:
    said = inspect.getmodule(kind.component)
    what = ((said.__doc__ if said else "") or "").splitlines()[0].rstrip(".")
    charts = ", ".join(f"`{chart.name}`" for chart in kind.charts)
    versions = dict.fromkeys(_version(key, chart) for chart in kind.charts)
    told = ", ".join(f"`{version}`" for version in versions) or "k3s's own"
    name = file_name(key)
    return f"| `{key}` | {what} | {charts} | {told} | [{name}]({name}) |\n"


def _order(key: str, kind: Kind) -> str:
    after = ", ".join(f"`{other}`" for other in kind.after)
    if kind.stores is not Kind.stores:
        stores = ", ".join(f"`{other}`" for other in STORAGE if other not in kind.after)
        after = ", ".join(filter(None, [after, f"with volumes: {stores}"]))
    without = ", ".join(f"k3s's `{part}`" for part in kind.disables)
    return f"| `{key}` | {after or 'nothing'} | {without} |\n"


def _version(key: str, chart: Chart) -> str:
    """By default."""
    fields = {field.alias or name: field for name, field in Addons.model_fields.items()}
    model: type[BaseModel]
    (model,) = (kind for kind in get_args(fields[key].annotation) if kind is not type(None))
    version = model.model_fields[chart.setting].default
    if not version and chart.only is not None:
        # One that another setting decides, such as which plugin it is.
        version = getattr(model.model_validate(dict([chart.only])), chart.setting)
    return str(version)


def _pulls() -> Iterator[str]:
    for key, kind in KINDS.items():
        for chart in kind.charts:
            version = _version(key, chart)
            source = f"{chart.name} --repo {chart.repository}"
            if chart.repository.startswith("oci://"):
                source = f"{chart.repository}/{chart.name}"
            yield f"helm pull {source} --version {version} --destination charts"


if __name__ == "__main__":
    sys.stdout.write(page())
