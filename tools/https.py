"""One HTTPS request: bounded, never over plain HTTP, its failures said in plain words."""

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

from tools.messages import ToolError

ANSWER_SECONDS = 30.0  # longest silence of a server
PROBE_SECONDS = 5.0  # longest wait to learn whether a server is there


class DownloadError(ToolError):
    """A download that cannot be had; `unreachable` when no server answered."""

    def __init__(self, given: str, why: str, write: str, *, unreachable: bool = False) -> None:
        super().__init__(given, why, write)
        self.why = why
        self.unreachable = unreachable


def open_url(url: str, seconds: float = ANSWER_SECONDS) -> http.client.HTTPResponse:
    """The answer of `url`, each silence of its server bounded. Raises DownloadError."""
    _refuse_plain(url)
    request = urllib.request.Request(url, headers={"User-Agent": "k3s-pulumi"})  # noqa: S310
    try:
        response: http.client.HTTPResponse = _opener.open(request, timeout=seconds)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(
            url,
            f"its server answers {error.code} {error.reason}",
            "check the version, or the mirror's layout",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            url,
            _no_answer(urlsplit(url).hostname or url, error),
            "connect this machine, set https_proxy, or name a mirror",
            unreachable=True,
        ) from error
    return response


def unreachable(url: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Why `url` cannot be had, or None when its server gives it. Takes at most `seconds`."""
    answer: list[str | None] = []

    def probe() -> None:
        try:
            with open_url(url, seconds):
                answer.append(None)
        except DownloadError as error:
            answer.append(error.why)

    # A thread, as name resolution has no time limit of its own.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else f"no answer within {seconds:g} s"


def _no_answer(host: str, error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return f"{host} cannot be reached: its name is not known here"
    if isinstance(reason, TimeoutError):
        return f"{host} cannot be reached: no answer"
    return f"{host} cannot be reached: {reason}"


def _refuse_plain(url: str) -> None:
    """Only HTTPS; plain HTTP stays on this machine, where nobody stands in between."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or "")):
        return
    raise DownloadError(url, "what comes over it could be changed on its way", "write https://")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where a download may go."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        _refuse_plain(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


_opener = urllib.request.build_opener(_SafeRedirects)
