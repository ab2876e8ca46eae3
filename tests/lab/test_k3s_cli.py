"""The lab's k3s as a command: versions, flags, its configuration file, its installer."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import K3sRelease

# What stands in for systemctl in the installer's tests: it writes down what it was asked.
SYSTEMCTL = '#!/bin/sh\necho "$*" >>"$SYSTEMCTL_LOG"\n'


def run(
    release: K3sRelease, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """k3s with these words and, beside the PATH, no environment but `env`."""
    return subprocess.run(
        [str(release.folder / "k3s"), *words],
        env={"PATH": os.environ["PATH"], **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_version_says_that_it_is_the_labs(k3s_release: K3sRelease) -> None:
    printed = run(k3s_release, "--version")
    first, second = printed.stdout.splitlines()
    assert re.fullmatch(r"k3s version v1\.\d+\.\d+\+lab \([0-9a-f]{8}\)", first)
    assert first.split()[2] == k3s_release.version
    assert re.fullmatch(r"go version go1\.\S+", second)


def test_kubernetes_tells_the_same_version(k3s_release: K3sRelease) -> None:
    printed = run(k3s_release, "kubectl", "version", "--client")
    assert f"Client Version: {k3s_release.version}" in printed.stdout


def test_the_checksums_are_those_of_the_files(k3s_release: K3sRelease) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "sha256sum-amd64.txt"],
        cwd=k3s_release.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    files = ["k3s-airgap-images-amd64.tar.zst", "k3s", "install.sh"]
    assert checked.stdout.splitlines() == [f"{file}: OK" for file in files]


@pytest.mark.parametrize("role", ["server", "agent"])
def test_an_unknown_flag_is_refused_in_k3ss_words(k3s_release: K3sRelease, role: str) -> None:
    refused = run(k3s_release, role, "--nod-ip", "10.0.0.1")
    assert refused.returncode == 1
    text = "flag provided but not defined: -nod-ip"
    assert refused.stdout.startswith(f"Incorrect Usage: {text}")
    assert f'level=fatal msg="{text}"' in refused.stderr


@pytest.mark.parametrize("role", ["server", "agent"])
def test_an_unknown_key_of_the_configuration_file_is_refused(
    k3s_release: K3sRelease, role: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("node-external-ips: [192.0.2.1]\n")
    refused = run(k3s_release, role, "--config", str(file))
    assert refused.returncode == 1
    assert "flag provided but not defined: -node-external-ips" in refused.stderr


def test_a_server_key_in_an_agents_file_is_refused(k3s_release: K3sRelease, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tls-san: [k3s.example]\n")
    refused = run(k3s_release, "agent", env={"K3S_CONFIG_FILE": str(file)})
    assert "flag provided but not defined: -tls-san" in refused.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--datastore-endpoint", "postgres://db"], "keeps its data in embedded etcd only"),
        (["--selinux"], "runs on Debian nodes without SELinux"),
        (["--flannel-backend", "wireguard-native"], "carries vxlan and none"),
        (["--etcd-s3"], "takes no etcd snapshots"),
        (["--node-ip", "fd00::1"], "IPv4 only"),
    ],
)
def test_what_only_k3s_has_is_refused_as_the_labs_lack(
    k3s_release: K3sRelease, words: list[str], why: str, tmp_path: Path
) -> None:
    refused = run(k3s_release, "server", "--data-dir", str(tmp_path), *words)
    assert refused.returncode == 1
    assert "the lab's k3s" in refused.stderr
    assert why in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_encrypted_with_one_of_k3ss_two_providers(k3s_release: K3sRelease) -> None:
    refused = run(k3s_release, "server", "--secrets-encryption-provider", "rot13")
    assert refused.returncode == 1
    assert "unsupported secrets-encryption-provider rot13: write aescbc" in refused.stderr


def test_of_secrets_encrypt_there_is_the_status(k3s_release: K3sRelease) -> None:
    refused = run(k3s_release, "secrets-encrypt", "rotate-keys")
    assert refused.returncode == 1
    assert "k3s secrets-encrypt rotate-keys: the lab's k3s chooses encryption" in refused.stderr


def test_the_files_of_config_yaml_d_come_after_the_file_and_may_append(
    k3s_release: K3sRelease, tmp_path: Path
) -> None:
    """Told by the order in which values are refused: nothing is started."""
    file = tmp_path / "config.yaml"
    file.write_text("node-ip: 192.0.2.1\nnode-external-ip: [192.0.2.2]\n")
    folder = tmp_path / "config.yaml.d"
    folder.mkdir()
    (folder / "10-more.yaml").write_text("node-external-ip+: [not-an-address]\n")
    (folder / "20-other.yaml").write_text("node-ip: 192.0.2.3\n")
    refused = run(k3s_release, "server", "--config", str(file), "--data-dir", str(tmp_path / "d"))
    assert 'invalid node-external-ip: \\"not-an-address\\"' in refused.stderr


def test_an_agent_needs_a_server_and_a_token(k3s_release: K3sRelease) -> None:
    assert "--token is required" in run(k3s_release, "agent").stderr
    alone = run(k3s_release, "agent", env={"K3S_TOKEN": "secret"})
    assert "--server is required" in alone.stderr
    assert "secret" not in alone.stderr + alone.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the installer writes: bin with a small k3s, units, and a systemctl that only notes."""
    for name in ("bin", "units", "fake"):
        (tmp_path / name).mkdir()
    for program, text in (("bin/k3s", "#!/bin/sh\n"), ("fake/systemctl", SYSTEMCTL)):
        (tmp_path / program).write_text(text)
        (tmp_path / program).chmod(0o755)
    return tmp_path


