"""What every settings model is: frozen, closed to unknown keys, spelt as in the stack file."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Settings(BaseModel):
    """Base of all settings. Python attributes are snake_case, keys in stack files camelCase."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )
