"""Figures for Prometheus: what all workers of this host have counted together, and what the outbox has in it at this moment.

Without METRICS_TOKEN nobody could read them, so that nothing is counted. No label ever comes from a client.

They are kept in files, and files can go: a folder that is cleaned up, a memory that is full. No figure is worth an answer, so that
whatever goes wrong with them costs nothing but the figures.
"""

import hmac
import os
import threading
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from secureapi.core.backlog import Backlog
from secureapi.core.errors import Unavailable
from secureapi.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one server keep what they have counted: `gunicorn.conf.py` makes it."""

_log = structlog.get_logger(__name__)
_FILES = ("counter", "gauge_livemin")
"""The library's files for what `_Figures` has, by the first words of their names."""
_FILE_BYTES = 65_536
"""As large as the library makes them, which is several times what all labels take."""


class KeptIn(StrEnum):
    """Where a limit is counted while Redis is away."""

    DATABASE = "database"
    PROCESS = "process"


class Metrics:
    """The figures of one application."""

    def __init__(self, settings: Settings, *, backlog: Callable[[], Backlog]) -> None:
        """`backlog` asks the outbox. Raises `Unavailable`."""
        self._token = settings.metrics_token.encode()
        self._backlog = backlog
        self._lock = threading.Lock()
        self._made: _Figures | None = None
        self._are_lost = False
        """Whether this process has given them up."""

    @property
    def is_on(self) -> bool:
        """Whether anybody may read them."""
        return bool(self._token)

    def is_opened_by(self, authorization: str) -> bool:
        """Whether this Authorization header has the token in it."""
        scheme, _, token = authorization.partition(" ")
        return self.is_on and scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._token)

    def begin_process(self) -> None:
        """Be called in each process when it begins: what it has not said yet would be taken for a zero."""
        self._are_lost = False
        if self.is_on and FOLDER in os.environ:
            try:
                _take_memory(Path(os.environ[FOLDER]))
            except OSError as error:
                self._lose(error)
        self.limits_are(shared=True)

    def end_process(self, pid: int) -> None:
        """Be called when a process has ended: the figures that say how it is are true no more."""
        if self.is_on and FOLDER in os.environ:
            from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see `_Figures`

            try:
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
            except OSError as error:
                _log.warning("metrics.left", reason=type(error).__name__)

    def limits_are(self, *, shared: bool) -> None:
        self._write(lambda figures: figures.shared.set(1 if shared else 0))

    def count_refusal(self, limit: str) -> None:
        self._write(lambda figures: figures.refusal(limit).inc())

    def count_without_redis(self, limit: str, kept_in: KeptIn) -> None:
        self._write(lambda figures: figures.without_redis(limit, kept_in.value).inc())

    def text(self) -> bytes:
        """All of them in Prometheus' text format. Raises `Unavailable` where they cannot be read, or this process counts no more."""
        figures = self._figures
        if figures is None:
            raise Unavailable
        try:
            return figures.text()
        except Exception as error:  # noqa: BLE001 - see `_write`
            _log.warning("metrics.unreadable", reason=type(error).__name__)
            raise Unavailable from None

    def _write(self, change: Callable[["_Figures"], object]) -> None:
        try:
            if figures := self._figures:
                change(figures)
        except Exception as error:  # noqa: BLE001 - a file that is gone or damaged comes out of the library as whatever it stumbled over
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self._are_lost, self._made = True, None
        _log.error("metrics.lost", reason=type(error).__name__)

    @property
    def _figures(self) -> "_Figures | None":
        """Made when somebody first counts: no command has to wait for the library, which takes a tenth of a second to import."""
        if not self._token or self._made or self._are_lost:
            return self._made
        with self._lock:
            self._made = self._made or _Figures(self._backlog)
        return self._made


def _take_memory(folder: Path) -> None:
    """Have the files of this process full-size before the library maps them. Raises `OSError` where there is no room.

    It makes them sparse. Where the memory they are in is full, the first figure written then ends the process by a signal (SIGBUS),
    and that of every worker that comes after it.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    for name in _FILES:
        path = folder / f"{name}_{os.getpid()}.db"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, _FILE_BYTES)
        except OSError:
            # Half a file would be read as a damaged one.
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)


class _Figures:
    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        # When it is imported, it decides by its environment whether several processes keep their figures together.
        from prometheus_client import CollectorRegistry, Counter, Gauge  # noqa: PLC0415 - see above

        self._own: Any = CollectorRegistry(auto_describe=False)
        self._outbox = _OutboxCollector(backlog)
        self.shared = Gauge(
            "secureapi_limits_shared",
            "1 while limits are counted where every worker counts, 0 as soon as one worker has found Redis away.",
            registry=self._own,
            multiprocess_mode="livemin",
        )
        refusals = Counter("secureapi_limit_refusals", "Requests refused by a named limit.", ["limit"], registry=self._own)
        without_redis = Counter(
            "secureapi_limits_fallback",
            "Requests counted without Redis, by limit and by where they were counted.",
            ["limit", "kept_in"],
            registry=self._own,
        )
        # Looking a label up takes longer than counting.
        self.refusal, self.without_redis = cache(refusals.labels), cache(without_redis.labels)
        self.shared.set(1)

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - imported by now
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - likewise

        counted = self._own
        if FOLDER in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        asked = CollectorRegistry(auto_describe=False)
        asked.register(self._outbox)
        return generate_latest(counted) + generate_latest(asked)


class _OutboxCollector:
    """Asked at each look, and of the database, so that every worker of every host says the same."""

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - likewise

        try:
            found = self._backlog()
        except Unavailable:
            # What is not known is left out: a zero would be a lie, and the other figures are wanted now more than ever.
            return
        yield GaugeMetricFamily("secureapi_outbox_dead", "Messages that nobody tries to deliver any more.", value=found.dead)
        yield GaugeMetricFamily("secureapi_outbox_waiting", "Messages that wait to be delivered.", value=found.waiting)
