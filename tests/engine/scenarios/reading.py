"""Reads, imports and provider functions."""

import json
from pathlib import Path

import pulumi
from pulumi import ResourceOptions as Options
from things import DB, VARIANT, Thing, lookup, read_thing

FOREIGN = Path(DB) / "foreign-1.json"

a = Thing("a", value="one", key="k")
if VARIANT == "reading":
    g = read_thing("g", "a-1")
    h = Thing("h", value=g.value, key="k")
    through_output = read_thing("through-output", a.id)
if VARIANT == "owning":
    g = Thing("g", value="mine", key="k")
if VARIANT.startswith("importing"):
    there = {"value": "e", "key": "k", "color": "blue", "label": "zz"}
    FOREIGN.write_text(json.dumps(there))
    imported = Thing("im", value="e", key="k", label="zz", opts=Options(import_="foreign-1"))
pulumi.export("at once", lookup("y")["echo"])
pulumi.export("later", a.id.apply(lambda id_: lookup(id_)["echo"]))
