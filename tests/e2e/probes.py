"""What somebody outside notices of a cluster: asked once a second, each question on its own."""

import base64
import http.client
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import yaml

# Whoever has no answer by then asks again: seconds.
_PATIENCE = 5


@dataclass(frozen=True)
class Asked:
    """One question: when it was sent and when it ended, seconds, and whether it was answered."""

    sent: float
    ended: float
    answered: bool


@dataclass
class Probe:
    """Questions to one place, once a second; `ask` raises OSError or HTTPException, or says no."""

    name: str
    ask: Callable[[int], bool]
    asked: list[Asked] = field(default_factory=list)

    def once(self, number: int) -> None:
        sent = monotonic()
        try:
            answered = self.ask(number)
        except (OSError, http.client.HTTPException):
            answered = False
        self.asked.append(Asked(sent, monotonic(), answered))

    def in_order(self) -> list[Asked]:
        return sorted(self.asked, key=lambda one: one.sent)

    def lost(self) -> int:
        return sum(not one.answered for one in self.asked)

    def longest_gap(self) -> float:
        """Seconds from an answer to the next one, in which nothing was answered."""
        answers = sorted(one.ended for one in self.asked if one.answered)
        return max((later - sooner for sooner, later in pairwise(answers)), default=float("inf"))

    def away(self) -> list[tuple[float, float]]:
        """From when to when it did not answer: from the first such question to the last's end."""
        spans: list[tuple[float, float]] = []
        missed: list[Asked] = []
        for one in [*self.in_order(), Asked(0, 0, True)]:
            if not one.answered:
                missed.append(one)
            elif missed:
                spans.append((missed[0].sent, max(m.ended for m in missed)))
                missed = []
        return spans


def overlaps(probes: Sequence[Probe]) -> list[str]:
    """Where two of them were away at one time."""
    spans = [(start, end, probe.name) for probe in probes for start, end in probe.away()]
    return [
        f"{one} and {other} for {min(end, until) - start:.1f} s"
        for (began, until, one), (start, end, other) in pairwise(sorted(spans))
        if one != other and start < until and began <= start
    ]


@contextmanager
def probing(probes: Sequence[Probe]) -> Iterator[None]:
    """Asks each once a second until the end, however long an answer takes."""
    ended = Event()
    with ThreadPoolExecutor(max_workers=8 * len(probes)) as pool:

        def run() -> None:
            began, asking = monotonic(), list[Future[None]]()
            for number in count():
                asking += [pool.submit(probe.once, number) for probe in probes]
                if ended.wait(max(0.0, began + number + 1 - monotonic())):
                    break
            for one in asking:
                one.result()

        clock = Thread(target=run)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()


class Api:
    """The API as the administrator of a kubeconfig asks it, on a new connection each time."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.host = cluster["server"].removeprefix("https://").rpartition(":")[0]
        self._context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        self._log_in(user)

    def _log_in(self, user: Mapping[str, Any]) -> None:
        # The ssl module reads them from files alone.
        with tempfile.NamedTemporaryFile() as file:
            for key in ("client-certificate-data", "client-key-data"):
                file.write(base64.b64decode(user[key]))
            file.flush()
            self._context.load_cert_chain(file.name)

    def answers(self, path: str, host: str | None = None) -> bool:
        connection = http.client.HTTPSConnection(
            host or self.host, 6443, timeout=_PATIENCE, context=self._context
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        finally:
            connection.close()


def serves(host: str, port: int) -> bool:
    """Whether a Service answers on a node's port."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    finally:
        connection.close()
