"""The kubeconfig that a user gets."""

import yaml

from components.k3s.kubeconfig import rewritten
from tests.unit.recorder import KUBECONFIG


def test_it_points_at_the_endpoint_and_everything_is_named_after_the_stack() -> None:
    config = yaml.safe_load(rewritten(KUBECONFIG, "https://203.0.113.2:6443", "dev"))
    assert config["clusters"][0]["name"] == "dev"
    assert config["clusters"][0]["cluster"]["server"] == "https://203.0.113.2:6443"
    assert config["users"][0]["name"] == "dev"
    assert config["contexts"] == [{"name": "dev", "context": {"cluster": "dev", "user": "dev"}}]
    assert config["current-context"] == "dev"


def test_the_authority_and_the_key_are_left_as_k3s_wrote_them() -> None:
    config = yaml.safe_load(rewritten(KUBECONFIG, "https://203.0.113.2:6443", "dev"))
    assert config["clusters"][0]["cluster"]["certificate-authority-data"] == "Q0E="
    assert config["users"][0]["user"] == {"client-key-data": "S0VZ"}
