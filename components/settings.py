"""What every settings model is: frozen, closed to unknown keys, spelt as in the stack file."""

from pydantic import BaseModel, ConfigDict


def _camel(name: str) -> str:
    # pydantic's own to_camel makes `k3S` of `k3s`.
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


class Settings(BaseModel):
    """Base of all settings. Python attributes are snake_case, keys in stack files camelCase."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=_camel, populate_by_name=True
    )
