"""Assets and archives: a changed file behind the same path is a change."""

from pathlib import Path

import pulumi
from things import DB, VARIANT, Thing

CONTENT = {"first": "one", "touched": "one"}.get(VARIANT, "two")

Path("note.txt").write_text(CONTENT)
folder = Path(DB) / "folder"
(folder / "sub" / "deep").mkdir(parents=True, exist_ok=True)
(folder / "b.txt").write_text("b")
(folder / "sub" / "deep" / "c.txt").write_text(CONTENT if VARIANT == "deep" else "one")
(folder / ("n" * 120)).write_text("a name too long for a plain tar header")
(folder / "größe.txt").write_text("a name that is not ASCII")

relative = Thing("relative", key="k", source=pulumi.FileAsset("note.txt"))
absolute = Thing("absolute", key="k", source=pulumi.FileAsset(str(Path("note.txt").resolve())))
text = Thing("text", key="k", source=pulumi.StringAsset(f"{CONTENT}, as text"))
packed = Thing("packed", key="k", source=pulumi.FileArchive(str(folder)))
composed = Thing(
    "composed",
    key="k",
    source=pulumi.AssetArchive(
        {"x.txt": pulumi.StringAsset(CONTENT), "more": pulumi.FileArchive(str(folder))}
    ),
)
hidden = Thing("hidden", key="k", source=pulumi.Output.secret(pulumi.FileAsset("note.txt")))
