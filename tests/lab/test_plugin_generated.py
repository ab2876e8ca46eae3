"""The random and tls plugins."""

import base64
import ctypes
import hashlib
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from lab.engine.values import UNKNOWN, Properties, is_secret, reveal, secret
from tests.lab.plugin_host import Plugin

PASSWORD = "random:index/randomPassword:RandomPassword"
STRING = "random:index/randomString:RandomString"
ID = "random:index/randomId:RandomId"
BYTES = "random:index/randomBytes:RandomBytes"
KEY = "tls:index/privateKey:PrivateKey"


def test_a_password_and_its_hash_are_secret(random: Plugin) -> None:
    id_, state = random.create(PASSWORD, {"length": 24})
    assert id_ == "none"
    assert is_secret(state["result"])
    assert is_secret(state["bcryptHash"])
    assert len(reveal(state["result"])) == 24
    assert not any(is_secret(state[name]) for name in ("length", "lower", "minLower"))


@pytest.mark.parametrize("length", [16, 100])
def test_the_hash_is_that_of_the_password(random: Plugin, length: int) -> None:
    state = reveal(random.make(PASSWORD, {"length": length}))
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed = state["bcryptHash"]
    assert hashed.startswith("$2a$10$")
    assert crypt(state["result"].encode()[:72], hashed.encode()).decode() == hashed
    assert crypt(b"other", hashed.encode()).decode() != hashed


def test_a_string_has_the_kinds_that_are_asked_for(random: Plugin) -> None:
    kinds = {"upper": False, "special": True, "minSpecial": 3, "minNumeric": 2}
    inputs = {"length": 40, **kinds, "overrideSpecial": "_"}
    for _ in range(20):
        id_, state = random.create(STRING, inputs)
        result = state["result"]
        assert id_ == result
        assert set(result) <= set(string.ascii_lowercase + string.digits + "_")
        assert result.count("_") >= 3
        assert sum(letter in string.digits for letter in result) >= 2


def test_a_minimum_holds_for_a_kind_that_is_otherwise_off(random: Plugin) -> None:
    inputs = {"length": 30, "special": False, "minSpecial": 2}
    result = random.make(STRING, inputs)["result"]
    assert sum(letter in "!@#$%&*()-_=+[]{}<>:?" for letter in result) == 2


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ({"length": 0}, "length"),
        ({"length": 3, "minLower": 2, "minUpper": 2}, "length"),
        (
            {"length": 3, "lower": False, "upper": False, "numeric": False, "special": False},
            "numeric",
        ),
    ],
)
def test_a_string_that_cannot_be_made_is_refused(
    random: Plugin, inputs: Properties, name: str
) -> None:
    random.check(STRING, inputs)
    assert list(random.failures) == [name]


def test_an_id_is_the_same_bytes_in_every_notation(random: Plugin) -> None:
    id_, state = random.create(ID, {"byteLength": 9, "prefix": "p-"})
    data = base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))
    assert len(data) == 9
    assert state["b64Url"] == f"p-{id_}"
    assert state["b64Std"] == f"p-{base64.b64encode(data).decode()}"
    assert state["hex"] == f"p-{data.hex()}"
    assert state["dec"] == f"p-{int.from_bytes(data, 'big')}"


def test_bytes_are_secret(random: Plugin) -> None:
    state = random.make(BYTES, {"length": 32})
    assert is_secret(state["hex"])
    assert is_secret(state["base64"])
    assert base64.b64decode(reveal(state["base64"])).hex() == reveal(state["hex"])


def test_no_two_results_are_alike(random: Plugin) -> None:
    results = {random.make(STRING, {"length": 12})["result"] for _ in range(20)}
    assert len(results) == 20


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"length": 8}, {"length": 8}, []),
        ({"length": 8}, {"length": 9}, ["length"]),
        ({"length": 8}, {"length": 8, "special": True, "minLower": 0}, []),
        ({"length": 8}, {"length": 8, "special": False}, ["special"]),
        ({"length": 8, "keepers": {"a": "1"}}, {"length": 8, "keepers": {"a": "2"}}, ["keepers.a"]),
        ({"length": 8}, {"length": 8, "keepers": {"a": "1"}}, ["keepers"]),
        ({"length": 8, "number": False}, {"length": 8, "numeric": False}, []),
        ({"length": 8}, {"length": secret(8)}, []),
        ({"length": 8, "__defaults": []}, {"length": 8}, []),
    ],
)
def test_any_real_change_replaces(
    random: Plugin, old: Properties, new: Properties, replaces: list[str]
) -> None:
    response = random.diff(PASSWORD, old, new)
    assert list(response.replaces) == list(response.diffs) == replaces


