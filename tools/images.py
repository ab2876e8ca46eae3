"""`make images`: the newest machine images of Ubuntu 24.04 LTS, to pin in a stack file.

A stack never asks for the newest by itself: then two machines of a group could differ, and a
preview would depend on the day. Images are published by Canonical, and listed without credentials.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools import downloads, stackfile
from tools.https import DownloadError
from tools.messages import ToolError, say
from tools.releases import Source
from tools.stackfile import StackFile

UBUNTU = Source("https://cloud-images.ubuntu.com/query", "UBUNTU_IMAGES_URL")
RELEASE = "noble"  # Ubuntu 24.04 LTS
_LIST = f"{RELEASE}/server/released.current.txt"
# The list's columns, by tabs: suite, stream, label, serial, root store, architecture, region,
# image, kernel image, ramdisk, virtualization.
_COLUMNS = 11
_IMAGE = re.compile(r"ami-[0-9a-f]{8}(?:[0-9a-f]{9})?")
# Root volumes of type gp3 come first; the older images are on gp2.
_STORES = ("ebs-ssd-gp3", "ebs-ssd")


@dataclass(frozen=True)
class Image:
    """A machine image of one region and architecture; `serial` is its date, such as 20261105."""

    serial: str
    store: str
    arch: str
    region: str
    id: str

    @property
    def age(self) -> list[int]:
        """The serial as it counts: 20261105.10 comes after 20261105.9."""
        return [int(number) for number in re.findall(r"\d+", self.serial)]


def run(name: str) -> None:
    """Prints the newest images to pin, as a line for the stack file."""
    stack = stackfile.load(name)
    if "aws" not in stack.platforms:
        say(_nothing_to_pin(stack))
        return
    region, architectures = _region(stack), architectures_on_aws(stack)
    newest = pick(_listed(), region, architectures)
    serials = ", ".join(sorted({image.serial for image in newest}))
    say(f"Ubuntu 24.04 LTS, {region}, published {serials}")
    say(_where_to_put_it(stack, newest))
    print(f"    images: {{{', '.join(f'{image.arch}: {image.id}' for image in newest)}}}")


def architectures_on_aws(stack: StackFile) -> list[str]:
    """The architectures of the stack's groups on AWS, sorted; amd64 where a group says nothing."""
    default = stack.platforms[0]
    return sorted(
        {
            str(group.get("arch", "amd64"))
            for group in stack.groups.values()
            if (group.get("platform") or default) == "aws"
        }
    )


def parse(text: str, source: str) -> list[Image]:
    """The images in the list that a stack can boot from (HVM, root on EBS). Raises DownloadError.

    https://help.ubuntu.com/community/UEC/Images tells where the list is.
    """
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    wrong = [row for row in rows if len(row) != _COLUMNS or not _IMAGE.fullmatch(row[7])]
    if not rows or wrong:
        shown = "\t".join(wrong[0])[:80] if wrong else "nothing"
        raise DownloadError(
            source,
            f"it is not Canonical's list of images: it has {shown!r}",
            "check the address; a proxy's or a login page may have answered in its place",
        )
    return [
        Image(serial=row[3], store=row[4], arch=row[5], region=row[6], id=row[7])
        for row in rows
        if row[10] == "hvm" and row[4] in _STORES
    ]


def pick(images: Sequence[Image], region: str, architectures: Iterable[str]) -> list[Image]:
    """The newest image for each architecture. Raises ToolError when the region has none."""
    there = [image for image in images if image.region == region]
    if not there:
        regions = sorted({image.region for image in images})
        close = difflib.get_close_matches(region, regions, n=3) or regions
        raise ToolError(
            f"aws.region: {region}",
            "Canonical publishes no image there",
            f"write a region such as {', '.join(close)}",
        )
    return [_newest(there, arch) for arch in architectures]


def _newest(images: Sequence[Image], arch: str) -> Image:
    for store in _STORES:
        if found := [image for image in images if (image.arch, image.store) == (arch, store)]:
            return max(found, key=lambda image: image.age)
    known = ", ".join(sorted({image.arch for image in images}))
    raise ToolError(
        f"arch: {arch}", f"{images[0].region} has no image of it", f"write one of {known}"
    )


def _listed() -> list[Image]:
    url = f"{UBUNTU.base}/{_LIST}"
    return parse(downloads.text(url), url)


def _region(stack: StackFile) -> str:
    region = stack.object("aws").get("region")
    if not isinstance(region, str):
        raise ToolError(
            f"{stack.path.name} without k3s:aws.region",
            "images differ by region",
            "write region: and one such as eu-central-1 under k3s:aws",
        )
    return region


def _where_to_put_it(stack: StackFile, newest: Sequence[Image]) -> str:
    pinned = stack.object("aws").get("images")
    if not isinstance(pinned, Mapping) or dict(pinned) != {i.arch: i.id for i in newest}:
        return f"in {stack.path.name}, under k3s:aws (machines that are there keep their image):"
    return f"{stack.path.name} has them already:"


def _nothing_to_pin(stack: StackFile) -> str:
    if "digitalocean" not in stack.platforms:
        return f"stack {stack.name} on {stack.platform}: there are no images to pin"
    image = stack.object("digitalocean").get("image", "ubuntu-24-04-x64")
    return (
        f"stack {stack.name} on {stack.platform}: nothing to pin, DigitalOcean's slugs such as "
        f"{image} are names of images already"
    )
