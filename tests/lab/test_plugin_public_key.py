"""tls:getPublicKey: the public key of a private one that is given."""

import subprocess
from pathlib import Path

import pytest

from lab.engine.values import Properties, reveal, secret
from tests.lab.plugin_host import Plugin, error_of

KEY = "tls:index/privateKey:PrivateKey"
FUNCTION = "tls:index/getPublicKey:getPublicKey"
PUBLIC = (
    "publicKeyPem",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
)


@pytest.mark.parametrize("form", ["privateKeyOpenssh", "privateKeyPem"])
@pytest.mark.parametrize("algorithm", ["ED25519", "RSA", "ECDSA"])
def test_it_is_the_one_that_the_resource_has(tls: Plugin, algorithm: str, form: str) -> None:
    id_, state = tls.create(KEY, {"algorithm": algorithm, "ecdsaCurve": "P256"})
    made = reveal(state)
    found = tls.invoke(FUNCTION, {form: secret(made[form])})
    assert {name: found[name] for name in PUBLIC} == {name: made[name] for name in PUBLIC}
    assert (found["algorithm"], found["id"], found[form]) == (algorithm, id_, made[form])


def test_a_key_of_ssh_keygen_is_read_with_and_without_its_last_newline(
    tls: Plugin, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@desk", "-f", str(key)], check=True
    )
    expected = key.with_suffix(".pub").read_text().split()[:2]
    for text in (key.read_text(), key.read_text().rstrip("\n")):
        found = tls.invoke(FUNCTION, {"privateKeyOpenssh": text})
        assert found["publicKeyOpenssh"].split() == expected
        assert found["publicKeyOpenssh"].endswith("\n")


def test_older_forms_are_read_in_the_place_of_opensshs(tls: Plugin) -> None:
    made = reveal(tls.make(KEY, {"algorithm": "RSA"}))
    found = tls.invoke(FUNCTION, {"privateKeyOpenssh": made["privateKeyPem"]})
    assert found["publicKeyOpenssh"] == made["publicKeyOpenssh"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "privateKeyPem"),
        ({"privateKeyPem": "a", "privateKeyOpenssh": "b"}, "privateKeyPem"),
        ({"privateKeyOpenssh": 1}, "privateKeyOpenssh"),
        ({"privateKey": "a", "privateKeyPem": "b"}, "privateKey"),
    ],
)
def test_exactly_one_form_must_be_given(tls: Plugin, arguments: Properties, name: str) -> None:
    tls.invoke(FUNCTION, arguments)
    assert list(tls.failures) == [name]


def test_what_is_no_key_is_refused_without_showing_it(tls: Plugin) -> None:
    text = error_of(lambda: tls.invoke(FUNCTION, {"privateKeyOpenssh": secret("canary-value")}))
    assert text.startswith("privateKeyOpenssh: not a private key of that form — write the whole")
    assert "canary" not in text + str(tls.engine.messages)


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8"])
def test_a_key_with_a_passphrase_is_refused(tls: Plugin, tmp_path: Path, form: str) -> None:
    key = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "a passphrase", "-m", form, "-f", str(key)]
    subprocess.run(make, check=True)
    told = error_of(lambda: tls.invoke(FUNCTION, {"privateKeyOpenssh": key.read_text()}))
    assert "the key is encrypted" in told
    assert "ssh-keygen -p" in told
