"""What a cloud hands to a fresh machine: who may log in, and by which host key it is known.

Keys and their meaning: https://docs.cloud-init.io/en/latest/reference/modules.html.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from components.access import AccessSettings
from components.k3s import first_boot as k3s_first_boot
from components.k3s.settings import K3sSettings
from components.problems import Problem

# The user of every step on a cloud's machine; root cannot log in.
SSH_USER = "k3s"
# AWS takes 16 KiB of user data, before base64 (DigitalOcean 64 KiB):
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
LIMIT_BYTES = 16 * 1024
FIRST_BOOT = "/usr/local/sbin/k3s-first-boot"
# Its unit, so that systemctl and journalctl know how it went.
FIRST_BOOT_UNIT = "k3s-first-boot"
# For some 250 MB.
FIRST_BOOT_SECONDS = 900

# Before 50-cloud-init.conf, which clouds bring along: sshd takes the first value that it reads.
_SSHD_FILE = "/etc/ssh/sshd_config.d/10-k3s.conf"
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


# As long as a machine's own parts get: a name of DNS, an ed25519 key with its head and foot, and an
# operator's RSA key of 4096 bits.
_LONGEST = {
    "hostname": "n" * 63,
    "host_key": ("k" * 70 + "\n") * 7,
    "host_key_pub": "k" * 100,
    "operator_key": "k" * 800,
}


class UserDataError(ValueError):
    """More than every cloud takes; the message says what to make shorter."""


def problems(access: AccessSettings, k3s: K3sSettings) -> Iterator[Problem]:
    """What the settings would make larger than user data may be, on any cloud."""
    script = max(k3s_first_boot.scripts(k3s).values(), key=len, default=None)
    try:
        user_data(**_LONGEST, access=access, first_boot=script)
    except UserDataError:
        yield Problem(
            key="access.authorizedKeys",
            given=f"{len(access.keys())} keys",
            why=f"a machine gets them in its user data, of which AWS takes {LIMIT_BYTES} bytes",
            write="list fewer, or write github:USER for them",
        )


def user_data(
    *,
    hostname: str,
    host_key: str,
    host_key_pub: str,
    operator_key: str,
    access: AccessSettings,
    first_boot: str | None,
) -> str:
    """The cloud-config of one machine, as text; secret, as the host key is in it.

    `host_key` is an ed25519 private key in OpenSSH's form, `host_key_pub` and `operator_key` are
    public key lines. `first_boot` is a shell script that root runs while the machine boots.
    Raises UserDataError above 16 KiB.
    """
    config = {
        **_name(hostname),
        **_host_key(host_key, host_key_pub),
        **_logins(operator_key, access),
        **_files(first_boot),
    }
    text = "#cloud-config\n" + yaml.dump(
        config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000
    )
    if (size := len(text.encode())) > LIMIT_BYTES:
        raise UserDataError(
            f"{hostname}: {size} bytes of user data — a cloud takes {LIMIT_BYTES} — "
            "list fewer keys in access.authorizedKeys, or write github:USER for them"
        )
    return text


def _name(hostname: str) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "preserve_hostname": False,
        # Fedora's kin would take the cloud's own name for the machine instead.
        "prefer_fqdn_over_hostname": False,
        # sudo looks its own machine's name up.
        "manage_etc_hosts": "localhost",
    }


def _host_key(private: str, public: str) -> dict[str, Any]:
    """The stack's key alone: given one, cloud-init generates none of the other kinds."""
    return {
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": private.strip() + "\n",
            "ed25519_public": public.strip(),
        },
    }


def _logins(operator_key: str, access: AccessSettings) -> dict[str, Any]:
    keys = [key.strip() for key in (operator_key, *access.keys())]
    user: dict[str, Any] = {
        "name": SSH_USER,
        "gecos": "Operator of the k3s cluster",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": list(dict.fromkeys(keys)),
    }
    if users := access.github_users():
        user["ssh_import_id"] = [f"gh:{name}" for name in users]
    # The image's own user ("default") is left out of the list, and so is never made.
    return {"disable_root": True, "ssh_pwauth": False, "users": [user]}


def _files(first_boot: str | None) -> dict[str, Any]:
    files = [_file(_SSHD_FILE, "0644", _SSHD)]
    if first_boot is None:
        return {"write_files": files}
    return {
        "write_files": [*files, _file(FIRST_BOOT, "0700", first_boot)],
        # The boot ends without waiting for it, and whether it fails or not.
        "runcmd": [
            [
                "systemd-run",
                f"--unit={FIRST_BOOT_UNIT}",
                f"--property=RuntimeMaxSec={FIRST_BOOT_SECONDS}",
                "--no-block",
                *("sh", FIRST_BOOT),
            ]
        ],
    }


def _file(path: str, mode: str, content: str) -> dict[str, str]:
    return {"path": path, "owner": "root:root", "permissions": mode, "content": content}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, for people who read them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
