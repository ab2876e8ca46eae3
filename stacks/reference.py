"""The settings reference, made from the models: `python -m stacks.reference > docs/settings.md`."""

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stacks.model import StackSettings

_HEAD = """\
# Settings

What can stand under `config:` of a stack file, `Pulumi.<stack>.yaml`. Each setting of the first
table is a key of its own, written `k3s:<setting>`; those of the other tables are keys of the object
that their title names.

Secret values are keys of their own, encrypted in the stack file:

- `k3s:operatorKey`, the private SSH key that steps on nodes use; without it the stack makes one:
  `pulumi config set --secret k3s:operatorKey <FILE`.
- `k3s:secrets`, values by name for settings of add-ons that say `{secret: NAME}`:
  `pulumi config set --secret --path k3s:secrets.NAME`.

A mistake is answered before anything is made, all mistakes together, each with what to write.

Made from the models that check the settings: `python -m stacks.reference > docs/settings.md`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return _HEAD + "".join(_table("k3s:", StackSettings))


def _table(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"\n## `{title}`\n\n| setting | what to write | default |\n|---|---|---|\n"
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for name, field in fields.items():
        yield f"| `{name}` | {field.description} | {_default(field)} |\n"
    for name, field in fields.items():
        inner, key = _inner(field.annotation)
        if inner is not None:
            joint = "" if title.endswith(":") else "."
            yield from _table(f"{title}{joint}{name}{key}", inner)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be written"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}):
        return "none"
    return "its own defaults" if isinstance(value, BaseModel) else f"`{value}`"


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model that a field holds, itself or as the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = getattr(annotation, "__args__", ())
    for argument in arguments:
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument, "" if type(None) in arguments else ".<name>"
    return None, ""


if __name__ == "__main__":
    sys.stdout.write(reference())
