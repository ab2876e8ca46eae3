"""YAML scalars of stack files as the official CLI reads and passes them on.

PyYAML keeps to YAML 1.1, where ``yes`` is a truth value, ``22:22`` a number to base 60 and
``1e3`` a text. The CLI reads with Go's yaml.v3, which does not.
"""

import datetime
import json
import re
from typing import Any

import yaml

_EXACT_INTEGERS = 1e21  # from there on Go writes an exponent
_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:timestamp")
# Tag, form, and the characters that such a scalar can begin with.
_FORMS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)


class Loader(yaml.SafeLoader):
    """A loader for stack files."""


class Dumper(yaml.SafeDumper):
    """A dumper for stack files: quotes every text that YAML 1.1 or the CLI would take for more."""


class UnreadableError(ValueError):
    """A value that programs cannot be given: `what was given — why — what to write`."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag in _KEPT]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _form, _first in _FORMS:
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_first)
        )


def load(written: str) -> Any:
    """A stack file's content. Raises yaml.YAMLError."""
    return yaml.load(written, Loader=Loader)  # noqa: S506 - it is a SafeLoader


def dump(content: Any) -> str:
    """The content as a stack file, which `load` and the CLI read back as it is."""
    return yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def text(key: str, value: Any) -> str:
    """The value of ``key`` as programs get it: text as it is, nothing as "", all else as JSON.

    Raises UnreadableError for a date, which JSON has no form for.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value

    def refuse_date(part: Any) -> Any:
        kind = "a date" if isinstance(part, datetime.date) else type(part).__name__
        raise UnreadableError(f"{key}: {part} — YAML takes it for {kind} — write it in quotes")

    plain = _with_whole_numbers(value)
    return json.dumps(
        plain, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=refuse_date
    )


def _with_whole_numbers(value: Any) -> Any:
    """``1.0`` is ``1`` in Go's JSON."""
    if isinstance(value, dict):
        return {k: _with_whole_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(v) for v in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS
    return int(value) if whole else value
