"""Redis as we need it: one script, one exchange, on a connection that each thread keeps.

redis-py speaks the protocol (TLS, passwords, parsing); what is left out is its pool and its retries, which cost more than the
exchange itself. Redis is speed, never truth: whoever uses this must be able to go on without it.
"""

import hashlib
import os
import re
import socket
import struct
import threading
import time
from typing import Any

import structlog
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_RUN = re.compile(rb"^run_id:([0-9a-f]+)\r?$", re.MULTILINE)
REST_SECONDS = 1.0
"""After a failure nobody tries again for so long, so that a Redis that hangs costs one time-out a second and not one a request."""


class RedisAway(Exception):
    """Redis cannot be used just now."""


class Script:
    """A Lua script, known by the digest under which Redis keeps it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


_CHECK = Script("return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])")
_CHECK_LIVES_MS = 10_000


def connection_options(settings: Settings) -> dict[str, Any]:
    """How every connection to Redis is made. Without redis-py's own retries: they would multiply the time-out by four."""
    options: dict[str, Any] = {
        "socket_timeout": settings.redis_timeout_seconds,
        "socket_connect_timeout": settings.redis_timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.redis_ca_file:
        options["ssl_ca_certs"] = settings.redis_ca_file
    return options


class RedisStore:
    """Runs scripts. Safe for threads and for processes that fork."""

    def __init__(self, settings: Settings) -> None:
        self._pool = ConnectionPool.from_url(settings.redis_url, **connection_options(settings))
        self._mine = threading.local()
        self._away_until = 0.0
        self._failed_at = float("-inf")
        self.is_away = False
        """Whether this process has asked in vain, and not been answered since."""

    def run(self, script: Script, keys: tuple[str, ...], args: tuple[Any, ...], *, insist: bool = False) -> Any:
        """The script's answer. Raises `RedisAway`, at once while Redis rests, unless `insist` says that trying matters."""
        asked_at = time.monotonic()
        if not insist and asked_at < self._away_until:
            raise RedisAway
        try:
            answer = self._run(script, keys, args)
        except (RedisError, OSError) as error:
            self._failed_at = time.monotonic()
            self._away_until = self._failed_at + REST_SECONDS
            self.is_away = True
            _log.warning("redis.away", reason=type(error).__name__)
            raise RedisAway from error
        # An answer to somebody who asked before another asked in vain says nothing about now.
        if self.is_away and asked_at > self._failed_at:
            self.is_away = False
            self._away_until = 0.0
        return answer

    def check(self) -> None:
        """One exchange of the kind that requests need: a script that writes. Raises `RedisAway`, whether Redis rests or not."""
        self.run(_CHECK, ("secureapi:check",), (_CHECK_LIVES_MS,), insist=True)

    def ping(self) -> None:
        """One exchange. Raises `RedisAway`, whether Redis rests or not."""
        try:
            with Redis(connection_pool=self._pool) as client:
                client.ping()
        except (RedisError, OSError) as error:
            raise RedisAway from error

    @property
    def server(self) -> str:
        """Which run of which server gave this thread its last answer; empty where the server does not say.

        One that was restarted, or that has taken over, may lack what was written last.
        """
        return getattr(self._mine, "server", "")

    def has_failed_within(self, seconds: float) -> bool:
        """Whether this process could not use Redis at some moment of the last so many seconds, and may have missed something."""
        return time.monotonic() < self._failed_at + seconds

    def _run(self, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]) -> Any:
        kept = getattr(self._mine, "connection", None)
        if kept is not None and self._mine.process == os.getpid():
            try:
                return self._exchange(kept, script, keys, args)
            except Gone as error:
                self._forget(kept)
                if isinstance(error.__context__, BlockingIOError):
                    # It did not answer in time. Another one would not either.
                    raise
                # The server was restarted, or closed an idle connection: a fresh one deserves one try.
            except BaseException:
                # Broken off between question and answer: the next question must not get this one's answer.
                self._forget(kept)
                raise
        fresh = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            fresh.connect()
            _leave_the_time_to_the_kernel(fresh, self._pool.connection_kwargs["socket_timeout"])
            self._mine.server = _run_of(fresh)
            answer = self._exchange(fresh, script, keys, args)
        except BaseException:
            fresh.disconnect()
            raise
        self._mine.connection, self._mine.process = fresh, os.getpid()
        return answer

    def _forget(self, connection: AbstractConnection) -> None:
        connection.disconnect()  # type: ignore[no-untyped-call]
        self._mine.connection = None

    def _exchange(self, connection: AbstractConnection, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]) -> Any:
        try:
            connection.send_command("EVALSHA", script.digest, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
            return connection.read_response()
        except NoScriptError:
            connection.send_command("EVAL", script.source, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
            return connection.read_response()


def _leave_the_time_to_the_kernel(connection: AbstractConnection, seconds: float) -> None:
    """Wait on the socket itself, with the kernel's own time-out. Python's would ask before each piece whether there is something to
    read, and let go of the interpreter twice instead of once. Encrypted connections are left as they are: theirs would wait for ever.
    """
    raw = connection._get_socket()  # noqa: SLF001 - there is no other way to it
    if type(raw) is not socket.socket:
        return
    span = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
    raw.settimeout(None)


def _run_of(connection: AbstractConnection) -> str:
    """The random id that a server gives itself at each start. Asked once a connection."""
    connection.send_command("INFO", "server")  # type: ignore[no-untyped-call]
    try:
        told: bytes = connection.read_response()
    except ResponseError as error:
        # Not allowed, or not known to what stands there. It serves; only copies of callers are not believed.
        _log.warning("redis.unidentified", reason=type(error).__name__)
        return ""
    found = _RUN.search(told)
    if found is None:
        _log.warning("redis.unidentified", reason="no run_id")
    return found[1].decode() if found else ""
