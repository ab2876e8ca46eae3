"""What a stack may run in its cluster, and what cannot work there."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from components.addons import cert_manager
from components.addons.addon import AddonAsked
from components.addons.settings import Addons
from components.addons.volumes import class_problems
from components.problems import Problem
from components.settings import Settings
from workloads import wordpress_settings
from workloads.wordpress_settings import WordPressSettings

_KEY = "workloads.wordpress"
# k3s's own, which it can be left without.
_TRAEFIK = "traefik"


class Workloads(Settings):
    """What runs in the cluster. A workload is chosen by its key."""

    wordpress: WordPressSettings | None = Field(
        default=None,
        description="WordPress with MySQL: {admin: {email: …}, ingress: {host: blog.company.tld}}",
    )


def problems(workloads: Workloads, addons: Addons, asked: AddonAsked) -> Iterator[Problem]:
    """Mistakes that no single field shows; `asked` is what the cluster asks of its add-ons."""
    site = workloads.wordpress
    if site is None:
        return
    yield from wordpress_settings.problems(site, _KEY)
    yield from _ingress(site, addons, asked)
    yield from _namespace(site, addons)
    for problem in class_problems(
        f"{_KEY}.storage.storageClass", site.storage.storage_class, asked
    ):
        yield replace(problem, write="write the class that there is, or addons.localPath: true")


def _ingress(site: WordPressSettings, addons: Addons, asked: AddonAsked) -> Iterator[Problem]:
    way = site.ingress
    if way is None:
        return
    if way.class_name == _TRAEFIK and _TRAEFIK in asked.disabled:
        yield Problem(
            key=f"{_KEY}.ingress.className",
            given=way.class_name,
            why="k3s runs without traefik, so nobody would answer",
            write="write the class of the ingress controller that is there, or nodePort",
        )
    issuers = cert_manager.issuers(addons.cert_manager) if addons.cert_manager else {}
    if way.issuer is not None and way.issuer not in issuers:
        yield Problem(
            key=f"{_KEY}.ingress.issuer",
            given=way.issuer,
            why="addons.certManager makes no issuer of that name",
            write=f"write one of {', '.join(issuers)}" if issuers else "add addons.certManager",
        )


def _namespace(site: WordPressSettings, addons: Addons) -> Iterator[Problem]:
    closed = addons.network_policies.namespaces if addons.network_policies else {}
    if site.namespace in closed:
        yield Problem(
            key=f"{_KEY}.namespace",
            given=site.namespace,
            why="addons.networkPolicies has that namespace, before the site is there",
            write="take it out there: the site's MySQL is closed by a policy of its own",
        )
