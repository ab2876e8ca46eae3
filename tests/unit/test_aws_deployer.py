"""The policy of docs/aws.md holds what it takes to make and take away all that is registered."""

import json
import re
import subprocess
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.unit.aws_program import run
from tests.unit.stackfiles import ROOT

POLICY = json.loads((ROOT / "docs" / "aws-deployer-policy.json").read_text())

# https://docs.aws.amazon.com/service-authorization/latest/reference/: by the end of a type's token.
NEEDED = {
    "ec2/vpc:Vpc": "ec2:CreateVpc ec2:DeleteVpc ec2:ModifyVpcAttribute",
    "ec2/subnet:Subnet": "ec2:CreateSubnet ec2:DeleteSubnet ec2:ModifySubnetAttribute",
    "ec2/internetGateway:InternetGateway": "ec2:CreateInternetGateway ec2:AttachInternetGateway "
    "ec2:DetachInternetGateway ec2:DeleteInternetGateway",
    "ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway": (
        "ec2:CreateEgressOnlyInternetGateway ec2:DeleteEgressOnlyInternetGateway"
    ),
    "ec2/routeTable:RouteTable": "ec2:CreateRouteTable ec2:DeleteRouteTable",
    "ec2/route:Route": "ec2:CreateRoute ec2:DeleteRoute",
    "ec2/routeTableAssociation:RouteTableAssociation": "ec2:AssociateRouteTable "
    "ec2:DisassociateRouteTable",
    "ec2/natGateway:NatGateway": "ec2:CreateNatGateway ec2:DeleteNatGateway",
    "ec2/eip:Eip": "ec2:AllocateAddress ec2:ReleaseAddress",
    "ec2/eipAssociation:EipAssociation": "ec2:AssociateAddress ec2:DisassociateAddress",
    "ec2/keyPair:KeyPair": "ec2:ImportKeyPair ec2:DeleteKeyPair",
    "ec2/securityGroup:SecurityGroup": "ec2:CreateSecurityGroup ec2:DeleteSecurityGroup "
    # AWS opens a new group's way out; the provider closes it again.
    "ec2:RevokeSecurityGroupEgress",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "ec2:AuthorizeSecurityGroupIngress "
    "ec2:RevokeSecurityGroupIngress ec2:ModifySecurityGroupRules",
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "ec2:AuthorizeSecurityGroupEgress "
    "ec2:RevokeSecurityGroupEgress ec2:ModifySecurityGroupRules",
    "ec2/instance:Instance": "ec2:RunInstances ec2:TerminateInstances ec2:ModifyInstanceAttribute",
    "ebs/volume:Volume": "ec2:CreateVolume ec2:DeleteVolume ec2:ModifyVolume",
    "ec2/volumeAttachment:VolumeAttachment": "ec2:AttachVolume ec2:DetachVolume",
    "lb/loadBalancer:LoadBalancer": "elasticloadbalancing:CreateLoadBalancer "
    "elasticloadbalancing:DeleteLoadBalancer elasticloadbalancing:ModifyLoadBalancerAttributes",
    "lb/targetGroup:TargetGroup": "elasticloadbalancing:CreateTargetGroup "
    "elasticloadbalancing:DeleteTargetGroup elasticloadbalancing:ModifyTargetGroupAttributes",
    "lb/targetGroupAttachment:TargetGroupAttachment": "elasticloadbalancing:RegisterTargets "
    "elasticloadbalancing:DeregisterTargets",
    "lb/listener:Listener": "elasticloadbalancing:CreateListener "
    "elasticloadbalancing:DeleteListener",
    "iam/role:Role": "iam:CreateRole iam:DeleteRole iam:TagRole iam:PassRole",
    "iam/rolePolicy:RolePolicy": "iam:PutRolePolicy iam:GetRolePolicy iam:DeleteRolePolicy",
    "iam/instanceProfile:InstanceProfile": "iam:CreateInstanceProfile iam:DeleteInstanceProfile "
    "iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile iam:TagInstanceProfile",
}


def statements() -> list[tuple[list[str], dict[str, Any]]]:
    """Actions of each statement, and the statement."""
    return [
        ([s["Action"]] if isinstance(s["Action"], str) else s["Action"], s)
        for s in POLICY["Statement"]
    ]


def allowed(action: str) -> bool:
    return any(fnmatchcase(action, pattern) for actions, _ in statements() for pattern in actions)


@pytest.mark.parametrize("nodes", ["public", "private"])
def test_whoever_has_the_policy_may_make_and_take_away_all_that_is_registered(nodes: str) -> None:
    cluster = run(
        {"server": {"role": "server", "count": 1, "disks": [10]}},
        aws={"permissions": ["cloud-controller", "ebs-csi"]},
        network={"nodes": nodes, "ipv6": True},
    )
    used = {r.type.removeprefix("aws:") for r in cluster.registrations if r.type[:4] == "aws:"}
    assert len(used) > 15
    missing = {a for kind in used for a in NEEDED[kind].split() if not allowed(a)}
    assert not missing
    assert allowed("ec2:CreateTags")


def test_only_looking_is_allowed_by_pattern() -> None:
    patterns = {a for actions, _ in statements() for a in actions if "*" in a}
    assert patterns == {"ec2:Describe*", "elasticloadbalancing:Describe*"}


def test_everything_is_bound_to_a_region_a_name_or_a_service() -> None:
    for actions, statement in statements():
        assert statement["Resource"] != "*" or statement["Condition"], actions


def test_roles_of_others_cannot_be_changed_or_handed_on() -> None:
    for actions, statement in statements():
        if any(a.startswith("iam:") and a != "iam:CreateServiceLinkedRole" for a in actions):
            resources = statement["Resource"]
            listed = [resources] if isinstance(resources, str) else resources
            assert all("/STACK-*" in resource for resource in listed)


def test_the_policy_fits_into_a_managed_policy() -> None:
    # White space is free: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(POLICY, separators=(",", ":"))) < 6144


def test_the_pages_command_fills_in_every_name() -> None:
    page = (ROOT / "docs" / "aws.md").read_text()
    (command,) = re.findall(r"^    (sed .*?) > deployer\.json$", page, re.S | re.M)
    names = {
        "AWS_REGION": "eu-central-1",
        "ACCOUNT": "111122223333",
        "STACK": "production",
        "BUCKET": "my-pulumi-state",
        "KEY": "1234abcd-12ab-34cd-56ef-1234567890ab",
    }
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=names | {"PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    resources = re.findall(r"arn:aws:[^\"]*", done.stdout)
    assert set(resources) == {
        "arn:aws:iam::111122223333:role/production-*",
        "arn:aws:iam::111122223333:instance-profile/production-*",
        "arn:aws:s3:::my-pulumi-state",
        "arn:aws:s3:::my-pulumi-state/*",
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    }
    before, after = json.dumps(POLICY), json.dumps(json.loads(done.stdout))
    left = {word for word in re.findall(r"\b[A-Z]{3,}\b", before) if word in after}
    assert not left
