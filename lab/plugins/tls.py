"""The tls provider: private keys, and the public key of one that is given.

Formats and defaults: hashicorp/terraform-provider-tls, which the official plugin bridges.
"""

import asyncio
import base64
import hashlib
from types import MappingProxyType

import pulumi_tls
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from lab.engine.values import Properties, reveal
from lab.plugins.generated import Generated
from lab.plugins.refused import RefusedError
from lab.plugins.resource import Operation
from lab.plugins.sdk import inputs_of
from lab.plugins.serve import Provider
from lab.plugins.shapes import Object, Problem, Scalar, check

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_ALGORITHMS = ("RSA", "ECDSA", "ED25519")
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
_TEXT = Scalar("a string", (str,))
_GIVEN = Object("getPublicKey", {"privateKeyOpenssh": _TEXT, "privateKeyPem": _TEXT})
_RSA_BITS = 1024  # the least that both Go's and OpenSSL's generators make


class PrivateKey(Generated):
    """A private key in PEM, PKCS#8 and OpenSSH form, and its public key."""

    defaults = MappingProxyType({"ecdsaCurve": "P224", "rsaBits": 2048})
    generated = MappingProxyType(
        {
            "privateKeyPem": True,
            "privateKeyPemPkcs8": True,
            "privateKeyOpenssh": True,
            "publicKeyPem": False,
            "publicKeyOpenssh": False,
            "publicKeyFingerprintMd5": False,
            "publicKeyFingerprintSha256": False,
        }
    )
    schema_version = 1

    def rules(self, inputs: Properties) -> list[Problem]:
        problems = []
        for name, valid in (("algorithm", _ALGORITHMS), ("ecdsaCurve", tuple(_CURVES))):
            if inputs[name] not in valid:
                problems.append((name, f"{inputs[name]!r} — write one of: {', '.join(valid)}"))
        if inputs["rsaBits"] < _RSA_BITS:
            problems.append(
                (
                    "rsaBits",
                    f"{inputs['rsaBits']} is too short to be safe — write {_RSA_BITS} or more",
                )
            )
        return problems

    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        key = await asyncio.to_thread(_new_key, inputs)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        id_ = hashlib.sha1(public, usedforsecurity=False).hexdigest()
        return id_, {**_pem_forms(key), **_openssh_forms(key)}


def _new_key(inputs: Properties) -> _Key:
    if inputs["algorithm"] == "RSA":
        return rsa.generate_private_key(65537, int(inputs["rsaBits"]))
    if inputs["algorithm"] == "ECDSA":
        return ec.generate_private_key(_CURVES[inputs["ecdsaCurve"]]())
    return ed25519.Ed25519PrivateKey.generate()


def _pem_forms(key: _Key) -> dict[str, str]:
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        pem = pkcs8  # it has no older form
    else:
        own = PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(Encoding.PEM, own, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"privateKeyPem": pem, "privateKeyPemPkcs8": pkcs8, "publicKeyPem": public.decode()}


def _openssh_forms(key: _Key) -> dict[str, str]:
    """Empty for P-224, which SSH does not know."""
    names = (
        "privateKeyOpenssh",
        "publicKeyOpenssh",
        "publicKeyFingerprintMd5",
        "publicKeyFingerprintSha256",
    )
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1):
        return dict.fromkeys(names, "")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    forms = (
        private.decode(),
        line.decode() + "\n",
        ":".join(md5[i : i + 2] for i in range(0, len(md5), 2)),
        f"SHA256:{sha256}",
    )
    return dict(zip(names, forms, strict=True))


def check_get_public_key(arguments: Properties) -> list[Problem]:
    """Exactly one of the two forms, as the provider's schema has it (ExactlyOneOf)."""
    problems = list(check(_GIVEN, "", arguments))
    given = [name for name in sorted(_GIVEN.properties) if arguments.get(name) is not None]
    if len(given) != 1:
        which = " and ".join(given) or "neither form"
        problems.append(
            ("privateKeyPem", f"{which} was given — write one of {', '.join(_GIVEN.properties)}")
        )
    return problems


async def get_public_key(operation: Operation, arguments: Properties) -> Properties:  # noqa: ARG001
    """The public key of a private one. Secrecy is the engine's: the answer bears no marks."""
    ((name, text),) = ((k, v) for k, v in reveal(arguments).items() if v is not None)
    key = await asyncio.to_thread(_read, name, text)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forms = {**_pem_forms(key), **_openssh_forms(key)}
    return {
        name: text,
        "algorithm": _algorithm(key),
        "id": hashlib.sha1(public, usedforsecurity=False).hexdigest(),
        **{form: value for form, value in forms.items() if form.startswith("publicKey")},
    }


def _read(name: str, text: str) -> _Key:
    """The key in a text, which itself is never told. In the place of OpenSSH's form the older
    ones are taken too, as Go's ``ssh.ParseRawPrivateKey`` takes them."""
    is_openssh = name == "privateKeyOpenssh" and "BEGIN OPENSSH PRIVATE KEY" in text
    load = load_ssh_private_key if is_openssh else load_pem_private_key
    try:
        key = load(text.encode(), None)
    except TypeError as error:
        raise RefusedError(
            f"{name}: the key is encrypted — nobody is there to type a passphrase — write a key "
            "without one (ssh-keygen -p makes it so)"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RefusedError(
            f"{name}: not a private key of that form — write the whole file, from -----BEGIN to "
            "the last line"
        ) from error
    if not isinstance(key, _Key):
        raise RefusedError(f"{name}: a key of another kind — write one of {', '.join(_ALGORITHMS)}")
    return key


def _algorithm(key: _Key) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def provider(engine: str | None) -> Provider:
    """The plugin, with the address of the engine that started it."""
    private_key = PrivateKey(inputs_of(pulumi_tls.PrivateKeyArgs, "PrivateKey"))
    return Provider(
        "tls",
        {"tls:index/privateKey:PrivateKey": private_key},
        {"tls:index/getPublicKey:getPublicKey": (check_get_public_key, get_public_key)},
        engine,
    )
