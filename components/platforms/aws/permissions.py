"""Instance profiles: what machines may do in AWS. None unless settings or an add-on say so."""

import json
from collections.abc import Mapping, Sequence

from pulumi_aws import iam

from components.groups import Role
from components.platforms.aws import catalog, policies
from components.platforms.aws.policies import Statement
from components.platforms.aws.site import Site


def profiles(site: Site) -> Mapping[Role, iam.InstanceProfile]:
    """A profile for each role of machine that has something to do there."""
    return {
        role: _profile(site, role, granted)
        for role in ("server", "agent")
        if role in site.roles and (granted := _granted(site, role))
    }


def _granted(site: Site, role: Role) -> dict[str, Sequence[Statement]]:
    """Controllers run on servers; agents only tell who they are, and fetch images."""
    chosen = site.permissions
    granted: dict[str, Sequence[Statement]] = {}
    if "cloud-controller" in chosen:
        granted["cloud-controller"] = (
            policies.cloud_controller() if role == "server" else policies.node()
        )
    if "ebs-csi" in chosen and role == "server":
        granted["ebs-csi"] = policies.ebs_csi(catalog.partition(site.settings.region))
    return granted


def _profile(
    site: Site, role: Role, granted: Mapping[str, Sequence[Statement]]
) -> iam.InstanceProfile:
    name = f"{site.cluster}-{role}"
    taken_on = iam.Role(
        f"{name}-role",
        assume_role_policy=json.dumps(policies.assumed_by_instances()),
        description=f"k3s {role}s of cluster {site.cluster}",
        tags=site.tags(name, role),
        opts=site.opts,
    )
    given = [
        iam.RolePolicy(
            f"{name}-{permission}",
            role=taken_on.id,
            policy=json.dumps(policies.document(statements)),
            opts=site.opts,
        )
        for permission, statements in granted.items()
    ]
    return iam.InstanceProfile(
        f"{name}-profile",
        role=taken_on.name,
        tags=site.tags(name, role),
        # A machine that boots finds all that it may do.
        opts=site.with_options(depends_on=given),
    )
