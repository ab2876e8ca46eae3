"""What `prepare` is told of a machine, on each platform."""

import shlex

import pytest

from components.platforms import cloudinit
from tests.unit import recordings
from tests.unit.program import run_dev
from tests.unit.recorder import Recording

LINK_LOCAL = "169.254.169.254"


def told(recording: Recording, node: str) -> dict[str, str]:
    """The assignments before the script, as the shell reads them."""
    text: str = recording.resources[f"{node}-prepare"].inputs["stdin"]
    head = text[text.index("\n") : text.index("\n# shellcheck")]
    return dict(word.split("=", 1) for word in shlex.split(head))


def a_node(recording: Recording, resource: str) -> str:
    """The first machine of a kind that is made a node."""
    names = (registration.name for registration in recording.of_type(resource))
    return next(name for name in names if f"{name}-prepare" in recording.resources)


@pytest.mark.parametrize(
    ("stack", "resource"),
    [
        ("production", "aws:ec2/instance:Instance"),
        ("staging", "digitalocean:index/droplet:Droplet"),
    ],
)
def test_on_a_cloud_prepare_waits_for_the_boot_and_keeps_pods_from_the_metadata(
    stack: str, resource: str
) -> None:
    recording = recordings.of(stack)
    given = told(recording, a_node(recording, resource))
    assert given["CLOUD_INIT"] == "yes"
    assert given["FIRST_BOOT_UNIT"] == cloudinit.FIRST_BOOT_UNIT
    assert given["UPLOADER"] == cloudinit.SSH_USER
    assert LINK_LOCAL in given["METADATA"].splitlines()


def test_a_machine_that_no_cloud_set_up_has_nothing_to_wait_for() -> None:
    hybrid = recordings.of("hybrid")
    host = a_node(hybrid, "k3s:platforms:ExistingHost")
    for recording, node in ((run_dev(), "dev-server-1"), (hybrid, host)):
        given = told(recording, node)
        assert (given["CLOUD_INIT"], given["METADATA"]) == ("", "")


def test_a_machine_fetches_at_boot_what_its_prepare_looks_for() -> None:
    recording = recordings.of("production")
    node = a_node(recording, "aws:ec2/instance:Instance")
    given = told(recording, node)
    user_data = recording.resources[node].inputs["userData"]
    for name in ("STORE", "BINARY", "IMAGES", "BASE_URL", "INSTALLER_URL", "INSTALLER_SHA256"):
        assert f"    {name}={shlex.quote(given[name])}\n" in user_data


def test_the_kernel_is_asked_for_what_the_pod_network_needs() -> None:
    for stack, backend in (("production", "vxlan"), ("hybrid", "wireguard-native")):
        recording = recordings.of(stack)
        prepared = [name for name in recording.resources if name.endswith("-prepare")]
        assert prepared
        for name in prepared:
            assert told(recording, name.removesuffix("-prepare"))["BACKEND"] == backend
