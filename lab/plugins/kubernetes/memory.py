"""Files that are in memory alone, for secrets that other programs want from a path."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(name: str, data: bytes) -> Iterator[tuple[str, int]]:
    """(path, descriptor) of a file that nobody else can open and that ends with the block.

    The path holds in this process, and in a child that is given the descriptor.
    """
    descriptor = os.memfd_create(name, 0)
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}", descriptor
    finally:
        os.close(descriptor)
