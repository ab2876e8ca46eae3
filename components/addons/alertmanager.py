"""Who is told of alerts: Alertmanager's configuration, of receivers in its own words.

Source: https://prometheus.io/docs/alerting/latest/configuration.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from components.addons import secret_values
from components.problems import Problem
from components.settings import Settings

_KEY = "addons.prometheus.alertmanager"
# The receiver of what nobody is to be told of.
NOBODY = "null"
# Keys that hold a password, a token, or an address that is as good as one.
_CONFIDENTIAL = frozenset(
    {
        *("api_key", "api_secret", "auth_password", "auth_secret", "bearer_token", "bot_token"),
        *("client_secret", "credentials", "opsgenie_api_key", "password", "routing_key"),
        *("secret_key", "service_key", "slack_api_url", "smtp_auth_password", "smtp_auth_secret"),
        *("token", "user_key", "victorops_api_key", "webhook_url", "wechat_api_secret"),
    }
)
# Of these alone, the address by which they are reached is a secret.
_CONFIDENTIAL_ADDRESS = {"slack_configs": "api_url"}
# Alerts that say nothing by themselves: a sign of life, and one that only silences others.
_SILENT = {"matchers": ['alertname =~ "Watchdog|InfoInhibitor"'], "receiver": NOBODY}


class Alertmanager(Settings):
    """Receivers, and which alerts reach which; without receivers nobody is told of anything."""

    receivers: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict,
        description="receivers by name, in Alertmanager's words: team: {slack_configs: "
        "[{channel: '#ops', api_url: {secret: slack}}]}; {secret: NAME} is the value that "
        "pulumi config set --secret --path k3s:secrets.NAME gives",
    )
    route: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Alertmanager's route, such as {receiver: team, routes: […]}; one receiver "
        "alone is told of everything",
    )
    common: Mapping[str, Any] = Field(
        default_factory=dict,
        alias="global",
        description="Alertmanager's global, such as {smtp_smarthost: 'mail:587', smtp_from: …}",
    )


def problems(settings: Alertmanager, secrets: frozenset[str]) -> Iterator[Problem]:
    """Mistakes that no single field shows; `secrets` are the names of secret values."""
    yield from _routes(settings)
    parts = {f"receivers.{name}": receiver for name, receiver in settings.receivers.items()}
    for part, value in {**parts, "global": settings.common, "route": settings.route}.items():
        yield from secret_values.problems(f"{_KEY}.{part}", value, secrets)
        yield from _in_clear(f"{_KEY}.{part}", value)


def _routes(settings: Alertmanager) -> Iterator[Problem]:
    if not settings.receivers and (settings.route or settings.common):
        yield Problem(
            key=f"{_KEY}.receivers",
            given=None,
            why="a route leads to receivers",
            write="write receivers by name, or leave route and global out",
        )
        return
    if len(settings.receivers) > 1 and "receiver" not in settings.route:
        yield Problem(
            key=f"{_KEY}.route",
            given=f"receivers {', '.join(sorted(settings.receivers))}",
            why="nothing says which of them is told of what",
            write=f"write route: {{receiver: {min(settings.receivers)}, routes: […]}}",
        )
    for name in sorted(set(_receivers_of(settings.route)) - {*settings.receivers, NOBODY}):
        yield Problem(
            key=f"{_KEY}.route",
            given=name,
            why="there is no such receiver",
            write=f"write one of {', '.join(sorted({*settings.receivers, NOBODY}))}",
        )


def _receivers_of(route: Mapping[str, Any]) -> Iterator[str]:
    if "receiver" in route:
        yield str(route["receiver"])
    for inner in route.get("routes", ()):
        if isinstance(inner, Mapping):
            yield from _receivers_of(inner)


def _in_clear(key: str, value: Any, kind: str = "") -> Iterator[Problem]:
    """Passwords and the like that stand in the stack file for everybody to read."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _in_clear(key, inner, kind)
    if not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        secret = name in _CONFIDENTIAL or name == _CONFIDENTIAL_ADDRESS.get(kind)
        if secret and isinstance(inner, str):
            yield Problem(
                key=f"{key}.{name}",
                given="a value in clear",
                why="who reads the stack file could use it",
                write=f"write {name}: {{secret: NAME}}, and run "
                "pulumi config set --secret --path k3s:secrets.NAME",
            )
        else:
            yield from _in_clear(f"{key}.{name}", inner, name)


def configuration(settings: Alertmanager) -> dict[str, Any] | None:
    """The whole configuration, references to secret values in it; None without receivers."""
    if not settings.receivers:
        return None
    route = {
        "group_by": ["namespace", "alertname"],
        "receiver": next(iter(settings.receivers)),
        **settings.route,
    }
    return {
        "global": dict(settings.common),
        "route": {**route, "routes": [_SILENT, *route.get("routes", ())]},
        "inhibit_rules": _inhibitions(),
        "receivers": [
            {"name": NOBODY},
            *({**receiver, "name": name} for name, receiver in sorted(settings.receivers.items())),
        ],
    }


def _inhibitions() -> list[dict[str, Any]]:
    """What is told once is not told again in a milder word."""

    def hushed(by: str, those: str, *equal: str) -> dict[str, Any]:
        return {"source_matchers": [by], "target_matchers": [those], "equal": list(equal)}

    return [
        hushed("severity = critical", "severity =~ warning|info", "namespace", "alertname"),
        hushed("severity = warning", "severity = info", "namespace", "alertname"),
        hushed("alertname = InfoInhibitor", "severity = info", "namespace"),
    ]
