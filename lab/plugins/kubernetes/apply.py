"""Server-side apply of one object, and what is there before it.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from lab.plugins.kubernetes import annotations
from lab.plugins.kubernetes.api import APPLY, Api, ApiError, Mapped, Object
from lab.plugins.kubernetes.managed import Call

_EXISTS = (
    "it is there already, and this stack did not make it — give the resource another name, an "
    "alias of the one that made it, or set upsertExistingObjects on the provider"
)


async def applied(
    call: Call,
    mapped: Mapped,
    wanted: Object,
    manager: str,
    *,
    dry: bool = False,
    force: bool = False,
) -> Object:
    """The object after it; the server refuses fields that it does not know, and those that another
    manager has. Raises ``ApiError``."""
    force = force or annotations.is_set(wanted, annotations.FORCE)
    force = force or call.cluster.settings["enablePatchForce"]
    query = {
        "fieldManager": manager,
        "fieldValidation": "Strict",
        "force": "true" if force else "false",
    }
    if dry:
        query["dryRun"] = "All"
    if not mapped.namespaced:
        own = {k: v for k, v in wanted["metadata"].items() if k != "namespace"}
        wanted = {**wanted, "metadata": own}
    path = path_of(mapped, wanted)
    return await call.cluster.reached().request("PATCH", path, wanted, APPLY, **query)


async def find(api: Api, mapped: Mapped, wanted: Object) -> Object | None:
    """The object of that name, None where there is none."""
    try:
        return await api.request("GET", path_of(mapped, wanted))
    except ApiError as error:
        if error.not_found:
            return None
        raise


async def refuse_existing(api: Api, mapped: Mapped, wanted: Object) -> None:
    """Raise ``ApiError`` where there is an object of that name."""
    if await find(api, mapped, wanted):
        name = annotations.qualified_name(wanted)
        raise ApiError(409, "AlreadyExists", f"{mapped.plural} {name!r}: {_EXISTS}", {})


def path_of(mapped: Mapped, found: Object) -> str:
    """The object's path in the API."""
    own = found["metadata"]
    return mapped.path(own.get("namespace"), own["name"])
