"""What DigitalOcean has to offer, as far as a mistake can be told before anything is made."""

SIZES = {"small": "s-2vcpu-4gb", "medium": "s-4vcpu-8gb", "large": "s-8vcpu-16gb"}


def size(name: str) -> str:
    """A Droplet size's slug, for a name of ours or a slug."""
    return SIZES.get(name, name)
