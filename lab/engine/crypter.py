"""Secrets exactly as Pulumi's passphrase provider keeps them.

AES-256-GCM under a key of PBKDF2-HMAC-SHA256 with 1,000,000 rounds; a ciphertext is
``v1:<nonce>:<sealed>`` and a salt ``v1:<salt>:<ciphertext of "pulumi">``, all in base64.
Source: ``sdk/go/common/resource/config/crypt.go`` and ``pkg/secrets/passphrase/manager.go``.
"""

import base64
import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab.engine.errors import EngineError

_ROUNDS = 1_000_000
_SALT_BYTES, _NONCE_BYTES = 8, 12
_PROOF = "pulumi"


class Crypter:
    """Encrypts and decrypts under one passphrase and one salt line."""

    def __init__(self, passphrase: str, salt_line: str) -> None:
        """``salt_line``: the stack's ``encryptionsalt``. Raises when the passphrase is not its."""
        version, _, rest = salt_line.partition(":")
        salt, _, proof = rest.partition(":")
        if version != "v1" or not proof:
            raise EngineError(
                f"encryptionsalt: {salt_line!r} — it has not the form v1:<salt>:<proof> "
                "— restore the line that Pulumi wrote, or start a new stack"
            )
        self.salt_line, self._passphrase = salt_line, passphrase
        self._aes = AESGCM(_derive(passphrase, base64.b64decode(salt)))
        self._sealed: dict[tuple[str, str], str] = {}
        try:
            known = self.decrypt(proof) == _PROOF
        except EngineError:
            known = False
        if not known:
            raise EngineError(
                "incorrect passphrase — it does not open this stack's encryptionsalt — set "
                "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the stack's own"
            )

    @classmethod
    def with_new_salt(cls, passphrase: str) -> "Crypter":
        """A crypter for a stack that has no salt yet."""
        salt = os.urandom(_SALT_BYTES)
        proof = _seal(AESGCM(_derive(passphrase, salt)), _PROOF)
        return cls(passphrase, f"v1:{base64.b64encode(salt).decode()}:{proof}")

    def with_salt(self, salt_line: str) -> "Crypter":
        """The same passphrase under another salt."""
        return Crypter(self._passphrase, salt_line)

    def encrypt(self, plaintext: str, owner: str = "") -> str:
        """The ciphertext; the same one again for the same text of the same owner (a URN).

        Unchanged secrets so keep their ciphertext from run to run, yet two resources that
        happen to share a secret do not show it.
        """
        key = (owner, plaintext)
        if key not in self._sealed:
            self._sealed[key] = _seal(self._aes, plaintext)
        return self._sealed[key]

    def decrypt(self, ciphertext: str, owner: str = "") -> str:
        """The plaintext. Raises ``EngineError`` when it was not sealed under this key."""
        try:
            version, nonce, sealed = ciphertext.split(":")
            opened = self._aes.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
        except (ValueError, InvalidTag) as error:
            raise EngineError(
                "a secret cannot be decrypted — it was encrypted under another passphrase or "
                "salt — restore the encryptionsalt and the passphrase it was written with"
            ) from error
        if version != "v1":
            raise EngineError(f"a secret has the unknown version {version!r} — only v1 is known")
        plaintext = opened.decode()
        self._sealed[owner, plaintext] = ciphertext
        return plaintext


@functools.lru_cache
def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS, 32)


def _seal(aes: AESGCM, plaintext: str) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = aes.encrypt(nonce, plaintext.encode(), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


def read_passphrase(environment: Mapping[str, str]) -> str:
    """The passphrase, from the two variables that the official CLI reads, in its order."""
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return environment["PULUMI_CONFIG_PASSPHRASE"]
    file = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE", "")
    if not file:
        raise EngineError(
            "no passphrase is set — the stack's secrets are encrypted with it — set "
            "PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it, or PULUMI_CONFIG_PASSPHRASE"
        )
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EngineError(
            f"PULUMI_CONFIG_PASSPHRASE_FILE: {file} — it cannot be read ({error.strerror}) "
            "— write the passphrase there, mode 0600"
        ) from error
