"""A thing that is made anew each time it is newly asked for, and not while that stands there.

The way of components/replacing.py, failures in between included.
"""

from pulumi import ResourceOptions as Options
from pulumi_random import RandomId
from things import VARIANT, Thing

asked = VARIANT.startswith("asked")
failing = {"fail": "create"} if VARIANT.endswith("failing") else {}
request = RandomId("request", byte_length=8, keepers={"asked": "yes" if asked else "no"})
generation = RandomId(
    "generation",
    byte_length=8,
    keepers={"request": request.hex},
    opts=Options(ignore_changes=None if asked else ["keepers"]),
)
machine = Thing(
    "machine",
    value="1",
    key="k",
    **failing,
    opts=Options(delete_before_replace=True, replacement_trigger=generation.hex),
)
step = Thing("step", value=machine.id, key="k", opts=Options(delete_before_replace=True))
