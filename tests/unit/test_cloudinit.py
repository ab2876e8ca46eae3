"""What a fresh machine of a cloud is told, read as cloud-init reads it."""

from typing import Any

import pytest
import yaml

from components.access import AccessSettings
from components.k3s import first_boot
from components.k3s.settings import K3sSettings
from components.platforms import cloudinit
from components.platforms.cloudinit import UserDataError, user_data

HOST_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n"
HOST_KEY_PUB = "ssh-ed25519 AAAAHOST\n"
OPERATOR = "ssh-ed25519 AAAAOPERATOR operator\n"
SETTINGS = K3sSettings(version="v1.35.6+k3s1")


def text(**changes: Any) -> str:
    given: dict[str, Any] = {
        "hostname": "staging-server-1",
        "host_key": HOST_KEY,
        "host_key_pub": HOST_KEY_PUB,
        "operator_key": OPERATOR,
        "access": AccessSettings(),
        "first_boot": None,
    }
    return user_data(**{**given, **changes})


def config(**changes: Any) -> Any:
    made = text(**changes)
    assert made.startswith("#cloud-config\n")
    return yaml.safe_load(made)


def files(made: Any) -> dict[str, dict[str, str]]:
    return {file["path"]: file for file in made["write_files"]}


def test_the_host_key_is_the_stacks_own_and_the_only_one() -> None:
    made = config()
    assert made["ssh_keys"] == {
        "ed25519_private": HOST_KEY,
        "ed25519_public": "ssh-ed25519 AAAAHOST",
    }
    assert made["ssh_deletekeys"] is True
    sshd = files(made)["/etc/ssh/sshd_config.d/10-k3s.conf"]["content"].splitlines()
    assert [line for line in sshd if line.startswith("HostKey")] == [
        "HostKey /etc/ssh/ssh_host_ed25519_key"
    ]


def test_one_user_may_log_in_with_keys_alone_and_root_may_not() -> None:
    made = config()
    (user,) = made["users"]
    assert user["name"] == cloudinit.SSH_USER == "k3s"
    assert user["lock_passwd"] is True
    assert user["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert user["ssh_authorized_keys"] == [OPERATOR.strip()]
    assert made["disable_root"] is True
    assert made["ssh_pwauth"] is False
    sshd = files(made)["/etc/ssh/sshd_config.d/10-k3s.conf"]["content"].splitlines()
    assert {
        "PermitRootLogin no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
    } < set(sshd)


def test_further_keys_and_github_users_may_log_in_too() -> None:
    keys = ("ssh-ed25519 AAAAFRIEND friend", OPERATOR.strip(), "github:octocat")
    (user,) = config(access=AccessSettings(authorized_keys=keys))["users"]
    assert user["ssh_authorized_keys"] == [OPERATOR.strip(), "ssh-ed25519 AAAAFRIEND friend"]
    assert user["ssh_import_id"] == ["gh:octocat"]


def test_without_github_users_nothing_is_asked_of_github() -> None:
    assert "github" not in text()
    assert "ssh_import_id" not in text()


def test_the_machine_has_the_nodes_name_whatever_the_cloud_calls_it() -> None:
    made = config(hostname="a-node")
    assert made["hostname"] == "a-node"
    assert made["preserve_hostname"] is False
    assert made["prefer_fqdn_over_hostname"] is False


def test_a_first_boot_script_is_roots_alone_and_the_boot_does_not_wait_for_it() -> None:
    script = "#!/bin/sh\necho 'it is — “here”'\n"
    made = config(first_boot=script)
    file = files(made)[cloudinit.FIRST_BOOT]
    assert (file["content"], file["permissions"], file["owner"]) == (script, "0700", "root:root")
    (command,) = made["runcmd"]
    assert command[0] == "systemd-run"
    assert "--no-block" in command
    assert command[-1] == cloudinit.FIRST_BOOT


def test_without_a_first_boot_script_nothing_is_run() -> None:
    made = config()
    assert "runcmd" not in made
    assert cloudinit.FIRST_BOOT not in files(made)


def test_the_scripts_stand_in_it_as_people_write_them() -> None:
    script = first_boot.scripts(SETTINGS)["amd64"]
    made = text(first_boot=script)
    for line in script.splitlines():
        assert f"    {line}\n" in made or line == ""


def test_a_machines_user_data_leaves_more_than_half_of_the_room_to_keys() -> None:
    host_key = HOST_KEY.replace("b3Bl", "b3Bl" * 80)
    size = len(text(host_key=host_key, first_boot=first_boot.scripts(SETTINGS)["arm64"]).encode())
    assert size < cloudinit.LIMIT_BYTES / 2


def test_more_than_a_cloud_takes_is_refused_with_what_to_write() -> None:
    access = AccessSettings(authorized_keys=(*many_keys(40),))
    with pytest.raises(UserDataError, match=r"staging-server-1: \d+ bytes .* 16384 .* github:USER"):
        text(access=access)


def test_too_many_keys_are_told_from_the_settings_alone() -> None:
    few, many = (AccessSettings(authorized_keys=(*many_keys(count),)) for count in (10, 40))
    assert list(cloudinit.problems(few, SETTINGS)) == []
    (problem,) = cloudinit.problems(many, SETTINGS)
    assert problem.key == "access.authorizedKeys"
    assert problem.given == "40 keys"
    assert "16384" in problem.why


def many_keys(count: int) -> list[str]:
    return [f"ssh-rsa {'A' * 540}{number:03} key-{number}" for number in range(count)]
