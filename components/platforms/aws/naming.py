"""Names that AWS is narrow about."""

# Pulumi ends a name with a dash and seven characters, and gives up where they do not fit.
_ENDING = 8
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
_LONGEST = 32


def balancer(cluster: str) -> str:
    """The Network Load Balancer's, without its ending."""
    return f"{cluster}-api"


def target_group(cluster: str) -> str:
    """The balancer's target group's, without its ending."""
    return f"{cluster}-6443"


LONGEST_CLUSTER = _LONGEST - _ENDING - max(len(balancer("")), len(target_group("")))
