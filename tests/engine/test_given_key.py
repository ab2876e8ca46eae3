"""An operator's key that is given: from the stack's secrets through the tls plugin to the nodes."""

import json

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.engine.workspace import CLONE, Workspace

_KEY = ed25519.Ed25519PrivateKey.generate()
PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
PUBLIC = _KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
HOST_KEY = PUBLIC  # any will do: nobody is dialled

OPERATOR = """
import pulumi
from components.cluster import _operator

key = _operator("dev", pulumi.Config("k3s").get_secret("operatorKey"), None)
pulumi.export("private", key.private)
pulumi.export("public", key.public)
"""
CLUSTER = """
import json
import pulumi
from components.cluster import K3sCluster
from stacks.settings import parse

settings = parse("dev", json.loads(pulumi.Config().require("settings")))
given = pulumi.Config("k3s").get_secret("operatorKey")
K3sCluster("dev", settings=settings, operator_key=given)
"""
SETTINGS = {
    "platform": "existing",
    "groups": json.dumps({"server": {"role": "server", "nodes": ["shed"]}}),
    "k3s": json.dumps({"version": "v1.35.6+k3s1"}),
    "access": json.dumps({"api": ["203.0.113.0/24"]}),
    "existing": json.dumps({"hosts": {"shed": {"address": "192.0.2.7", "hostKey": HOST_KEY}}}),
}


def play(workspace: Workspace, what: str) -> str:
    done = workspace.lab(what, PYTHONPATH=str(CLONE))
    assert done.code == 0, done.said
    return done.said


def test_a_given_key_is_the_operators_and_its_public_half_is_public(workspace: Workspace) -> None:
    workspace.write_program(OPERATOR)
    workspace.configure({"k3s:operatorKey": {"secret": PRIVATE}})
    play(workspace, "preview")
    said = play(workspace, "up")
    assert workspace.outputs()["public"].split() == PUBLIC.split()
    shown = json.loads(workspace.lab("outputs", "--json", "--show-secrets").said)
    assert shown["private"] == PRIVATE
    for text in (said, json.dumps(workspace.deployment())):
        assert "PRIVATE KEY" not in text
    assert not any(r["type"].startswith("tls:") for r in workspace.resources())


def test_without_one_the_stack_makes_it(workspace: Workspace) -> None:
    workspace.write_program(OPERATOR)
    play(workspace, "up")
    assert workspace.outputs()["public"].startswith("ssh-ed25519 ")
    assert [r["urn"].split("::")[-1] for r in workspace.resources() if r["type"][:4] == "tls:"] == [
        "dev-operator-key"
    ]


def test_a_cluster_of_existing_hosts_is_previewed_with_a_given_key_alone(
    workspace: Workspace,
) -> None:
    workspace.write_program(CLUSTER)
    settings = {"scenario:settings": json.dumps(SETTINGS)}
    workspace.configure(settings)
    refused = workspace.lab("preview", PYTHONPATH=str(CLONE))
    assert refused.code != 0
    assert "operatorKey: nothing — with a key that the stack makes nobody can log" in refused.said
    assert not refused.operations or list(refused.operations) == ["Stack/scenario-dev"]

    workspace.configure({**settings, "k3s:operatorKey": {"secret": PRIVATE}})
    done = workspace.lab("preview", PYTHONPATH=str(CLONE))
    assert done.code == 0, done.said
    made = [label for label, how in done.operations.items() if how == ["create"]]
    assert any(label.endswith("/dev-server-shed-host") for label in made)
    assert not any("operator-key" in label for label in made)
