"""The kubeconfig: read from a server, made usable from outside."""

import pulumi
import yaml

from components.k3s.step import Step
from components.platforms.machine import Machine


def read(
    cluster: str, server: Machine, endpoint: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """The administrator's kubeconfig (secret), for `https://<endpoint>:6443`, context `cluster`."""
    command = Step("kubeconfig", seconds=60, secret_output=True).on(
        f"{cluster}-kubeconfig", server, subject=server.name, variables={}, opts=opts
    )
    return pulumi.Output.secret(
        pulumi.Output.all(text=command.stdout, endpoint=endpoint).apply(
            lambda known: rewritten(known["text"], f"https://{known['endpoint']}:6443", cluster)
        )
    )


def rewritten(text: str, server: str, context: str) -> str:
    """k3s's own kubeconfig with another server address, everything in it named `context`.

    k3s calls its cluster, user and context `default`, so two of its files cannot be merged.
    """
    config = yaml.safe_load(text)
    (cluster,), (user,), (old,) = config["clusters"], config["users"], config["contexts"]
    cluster["name"] = user["name"] = old["name"] = context
    cluster["cluster"]["server"] = server
    old["context"].update(cluster=context, user=context)
    config["current-context"] = context
    return yaml.safe_dump(config, sort_keys=False)
