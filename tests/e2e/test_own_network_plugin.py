"""A network plugin that comes from somebody else: nodes are taken in before it, Ready after it."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import K3sRelease
from tests.e2e.conftest import SETTINGS, working_in
from tests.e2e.kubernetes import Kubectl, is_ready, until
from tests.e2e.workspace import Workspace

pytestmark = pytest.mark.nodes

STACK = "k3sowncni"
PLUGIN = {
    "cniVersion": "0.4.0",
    "name": "own",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "own0",
            "ipam": {"type": "host-local", "subnet": "10.42.0.0/24"},
        }
    ],
}


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A copy for a stack of one server, without a pod network of k3s's own."""
    settings = SETTINGS | {
        "groups": {"server": {"role": "server", "count": 1, "labels": {"tests.example/a": "b"}}},
        "k3s": {"version": "v1.35.6+k3s1", "flannelBackend": "none"},
        "local": {"privateCidr": "10.127.0.0/16", "publicCidr": "10.128.0.0/16"},
    }
    with working_in(Workspace(STACK, settings), request) as made:
        yield made


def test_up_does_not_wait_for_a_network_plugin_that_comes_after_it(
    alone: Workspace, k3s_release: K3sRelease
) -> None:
    up = alone.make("up")
    assert up.code == 0, up.text
    kubectl = Kubectl(
        k3s=k3s_release.folder / "k3s",
        kubeconfig=alone.state / "kubeconfig" / f"{STACK}.yaml",
    )
    (node,) = kubectl.json("get", "nodes")["items"]
    assert not is_ready(node)
    assert node["metadata"]["labels"]["tests.example/a"] == "b"

    into_the_node = ["podman", "exec", "--interactive", f"k3s-{node['metadata']['name']}"]
    folder = "/var/lib/rancher/k3s/agent/etc/cni/net.d"
    subprocess.run(
        [*into_the_node, "sh", "-c", f"mkdir -p {folder}; cat >{folder}/10-own.conflist"],
        input=json.dumps(PLUGIN),
        text=True,
        check=True,
    )
    until(60, "the node is Ready", lambda: is_ready(kubectl.json("get", "nodes")["items"][0]))
