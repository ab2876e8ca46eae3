"""bcrypt from the system's libcrypt (libxcrypt), which every Debian and Ubuntu has."""

import base64
import ctypes
import secrets

from lab.plugins.refused import RefusedError

_COST = 10  # golang.org/x/crypto/bcrypt.DefaultCost
_BYTES = 72  # all that bcrypt looks at
_DATA_BYTES = 32768  # sizeof(struct crypt_data), fixed by libxcrypt's ABI
_STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def bcrypt_hash(password: str) -> str:
    """A hash "$2a$10$..." of the first 72 bytes. Raises ``RefusedError`` where libcrypt cannot."""
    try:
        library = ctypes.CDLL("libcrypt.so.1")
    except OSError as error:
        raise RefusedError(f"bcrypt needs libcrypt.so.1: {error} — install libcrypt1") from error
    salt = base64.b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    setting = f"$2a${_COST}$" + salt.translate(str.maketrans(_STANDARD, _BCRYPT))
    library.crypt_r.restype = ctypes.c_char_p
    library.crypt_r.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
    data = ctypes.create_string_buffer(_DATA_BYTES)
    hashed: bytes | None = library.crypt_r(password.encode()[:_BYTES], setting.encode(), data)
    if hashed is None or not hashed.startswith(b"$2a$"):
        raise RefusedError("libcrypt.so.1 gives no bcrypt hash — use a libcrypt from libxcrypt")
    return hashed.decode()