def install(
    release: K3sRelease, root: Path, *words: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """The release's installer, with everything that it writes below `root`."""
    variables = {
        "PATH": f"{root / 'fake'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "SYSTEMCTL_LOG": str(root / "systemctl.log"),
        "INSTALL_K3S_SKIP_DOWNLOAD": "true",
        "INSTALL_K3S_BIN_DIR": str(root / "bin"),
        "INSTALL_K3S_SYSTEMD_DIR": str(root / "units"),
        **env,
    }
    return subprocess.run(
        ["sh", str(release.folder / "install.sh"), *words],
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def asked(root: Path) -> list[str]:
    """What the installer asked systemctl for."""
    log = root / "systemctl.log"
    return log.read_text().splitlines() if log.exists() else []


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the installer is for root")


@as_root
def test_the_installer_writes_a_servers_unit_and_starts_it(
    k3s_release: K3sRelease, root: Path
) -> None:
    words = ("server", "--node-label", "note=it's here")
    done = install(k3s_release, root, *words, INSTALL_K3S_SYMLINK="force")
    assert done.returncode == 0, done.stderr
    unit = (root / "units" / "k3s.service").read_text()
    assert "Type=notify\n" in unit
    assert "KillMode=process\n" in unit
    command = unit[unit.index("ExecStart=") :]
    assert command.startswith(f"ExecStart={root}/bin/k3s \\\n    server \\\n\t'--node-label'")
    assert asked(root)[-1] == "restart k3s"
    assert (root / "bin" / "kubectl").readlink() == Path("k3s")
    for script in ("k3s-killall.sh", "k3s-uninstall.sh"):
        assert os.access(root / "bin" / script, os.X_OK)


@as_root
def test_the_environment_makes_an_agent_and_is_kept_from_others(
    k3s_release: K3sRelease, root: Path
) -> None:
    done = install(k3s_release, root, K3S_URL="https://192.0.2.1:6443", K3S_TOKEN="canary")
    assert done.returncode == 0, done.stderr
    environment = root / "units" / "k3s-agent.service.env"
    assert "K3S_TOKEN=canary" in environment.read_text()
    assert environment.stat().st_mode & 0o777 == 0o600
    assert "canary" not in (root / "units" / "k3s-agent.service").read_text()
    assert "canary" not in done.stdout + done.stderr


@as_root
def test_the_service_is_started_again_only_after_a_change(
    k3s_release: K3sRelease, root: Path
) -> None:
    def restarts() -> int:
        return asked(root).count("restart k3s")

    install(k3s_release, root, "server")
    same = install(k3s_release, root, "server")
    assert "No change detected so skipping service start" in same.stdout
    assert restarts() == 1
    install(k3s_release, root, "server", INSTALL_K3S_FORCE_RESTART="true")
    assert restarts() == 2
    install(k3s_release, root, INSTALL_K3S_EXEC="server --disable coredns")
    assert restarts() == 3
    install(k3s_release, root, "server", INSTALL_K3S_SKIP_START="true")
    install(k3s_release, root, "agent", INSTALL_K3S_SKIP_ENABLE="true")
    assert restarts() == 3


@as_root
def test_the_installer_downloads_nothing_and_says_so(k3s_release: K3sRelease, root: Path) -> None:
    refused = install(k3s_release, root, "server", INSTALL_K3S_SKIP_DOWNLOAD="false")
    assert refused.returncode == 1
    assert "the lab's k3s is built here and cannot be downloaded" in refused.stderr
    (root / "bin" / "k3s").unlink()
    without = install(k3s_release, root, "server")
    assert f"Executable k3s binary not found at {root}/bin/k3s" in without.stderr
    assert list((root / "units").iterdir()) == []


@as_root
def test_an_agent_without_a_token_is_refused(k3s_release: K3sRelease, root: Path) -> None:
    refused = install(k3s_release, root, K3S_URL="https://192.0.2.1:6443")
    assert refused.returncode == 1
    assert "K3S_TOKEN or K3S_TOKEN_FILE is not defined" in refused.stderr
