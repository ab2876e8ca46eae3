"""What controllers in the cluster may do in AWS: their own documentation's policies, as data."""

from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]

# https://cloud-provider-aws.sigs.k8s.io/prerequisites/, control plane, "a bit open and can be
# scaled back": what pkg/providers/v1 of v1.35 calls. Volumes are the CSI driver's, routes are
# flannel's, and with them goes the right to change instances.
_CONTROLLER: Mapping[str, str] = {
    "ec2": "DescribeAvailabilityZones DescribeInstances DescribeInstanceTopology DescribeRegions "
    "DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeVpcs CreateSecurityGroup "
    "DeleteSecurityGroup AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress CreateTags",
    "elasticloadbalancing": "AddTags AttachLoadBalancerToSubnets ApplySecurityGroupsToLoadBalancer "
    "ConfigureHealthCheck CreateListener CreateLoadBalancer CreateLoadBalancerListeners "
    "CreateLoadBalancerPolicy CreateTargetGroup DeleteListener DeleteLoadBalancer "
    "DeleteLoadBalancerListeners DeleteTargetGroup DeregisterInstancesFromLoadBalancer "
    "DeregisterTargets DescribeListeners DescribeLoadBalancerAttributes "
    "DescribeLoadBalancerPolicies DescribeLoadBalancers DescribeTargetGroupAttributes "
    "DescribeTargetGroups DescribeTargetHealth DetachLoadBalancerFromSubnets ModifyListener "
    "ModifyLoadBalancerAttributes ModifyTargetGroup ModifyTargetGroupAttributes "
    "RegisterInstancesWithLoadBalancer RegisterTargets SetLoadBalancerPoliciesForBackendServer "
    "SetLoadBalancerPoliciesOfListener",
}
# The same page, node policy.
_NODE: Mapping[str, str] = {
    "ec2": "DescribeInstances DescribeRegions",
    "ecr": "BatchCheckLayerAvailability BatchGetImage DescribeRepositories GetAuthorizationToken "
    "GetDownloadUrlForLayer GetRepositoryPolicy ListImages",
}
_EBS_READ: Mapping[str, str] = {
    "ec2": "DescribeAvailabilityZones DescribeInstances DescribeInstanceTypes DescribeSnapshots "
    "DescribeTags "
    "DescribeVolumes DescribeVolumesModifications DescribeVolumeStatus"
}
# The driver puts it on all that it makes, and may touch nothing without it.
_EBS_TAG = "ebs.csi.aws.com/cluster"


def cloud_controller() -> Sequence[Statement]:
    """For servers, on which aws-cloud-controller-manager runs."""
    return (
        _allow(_actions(_CONTROLLER)),
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html
        _allow(
            ["iam:CreateServiceLinkedRole"],
            condition={
                "StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}
            },
        ),
    )


def node() -> Sequence[Statement]:
    """For agents of a cluster with the cloud controller."""
    return (_allow(_actions(_NODE)),)


def ebs_csi(partition: str) -> Sequence[Statement]:
    """For servers, on which the EBS CSI driver's controller runs.

    https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/v1.64.0/docs/example-iam-policy.json,
    of its alternatives the one by the tag that the driver always sets; without clones of volumes.
    `partition` is aws, aws-cn…
    """
    volumes, snapshots, instances = (
        f"arn:{partition}:ec2:*:*:{kind}/*" for kind in ("volume", "snapshot", "instance")
    )
    requested = {"StringLike": {f"aws:RequestTag/{_EBS_TAG}": "true"}}
    owned = {"StringLike": {f"ec2:ResourceTag/{_EBS_TAG}": "true"}}
    made_now = {"StringEquals": {"ec2:CreateAction": ["CreateVolume", "CreateSnapshot"]}}
    return (
        _allow(_actions(_EBS_READ)),
        _allow(["ec2:CreateSnapshot", "ec2:ModifyVolume"], [volumes]),
        _allow(["ec2:AttachVolume", "ec2:DetachVolume"], [volumes, instances]),
        _allow(["ec2:CreateVolume"], [snapshots]),
        _allow(["ec2:CreateVolume"], [volumes], requested),
        _allow(["ec2:CreateSnapshot"], [snapshots], requested),
        _allow(["ec2:CreateTags"], [volumes, snapshots], made_now),
        _allow(["ec2:DeleteTags"], [volumes, snapshots], owned),
        _allow(["ec2:DeleteVolume"], [volumes], owned),
        _allow(["ec2:DeleteSnapshot"], [snapshots], owned),
    )


def document(statements: Sequence[Statement]) -> Mapping[str, Any]:
    """A policy document, such as IAM takes as JSON."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def assumed_by_instances() -> Mapping[str, Any]:
    """Who may take on the role: EC2, for the machine that has it."""
    return document(
        [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"},
            }
        ]
    )


def _actions(by_service: Mapping[str, str]) -> list[str]:
    return [f"{service}:{name}" for service, names in by_service.items() for name in names.split()]


def _allow(
    actions: Sequence[str],
    resources: Sequence[str] = ("*",),
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})
