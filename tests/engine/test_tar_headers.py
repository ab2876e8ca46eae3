"""Headers as Go writes them: the digests are those of tars that Go's ``archive/tar`` made."""

import hashlib

import pytest

from lab.engine.errors import EngineError
from lab.engine.tar_headers import BLOCK, header, padding

CONTENT = b"abc"
DIGESTS = {
    "a": "48f2b4dade570a01caa22c48ef0ed01eb8c9a2a205997113259730c54d9230f5",
    "d/b": "82c7887acabadf195b865a07151370680b7edce820522caf5f29daf2e467d76e",
    "x" * 100: "253e0075ae961c11f795a636b080926ae8c9512ad438f1be0ad7ce82aab3d6a0",
    "x" * 101: "273fd436e4203a1087b14c7989fd1a42d95482d81fe943db0e758e541c1d0c02",
    "d/" * 60 + "f": "796e422a5f4ddc21d40e5d37549839d1db861c72d51f8cecf200efde7063f2e5",
    f"p/{'q' * 99}/{'r' * 60}": "d00b70ca700a0b15bc9b824b3ba743ae856d14141cbf28244c7c68748307406f",
    "ab/" * 90 + "f": "99d0934a5d4ec2217a62e9125f54155f033d764d006d771732d8f4791e814682",
    "dir/é/ü.txt": "a3759ef96b1a3fab286eefeeea605e76b238f7eea1007bcff67e92ca3dfbe1f1",
    "é" * 60: "b4a2f88b13fb6a985455e1b44e7198376d069e2a4bcf1dbf28aaf75f10eb19f6",
    f"{'s' * 155}/{'t' * 100}": "c26a4507f460cc8a1652e4374023e72810e4a6aa05db727c675879aade18e2d6",
    "n" * 300: "1765df7a99510b60bb3cba402fd4cdf3541f5d2213f6b2180f65474bdb0565b6",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_tar_is_byte_for_byte_what_go_writes(name: str) -> None:
    tar = header(name, len(CONTENT)) + CONTENT + padding(len(CONTENT)) + bytes(2 * BLOCK)
    assert hashlib.sha256(tar).hexdigest() == DIGESTS[name]


def test_a_file_too_large_for_a_header_is_refused() -> None:
    with pytest.raises(EngineError, match="below 8 GiB"):
        header("disk.img", 8 << 30)
