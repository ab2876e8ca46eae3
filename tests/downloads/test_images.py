"""`make images`, from a server that lists images as Canonical does."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from stacks import scalars
from tests.downloads.release_server import ReleaseServer
from tools import downloads, images, stackfile
from tools.https import DownloadError
from tools.messages import ToolError
from tools.stackfile import StackFile

PATH = "/query/noble/server/released.current.txt"
GP3, GP2 = "ebs-ssd-gp3", "ebs-ssd"
AMD64, ARM64 = "ami-0aaaaaaaaaaaaaaa1", "ami-0bbbbbbbbbbbbbbb2"
OTHER = "ami-0cccccccccccccc33"


def row(
    image: str,
    *,
    arch: str = "amd64",
    region: str = "eu-central-1",
    store: str = GP3,
    serial: str = "20261105",
    kind: str = "hvm",
) -> str:
    """A line of the list: the images for kernel and ramdisk are empty for HVM."""
    columns = ("noble", "server", "release", serial, store, arch, region, image, "", "", kind)
    return "\t".join(columns)


LISTED = (
    row(OTHER, region="us-east-1"),
    row(OTHER, store="instance-store"),
    row(OTHER, store=GP2),
    row(OTHER, kind="paravirtual"),
    row(AMD64),
    row(ARM64, arch="arm64"),
)


class Stacks:
    """Stack files in a folder of the test's own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setattr(stackfile, "load", self.load)

    def load(self, name: str) -> StackFile:
        path = self.folder / f"Pulumi.{name}.yaml"
        return stackfile.parse(name, path, path.read_text())

    def write(self, text: str) -> None:
        (self.folder / "Pulumi.prod.yaml").write_text(f"config:\n{text}")


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    return Stacks(tmp_path, monkeypatch)


@pytest.fixture
def listing(server: ReleaseServer) -> ReleaseServer:
    publish(server, LISTED)
    return server


def publish(server: ReleaseServer, rows: Iterable[str]) -> None:
    server.files[PATH] = "".join(f"{line}\n" for line in rows).encode()


def on_aws(region: str = "eu-central-1", groups: str = "server: {role: server, count: 3}") -> str:
    return (
        f"  k3s:platform: aws\n  k3s:groups: {{{groups}}}\n"
        f"  k3s:aws:\n    region: {region}\n    zones: [a]\n"
    )


