"""The Kubernetes API over HTTPS: requests, its errors, and which kinds there are.

API conventions: https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

import asyncio
import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from lab.plugins.kubernetes.kubeconfig import Access
from lab.plugins.kubernetes.memory import memory_file
from lab.plugins.refused import RefusedError

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
_REQUEST_SECONDS = 60
_CONNECT_SECONDS = 30
_ATTEMPTS = 10  # where the server itself says when to ask again, as client-go has it
_LONGEST_PAUSE = 10.0  # seconds
# asyncio's own are few on small machines, and a call that waits for a server holds one.
_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="api")


class ApiError(Exception):
    """The server's answer that is an error: its HTTP code, reason and words."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code, self.reason, self.details = code, reason, details
        self.retry_after: float | None = None

    @property
    def not_found(self) -> bool:
        return self.code == http.client.NOT_FOUND


class NoMatchError(Exception):
    """The server has no such kind."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


class UnreachableError(RefusedError):
    """The server does not answer, or is not the one that the kubeconfig tells of."""


@dataclass(frozen=True)
class Mapped:
    """A kind as the server has it: its plural name in paths, and whether it has namespaces."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "") -> str:
        """The path of all such objects, or of one."""
        root = f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"
        within = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{within}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Api:
    """A cluster's API. Every call is bounded and has a connection of its own."""

    def __init__(self, access: Access) -> None:
        self.access = access
        address = urlsplit(access.server)
        if address.scheme not in ("https", "http") or not address.hostname:
            raise UnreachableError(f"{access.server} is no URL of an API server")
        self._address, self._tls = address, _tls(access) if address.scheme == "https" else None
        self._kinds: dict[str, dict[str, Mapped]] = {}

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        media_type: str = "application/json",
        **query: str,
    ) -> Object:
        """The answer. Raises ``ApiError`` and ``UnreachableError``."""
        target = self._address.path + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        call = partial(self._call, method, target, data, media_type)
        loop = asyncio.get_running_loop()
        for _ in range(_ATTEMPTS - 1):
            try:
                return await loop.run_in_executor(_threads, call)
            except ApiError as error:
                if error.retry_after is None:
                    raise
                await asyncio.sleep(min(error.retry_after, _LONGEST_PAUSE))
        return await loop.run_in_executor(_threads, call)

    async def kind(self, api_version: str, kind: str, *, fresh: bool = False) -> Mapped:
        """How the server calls the kind. Raises ``NoMatchError``; that is asked anew each time."""
        known = {} if fresh else self._kinds.get(api_version, {})
        if kind not in known:
            known = self._kinds[api_version] = await self._discover(api_version)
        if kind not in known:
            raise NoMatchError(api_version, kind)
        return known[kind]

    async def _discover(self, api_version: str) -> dict[str, Mapped]:
        root = "apis" if "/" in api_version else "api"
        try:
            listed = await self.request("GET", f"/{root}/{api_version}")
        except ApiError as error:
            if error.not_found:
                return {}
            raise
        return {
            resource["kind"]: Mapped(api_version, resource["name"], resource["namespaced"])
            for resource in listed.get("resources") or ()
            if "/" not in resource["name"]
        }

    def _call(self, method: str, target: str, data: bytes | None, media_type: str) -> Object:
        headers = {"Accept": "application/json", "User-Agent": "lab-kubernetes-plugin"}
        if data is not None:
            headers["Content-Type"] = media_type
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(_REQUEST_SECONDS)
            connection.request(method, target, data, headers | _authorization(self.access))
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnreachableError(f"{self.access.server}: {reason}") from error
        finally:
            connection.close()
        try:
            return _answer(answer.status, answer.reason, text)
        except ApiError as error:
            pause = answer.headers.get("Retry-After") or ""
            error.retry_after = float(pause) if pause.isdigit() else None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
        return _Secure(host, port or 443, self._tls, self.access.server_name or host)


class _Secure(http.client.HTTPSConnection):
    """A connection that may expect another name of the server than the one in its URL."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(host, port, timeout=_CONNECT_SECONDS, context=context)
        self._tls, self._server_name = context, server_name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
        # As Go's own clients: certificates need not say who signed them beyond the signature.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate and access.key:
            pair = access.certificate + b"\n" + access.key
            with memory_file("client", pair) as (path, _):
                context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise UnreachableError(
            f"the kubeconfig's certificates cannot be used: {type(error).__name__}"
        ) from error
    return context


def _authorization(access: Access) -> dict[str, str]:
    if access.token:
        return {"Authorization": f"Bearer {access.token}"}
    if access.username:
        pair = f"{access.username}:{access.password or ''}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _answer(code: int, reason: str, text: bytes) -> Object:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = {"message": text.decode(errors="replace")}
    if code < http.client.BAD_REQUEST:
        return dict(answer)
    if not isinstance(answer, dict):
        answer = {"message": str(answer)}
    raise ApiError(
        code,
        answer.get("reason") or reason,
        answer.get("message") or f"{code} {reason}",
        answer.get("details") or {},
    )
