"""Tar headers byte for byte as Go's ``archive/tar`` writes them.

The hash of an archive is the SHA-256 of the tar that the official CLI makes of it, so a header
that differs in one byte makes each engine see a change that is none. Python's tarfile leaves
the device numbers of plain files empty and splits long names elsewhere.
Source: ``archive/tar/writer.go`` and ``format.go`` of Go's standard library.
"""

from lab.engine.errors import refuse

BLOCK = 512
_NAME, _PREFIX = 100, 155
_LARGEST = 8 << 30
_MODE = 0o600
_FILE, _EXTENDED = b"0", b"x"
_USTAR = b"ustar\x0000"


def header(name: str, size: int) -> bytes:
    """What stands before a file's content; ``size`` in bytes. Names that USTAR cannot hold get
    a PAX record before it.
    """
    if size >= _LARGEST:
        raise refuse(f"{name}: {size} bytes in an archive", "keep its files below 8 GiB")
    if name.isascii():
        if len(name) <= _NAME:
            return _block(name, size, _FILE, _MODE, devices=True)
        prefix, rest = _split(name)
        if prefix:
            return _block(rest, size, _FILE, _MODE, devices=True, prefix=prefix)
    return _extended(name) + _block(_ascii(name), size, _FILE, _MODE, devices=True)


def padding(size: int) -> bytes:
    """What follows a content of ``size`` bytes."""
    return b"\0" * (-size % BLOCK)


def _split(name: str) -> tuple[str, str]:
    """Prefix and name, parted at the last slash that leaves both short enough; else empty."""
    slash = name[: _PREFIX + 1].rfind("/")
    rest = name[slash + 1 :]
    fits = slash > 0 and 0 < len(rest) <= _NAME
    return (name[:slash], rest) if fits else ("", "")


def _extended(name: str) -> bytes:
    """A PAX header with the record ``path``."""
    folder, _, file = name.rpartition("/")
    own = f"{folder}/PaxHeaders.0/{file}".lstrip("/")
    record = _record("path", name)
    shown = _ascii(own)[:_NAME].rstrip("/")
    return _block(shown, len(record), _EXTENDED, 0) + record + padding(len(record))


def _record(key: str, value: str) -> bytes:
    """``<length of the whole record> key=value`` and a newline."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _block(
    name: str, size: int, kind: bytes, mode: int, *, devices: bool = False, prefix: str = ""
) -> bytes:
    """One header: no owner, no time."""
    fields = [
        _text(name),
        _octal(mode, 8),
        _octal(0, 8) * 2,  # owner and group
        _octal(size, 12),
        _octal(0, 12),  # time
        b" " * 8,  # the checksum, counted as blanks
        kind,
        b"\0" * _NAME,  # no link
        _USTAR,
        b"\0" * 64,  # no names of owner and group
        _octal(0, 8) * 2 if devices else b"\0" * 16,
        prefix.encode().ljust(_PREFIX, b"\0"),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _text(name: str) -> bytes:
    """The name, cut off where it is too long, yet never at a slash: that would be a folder."""
    field = name.encode()[:_NAME]
    if len(name) > _NAME and field.endswith(b"/"):
        field = field.rstrip(b"/")
    return field.ljust(_NAME, b"\0")


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _ascii(name: str) -> str:
    return "".join(c for c in name if c.isascii() and c != "\0")
