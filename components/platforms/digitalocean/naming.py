"""What things are called: in the account, in the plan, and on the host."""

# The network of all nodes here, which share the VPC.
NETWORK = "digitalocean"


def in_account(cluster: str, part: str = "") -> str:
    """Name of something of the cluster's, unlike those of other clusters: k3s-staging-servers."""
    return f"k3s-{cluster}-{part}" if part else f"k3s-{cluster}"


def volume(node: str, number: int) -> str:
    """Name of a node's volume, counted from 1; it begins with a letter, as it must."""
    return f"k3s-{node}-disk-{number}"


def device(node: str, number: int) -> str:
    """Where the node finds that volume.

    https://docs.digitalocean.com/products/volumes/how-to/mount/
    """
    return f"/dev/disk/by-id/scsi-0DO_Volume_{volume(node, number)}"
