"""Where Helm charts come from: each chart's own repository, a mirror of it, or a folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from components.problems import Problem
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart by its name, and the address of the repository that publishes it.

    `setting` is the field of the add-on's settings that says which version of it is installed,
    `values` the one with further values for it (None: it takes none). `only` is a field, and the
    value with which alone the chart is installed, `platform` the one on which alone it is.
    """

    name: str
    repository: str
    setting: str = "version"
    values: str | None = "values"
    only: tuple[str, object] | None = None
    platform: str | None = None

    def wanted(self, settings: object) -> bool:
        """Whether its add-on's settings ask for it: read ones, or as a stack file has them."""
        if self.only is None:
            return True
        key, value = self.only
        given = settings.get(key) if isinstance(settings, Mapping) else getattr(settings, key, None)
        return given == value


class ChartSource(Settings):
    """For clusters that cannot reach the charts' repositories."""

    source: Literal["repository", "mirror", "folder"] = Field(
        default="repository", alias="from", description="repository, mirror or folder"
    )
    url: str | None = Field(
        default=None, description="address of a chart repository that has all of them"
    )
    folder: str | None = Field(
        default=None,
        description="folder on the operator's machine with NAME-VERSION.tgz of each chart",
    )

    def file(self, chart: Chart, version: str) -> Path | None:
        """The packed chart on the operator's machine, where charts come from a folder."""
        if not self.folder:
            return None
        return Path(self.folder).expanduser().resolve() / f"{chart.name}-{version}.tgz"


def problems(source: ChartSource) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    wanted = {"repository": None, "mirror": "url", "folder": "folder"}[source.source]
    for name, value in (("url", source.url), ("folder", source.folder)):
        if name == wanted and not value:
            yield Problem(
                key=f"addons.charts.{name}",
                given=None,
                why=f"charts from a {source.source} need it",
                write=f"add {name}: to addons.charts",
            )
        if name != wanted and value:
            yield Problem(
                key=f"addons.charts.{name}",
                given=value,
                why=f"charts come from: {source.source}, so it would do nothing",
                write=f"remove it, or write from: {'mirror' if name == 'url' else 'folder'}",
            )
    if source.url and urlsplit(source.url).scheme not in ("https", "oci"):
        yield Problem(
            key="addons.charts.url",
            given=source.url,
            why="a chart fetched in clear could be anybody's",
            write="write an https:// or oci:// address",
        )


def file_problems(source: ChartSource, chart: Chart, version: str, key: str) -> Iterator[Problem]:
    """A chart that the folder lacks; `key` is what says its version, such as metallb.version."""
    file = source.file(chart, version)
    if file is not None and not file.is_file():
        yield Problem(
            key=f"addons.{key}",
            given=version,
            why=f"addons.charts.folder has no {file.name}",
            write=f"put it there: helm pull {chart.name} --repo {chart.repository} "
            f"--version {version}",
        )