@pytest.mark.usefixtures("listing")
def test_the_printed_line_is_pasted_as_it_is(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.write(on_aws())

    images.run("prod")

    printed, said = capsys.readouterr()
    pasted = scalars.load(f"config:\n{on_aws()}{printed}")
    assert pasted["config"]["k3s:aws"]["images"] == {"amd64": AMD64}
    assert "Ubuntu 24.04 LTS, eu-central-1, published 20261105" in said
    assert "in Pulumi.prod.yaml, under k3s:aws" in said


@pytest.mark.usefixtures("listing")
def test_there_is_an_image_for_each_architecture_in_use_on_aws(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.write(
        on_aws(
            groups="server: {role: server, count: 1}, agent: {role: agent, count: 1, arch: arm64}"
        )
    )

    images.run("prod")

    assert capsys.readouterr().out == f"    images: {{amd64: {AMD64}, arm64: {ARM64}}}\n"


@pytest.mark.usefixtures("listing")
def test_groups_on_other_platforms_ask_for_no_image_of_aws(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "agent: {role: agent, count: 1, arch: arm64, platform: digitalocean}"
    stacks.write(on_aws(groups=f"server: {{role: server, count: 1}}, {other}"))

    images.run("prod")

    assert capsys.readouterr().out == f"    images: {{amd64: {AMD64}}}\n"


@pytest.mark.usefixtures("listing")
def test_a_stack_that_has_the_newest_is_told_so(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.write(f"{on_aws()}    images: {{amd64: {AMD64}}}\n")

    images.run("prod")

    assert "Pulumi.prod.yaml has them already" in capsys.readouterr().err


def test_of_several_serials_the_newest_is_taken(
    server: ReleaseServer, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, [row(OTHER, serial="20261104.1"), row(AMD64), row(OTHER, serial="20260901")])
    stacks.write(on_aws())

    images.run("prod")

    assert AMD64 in capsys.readouterr().out


def test_a_root_on_gp2_will_do_where_there_is_no_other(
    server: ReleaseServer, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, [row(AMD64, store=GP2)])
    stacks.write(on_aws())

    images.run("prod")

    assert AMD64 in capsys.readouterr().out


def test_serials_of_one_day_are_counted(
    server: ReleaseServer, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(server, [row(OTHER, serial="20261105.9"), row(AMD64, serial="20261105.10")])
    stacks.write(on_aws())

    images.run("prod")

    assert AMD64 in capsys.readouterr().out


@pytest.mark.usefixtures("listing")
def test_an_unknown_region_is_answered_with_those_that_are_near(stacks: Stacks) -> None:
    stacks.write(on_aws(region="eu-centrall-1"))

    with pytest.raises(ToolError, match=r"eu-centrall-1 .* such as eu-central-1"):
        images.run("prod")


def test_an_architecture_without_an_image_is_named(server: ReleaseServer, stacks: Stacks) -> None:
    publish(server, [row(AMD64)])
    stacks.write(on_aws(groups="server: {role: server, count: 1, arch: arm64}"))

    with pytest.raises(ToolError, match="arch: arm64 — eu-central-1 has no image of it"):
        images.run("prod")


def test_a_stack_without_a_region_is_told_what_to_write(
    stacks: Stacks, listing: ReleaseServer
) -> None:
    stacks.write("  k3s:platform: aws\n")

    with pytest.raises(ToolError, match="write region:"):
        images.run("prod")
    assert listing.asked == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>\n<title>Log in</title>\n",
        row("ami-XYZ").encode(),
        row(AMD64).replace("\t", " ").encode(),
        "\n".join([row(AMD64), row(AMD64)[:-20]]).encode(),
    ],
    ids=["empty", "login page", "no image", "spaces", "cut off"],
)
def test_what_is_not_the_list_is_refused(
    server: ReleaseServer, stacks: Stacks, content: bytes
) -> None:
    server.files[PATH] = content
    stacks.write(on_aws())

    with pytest.raises(DownloadError, match="it is not Canonical's list of images"):
        images.run("prod")


def test_a_server_that_lacks_the_list_is_named(server: ReleaseServer, stacks: Stacks) -> None:
    stacks.write(on_aws())

    with pytest.raises(DownloadError, match=rf"{server.url(PATH)} — its server answers 404"):
        images.run("prod")


@pytest.mark.usefixtures("nobody")
def test_no_server_is_told_as_such(stacks: Stacks) -> None:
    stacks.write(on_aws())

    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached"):
        images.run("prod")


def test_plain_http_is_refused(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UBUNTU_IMAGES_URL", "http://mirror.test/query")
    stacks.write(on_aws())

    with pytest.raises(DownloadError, match="write https://"):
        images.run("prod")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  k3s:platform: digitalocean\n", "slugs such as ubuntu-24-04-x64 are names of images"),
        ("  k3s:platform: local\n", "there are no images to pin"),
    ],
)
def test_a_stack_without_aws_asks_nobody(
    listing: ReleaseServer,
    stacks: Stacks,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: str,
) -> None:
    stacks.write(text)

    images.run("prod")

    printed, said = capsys.readouterr()
    assert printed == ""
    assert words in said
    assert listing.asked == []


@pytest.mark.network
def test_the_real_list_has_images_for_both_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UBUNTU_IMAGES_URL", raising=False)
    url = f"{images.UBUNTU.official}/noble/server/released.current.txt"

    listed = images.parse(downloads.text(url), url)

    assert len(images.pick(listed, "eu-central-1", ["amd64", "arm64"])) == 2
