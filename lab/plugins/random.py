"""The random provider: passwords, strings, ids and bytes.

Rules and alphabets: hashicorp/terraform-provider-random, which the official plugin bridges.
"""

import asyncio
import base64
import secrets
import string
from collections.abc import Mapping
from types import MappingProxyType

import pulumi_random

from lab.engine.values import Properties
from lab.plugins.bcrypt import bcrypt_hash
from lab.plugins.generated import Generated
from lab.plugins.sdk import inputs_of
from lab.plugins.serve import Provider
from lab.plugins.shapes import Problem

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_KINDS = ("upper", "lower", "numeric", "special")
_LETTERS = {
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "numeric": string.digits,
}


def _minimum(kind: str) -> str:
    return f"min{kind.capitalize()}"


def _at_least_one(inputs: Properties, name: str) -> list[Problem]:
    if inputs[name] >= 1:
        return []
    return [(name, f"{inputs[name]} was given, and nothing can be that long — write 1 or more")]


class RandomString(Generated):
    """A random string of given length over given kinds of characters."""

    defaults = MappingProxyType(
        {**dict.fromkeys(_KINDS, True), **{_minimum(kind): 0 for kind in _KINDS}}
    )
    generated: Mapping[str, bool] = MappingProxyType({"result": False})
    schema_version = 2

    def complete(self, inputs: Properties) -> Properties:
        """``number`` is the old name of ``numeric``: each stands for the other."""
        given = {k: v for k, v in inputs.items() if v is not None}
        numeric = given.get("numeric", given.get("number", True))
        return super().complete({**given, "numeric": numeric, "number": numeric})

    def rules(self, inputs: Properties) -> list[Problem]:
        problems = _at_least_one(inputs, "length")
        needed = sum(inputs[_minimum(kind)] for kind in _KINDS)
        if inputs["length"] < needed:
            problems.append(
                ("length", f"{inputs['length']} is less than the minimums' sum — write {needed}")
            )
        if not any(inputs[kind] for kind in _KINDS):
            problems.append(
                ("numeric", f"no characters are left to choose from — set one of {_KINDS} to true")
            )
        return problems

    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        result = _draw(inputs)
        return result, {"result": result}


class RandomPassword(RandomString):
    """The same, secret, with its bcrypt hash."""

    generated = MappingProxyType({"result": True, "bcryptHash": True})
    schema_version = 3

    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        result = _draw(inputs)
        hashed = await asyncio.to_thread(bcrypt_hash, result)
        return "none", {"result": result, "bcryptHash": hashed}


def _draw(inputs: Properties) -> str:
    """The minimum of each kind, the rest over all the chosen kinds, in random order."""
    letters = {**_LETTERS, "special": inputs.get("overrideSpecial") or _SPECIAL}
    drawn = [
        secrets.choice(letters[kind]) for kind in _KINDS for _ in range(int(inputs[_minimum(kind)]))
    ]
    alphabet = "".join(letters[kind] for kind in _KINDS if inputs[kind])
    drawn += [secrets.choice(alphabet) for _ in range(int(inputs["length"]) - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


class RandomId(Generated):
    """Random bytes as a public identifier in several notations, each after the prefix."""

    generated = MappingProxyType(dict.fromkeys(("b64Url", "b64Std", "hex", "dec"), False))

    def rules(self, inputs: Properties) -> list[Problem]:
        return _at_least_one(inputs, "byteLength")

    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        data = secrets.token_bytes(int(inputs["byteLength"]))
        prefix = inputs.get("prefix") or ""
        id_ = base64.urlsafe_b64encode(data).decode().rstrip("=")
        notations = {
            "b64Url": id_,
            "b64Std": base64.b64encode(data).decode(),
            "hex": data.hex(),
            "dec": str(int.from_bytes(data, "big")),
        }
        return id_, {name: prefix + text for name, text in notations.items()}


class RandomBytes(Generated):
    """Secret random bytes. As with the official plugin their id is the bytes themselves, and ids
    are never secret: so keep to RandomPassword for what must not be read from the state."""

    generated = MappingProxyType({"base64": True, "hex": True})

    def rules(self, inputs: Properties) -> list[Problem]:
        return _at_least_one(inputs, "length")

    async def generate(self, inputs: Properties) -> tuple[str, dict[str, str]]:
        data = secrets.token_bytes(int(inputs["length"]))
        text = base64.b64encode(data).decode()
        return text, {"base64": text, "hex": data.hex()}


_TYPES = {
    "RandomPassword": (RandomPassword, pulumi_random.RandomPasswordArgs),
    "RandomString": (RandomString, pulumi_random.RandomStringArgs),
    "RandomId": (RandomId, pulumi_random.RandomIdArgs),
    "RandomBytes": (RandomBytes, pulumi_random.RandomBytesArgs),
}


def provider(engine: str | None) -> Provider:
    """The plugin, with the address of the engine that started it."""
    resources = {
        f"random:index/{name[0].lower()}{name[1:]}:{name}": made(inputs_of(args, name))
        for name, (made, args) in _TYPES.items()
    }
    return Provider("random", resources, engine=engine)
