"""URNs and provider references: ``urn:pulumi:<stack>::<project>::<parent types$type>::<name>``."""

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; ``parent`` is a URN or empty."""
    types = type_
    if parent and type_of(parent) != STACK_TYPE:
        types = f"{qualified_type(parent)}${type_}"
    return f"urn:pulumi:{stack}::{project}::{types}::{name}"


def qualified_type(urn: str) -> str:
    """The types of the parents and of the resource itself, joined by ``$``."""
    return urn.split("::")[2]


def type_of(urn: str) -> str:
    return qualified_type(urn).split("$")[-1]


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3]


def is_provider(type_: str) -> bool:
    return type_.startswith(PROVIDER_PREFIX)


def package_of(type_: str) -> str:
    """The provider package that a resource type, provider type or function token belongs to."""
    return type_.split(":")[2] if is_provider(type_) else type_.split(":")[0]


def split_reference(reference: str) -> tuple[str, str]:
    """A provider reference ``<urn>::<id>`` as (urn, id)."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_
