"""Config: structured values, secrets of their own and within objects, defaults of the project."""

import pulumi
from things import Thing

config = pulumi.Config()
there = Thing("there", key="k", value=config.require("plain"), hidden=config.require_secret("pin"))
pulumi.export("count", config.require_int("count"))
pulumi.export("flag", config.require_bool("flag"))
pulumi.export("defaulted", config.require("defaulted"))
pulumi.export("groups", config.require_object("groups"))
pulumi.export("nested", config.require_secret_object("nested"))
pulumi.export("pin", config.require_secret("pin"))
pulumi.export("ratio", config.require_float("ratio"))
