"""kube-vip's objects: an address of the control plane alone, no further right or port."""

from typing import Any

import pytest
import yaml

from components.platforms.existing.kube_vip import KubeVip, manifest

GIVEN = KubeVip.model_validate({"address": "10.9.0.5", "interface": "eth1"})


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(manifest(GIVEN))}


def pod(objects: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["DaemonSet"]["spec"]["template"]["spec"]
    return spec


def environment(objects: dict[str, Any]) -> dict[str, str]:
    (container,) = pod(objects)["containers"]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_it_announces_the_address_by_arp_for_the_control_plane_by_election(
    objects: dict[str, Any],
) -> None:
    said = environment(objects)
    wanted = {
        "address": "10.9.0.5",
        "vip_interface": "eth1",
        "vip_arp": "true",
        "cp_enable": "true",
        "vip_leaderelection": "true",
        "port": "6443",
    }
    assert wanted.items() <= said.items()
    assert "svc_enable" not in said
    assert "vip_nodename" in said


def test_it_asks_its_own_servers_api_and_opens_no_port_to_others(objects: dict[str, Any]) -> None:
    said = environment(objects)
    assert said["KUBERNETES_SERVICE_HOST"] == "127.0.0.1"
    assert said["prometheus_server"].startswith("127.0.0.1:")


def test_it_is_on_every_server_whatever_its_taints_and_on_no_agent(objects: dict[str, Any]) -> None:
    assert pod(objects)["nodeSelector"] == {"node-role.kubernetes.io/control-plane": "true"}
    assert pod(objects)["tolerations"] == [{"operator": "Exists"}]
    assert pod(objects)["hostNetwork"] is True


def test_its_rights_are_those_to_a_lease_and_to_its_hosts_addresses(
    objects: dict[str, Any],
) -> None:
    (rule,) = objects["Role"]["rules"]
    assert rule["resources"] == ["leases"]
    assert set(objects) == {"ServiceAccount", "Role", "RoleBinding", "DaemonSet"}
    (container,) = pod(objects)["containers"]
    assert container["securityContext"]["capabilities"] == {
        "add": ["NET_ADMIN", "NET_RAW"],
        "drop": ["ALL"],
    }


def test_its_image_is_of_one_version(objects: dict[str, Any]) -> None:
    (container,) = pod(objects)["containers"]
    name, _, tag = container["image"].rpartition(":")
    assert (name, tag[0]) == ("ghcr.io/kube-vip/kube-vip", "v")
    own = GIVEN.model_copy(update={"image": "registry.local/kube-vip:1"})
    assert "image: registry.local/kube-vip:1\n" in manifest(own)