def test_a_preview_knows_everything_but_what_is_generated(random: Plugin, tls: Plugin) -> None:
    id_, state = random.create(PASSWORD, {"length": 8}, preview=True)
    assert not id_
    assert state["result"] == state["bcryptHash"] == secret(UNKNOWN)
    assert state["special"] is True
    _, key = tls.create(KEY, {"algorithm": "ED25519"}, preview=True)
    assert key["privateKeyOpenssh"] == secret(UNKNOWN)
    assert key["publicKeyOpenssh"] == UNKNOWN


def test_the_state_has_the_version_of_its_schema(random: Plugin, tls: Plugin) -> None:
    """So that the official plugins can take the state over."""
    versions = {
        PASSWORD: random.make(PASSWORD, {"length": 8})["__meta"],
        STRING: random.make(STRING, {"length": 8})["__meta"],
        KEY: tls.make(KEY, {"algorithm": "ED25519"})["__meta"],
    }
    assert list(versions.values()) == [f'{{"schema_version":"{n}"}}' for n in (3, 2, 1)]


@pytest.mark.parametrize(
    ("inputs", "begin"),
    [
        ({"algorithm": "ED25519"}, "-----BEGIN PRIVATE KEY"),
        ({"algorithm": "RSA"}, "-----BEGIN RSA PRIVATE KEY"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P384"}, "-----BEGIN EC PRIVATE KEY"),
    ],
)
def test_all_forms_of_a_key_are_the_same_key(
    tls: Plugin, tmp_path: Path, inputs: Properties, begin: str
) -> None:
    id_, marked = tls.create(KEY, inputs)
    state = reveal(marked)
    private = ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh")
    assert [name for name in marked if is_secret(marked[name])].sort() == list(private).sort()
    assert state["privateKeyPem"].startswith(begin)
    keys: list[Any] = [
        serialization.load_pem_private_key(state["privateKeyPem"].encode(), None),
        serialization.load_pem_private_key(state["privateKeyPemPkcs8"].encode(), None),
        serialization.load_ssh_private_key(state["privateKeyOpenssh"].encode(), None),
    ]
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    publics = {key.public_key().public_bytes(serialization.Encoding.PEM, form) for key in keys}
    assert publics == {state["publicKeyPem"].encode()}
    der = keys[0].public_key().public_bytes(serialization.Encoding.DER, form)
    assert id_ == hashlib.sha1(der, usedforsecurity=False).hexdigest()
    _same_in_openssh(state, tmp_path)


def _same_in_openssh(state: Properties, folder: Path) -> None:
    """ssh-keygen derives the same public key and fingerprints from the private one."""
    private, public = folder / "key", folder / "key.pub"
    private.touch(mode=0o600)
    private.write_text(state["privateKeyOpenssh"])
    public.write_text(state["publicKeyOpenssh"])

    def keygen(*arguments: str) -> str:
        return subprocess.run(
            ["ssh-keygen", *arguments], capture_output=True, text=True, check=True
        ).stdout

    derived = keygen("-y", "-f", str(private))
    assert derived.split()[:2] == state["publicKeyOpenssh"].split()
    assert state["publicKeyOpenssh"].endswith("\n")
    md5 = keygen("-l", "-E", "md5", "-f", str(public)).split()[1]
    assert md5 == f"MD5:{state['publicKeyFingerprintMd5']}"
    sha256 = keygen("-l", "-f", str(public)).split()[1]
    assert sha256 == state["publicKeyFingerprintSha256"]


def test_a_curve_that_ssh_does_not_know_has_no_ssh_forms(tls: Plugin) -> None:
    """P224 is the default, as with the real provider."""
    state = reveal(tls.make(KEY, {"algorithm": "ECDSA"}))
    assert state["ecdsaCurve"] == "P224"
    assert state["privateKeyOpenssh"] == state["publicKeyOpenssh"] == ""
    assert state["publicKeyPem"].startswith("-----BEGIN PUBLIC KEY")


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ({"algorithm": "ed25519"}, "algorithm"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P-256"}, "ecdsaCurve"),
        ({"algorithm": "RSA", "rsaBits": 512}, "rsaBits"),
        ({"algorithm": "RSA", "rsaBits": 2048.5}, "rsaBits"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(tls: Plugin, inputs: Properties, name: str) -> None:
    tls.check(KEY, inputs)
    assert list(tls.failures) == [name]
