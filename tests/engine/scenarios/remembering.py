"""A stack that reads what its own last `up` left: at once, and as a StackReference."""

import pulumi
from things import VARIANT, Thing

name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
left = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value
if VARIANT == "refusing":
    raise pulumi.RunError(f"the last up left {left['outputs']['ups']:.0f}")
pulumi.export("ups", left["outputs"].get("ups", 0) + 1)
pulumi.export("hidden", pulumi.Output.secret("a-secret-of-mine"))
pulumi.export("hidden were", left["secretOutputNames"])
if VARIANT == "failing":
    pulumi.export("ups", Thing("failing", value="1", key="k", fail="create").id)
if VARIANT == "referring":
    itself = pulumi.StackReference("itself", stack_name=name)
    pulumi.export("ups before", itself.outputs["ups"])
    pulumi.export("hidden before", itself.get_output("hidden"))
    pulumi.export("never", itself.get_output("never"))
    Thing("a", value=itself.require_output("hidden"), key="k")
