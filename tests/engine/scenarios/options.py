"""ignoreChanges, replaceOnChanges, protect, retainOnDelete, deletedWith, replaceWith and more."""

import pulumi
from pulumi import ResourceOptions as Options
from things import VARIANT, Component, Thing

CHANGED = VARIANT != "first"

ignoring = Thing(
    "ignoring",
    value="b" if CHANGED else "a",
    key="k2" if CHANGED else "k",
    nest={"x": "2" if CHANGED else "1", "y": [1, 2 if CHANGED else 1]},
    opts=Options(ignore_changes=["value", "key", "nest.x", "nest.y[1]"]),
)
if VARIANT not in ("first", "ignored"):
    on_changes = Thing(
        "on-changes",
        value="z" if VARIANT == "added" else "zz",
        key="k",
        nest={"p": "q"},
        opts=Options(replace_on_changes=["value", "nest.p"]),
    )
protected = Thing(
    "protected",
    value="1",
    key="other" if VARIANT == "replace protected" else "k",
    opts=Options(protect=VARIANT not in ("unprotected", "free")),
)
if VARIANT not in ("drop protected", "dropped", "unprotected"):
    freed = VARIANT in ("freed", "host replaced", "free")
    also = Thing("also-protected", value="1", key="k", opts=Options(protect=not freed))
if VARIANT not in ("dropped", "unprotected"):
    retained = Thing("retained", value="1", key="k", opts=Options(retain_on_delete=True))
    host = Thing("host", value="1", key="k9" if VARIANT == "host replaced" else "k")
    if VARIANT != "host replaced":
        guest = Thing("guest", value="1", key="k", opts=Options(deleted_with=host))
    twin = Thing("twin", value="1", key="k", opts=Options(replace_with=[host]))
hiding = Thing(
    "hiding",
    value="plain",
    key="k",
    opts=Options(
        additional_secret_outputs=["color"],
        custom_timeouts=pulumi.CustomTimeouts(create="2m", delete="1h30m"),
    ),
)
parent = Component("parent", opts=Options(protect=False))
child = Thing(
    "child", value=hiding.color, key="k", opts=Options(parent=parent, delete_before_replace=True)
)
trigger = Thing(
    "trigger",
    value="1",
    key="k",
    opts=Options(replacement_trigger="two" if VARIANT == "added" else "one"),
)
pulumi.export("hiding", hiding.color)
pulumi.export("object", {"a": [hiding.token, 1, True, None, 1.5], "r": hiding})
