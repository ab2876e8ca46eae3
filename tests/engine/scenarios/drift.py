"""What was changed or taken away behind the stack's back."""

import pulumi
from pulumi import ResourceOptions as Options
from things import Thing

a = Thing("a", value="one", key="k", hidden=pulumi.Output.secret("a-secret-of-mine"))
b = Thing("b", value=a.value, key="k")
c = Thing("c", value=b.serial.apply(str), key="k", opts=Options(depends_on=[b]))
