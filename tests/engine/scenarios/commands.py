"""Components of shell commands, with triggers, secrets and outputs that flow between them."""

import pulumi
from pulumi import ResourceOptions as Options
from pulumi_command import local
from things import DB, VARIANT


class Service(pulumi.ComponentResource):
    def __init__(self, name: str, text: str, trigger: int = 1, opts: Options | None = None):
        super().__init__("my:mod:Service", name, {}, opts)
        here = Options(parent=self)
        folder = f"{DB}/{name}"
        self.folder = local.Command(
            f"{name}-folder",
            create=f"mkdir -p {folder} && echo {folder}",
            delete=f"rmdir {folder}",
            opts=here,
        )
        self.file = local.Command(
            f"{name}-file",
            create=self.folder.stdout.apply(lambda d: f"echo '{text}' > {d}/f; echo {d}/f"),
            delete=self.folder.stdout.apply(lambda d: f"rm -f {d}/f"),
            triggers=[trigger],
            opts=here,
        )
        self.register_outputs({"path": self.file.stdout})


a = Service("a", "one" if VARIANT == "first" else "two", trigger=2 if VARIANT == "triggered" else 1)
if VARIANT != "fewer":
    b = Service("b", "bee", opts=Options(depends_on=[a]))
total = local.Command(
    "sum",
    create=pulumi.Output.concat("cat ", a.file.stdout),
    environment={"X": pulumi.Output.secret("a-secret-of-mine")},
)
pulumi.export("sum", total.stdout)
pulumi.export("hidden", pulumi.Output.secret("hush-hush"))
