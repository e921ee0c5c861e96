"""Starting servers for a test run so that none of them outlives it, and none runs as root where it refuses to."""

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 30.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class ServiceMissing(RuntimeError):
    """A service that the tests need is not here. The message says what to do."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged_user() -> str | None:
    """As whom to run a server: nobody else than ourselves, unless we are root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    return None


class Server:
    """One server process and its children: started, paused, resumed, stopped. It dies with the thread that started it."""

    def __init__(self, command: list[str], *, log: Path, is_up: Callable[[], bool], user: str | None = None, **options: object) -> None:
        self._command = command
        self._log = log
        self._is_up = is_up
        self._user = user
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it answers."""
        as_user = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []} if self._user else {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one C call, no locks
                **as_user,
                **self._options,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start:\n{self.log()[-4000:]}")
            time.sleep(0.02)

    def stop(self, with_signal: int = signal.SIGINT) -> int | None:
        """Stop it, gently first; its exit status. Does nothing when it does not run."""
        if self._process is None:
            return None
        if self._process.poll() is not None:
            return self._process.returncode
        self.resume()
        for attempt in (with_signal, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(attempt)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout=PATIENCE_SECONDS)
        return None

    def kill(self) -> None:
        """End it and its children without a word. For one that is not needed any more: a graceful stop waits for a second or more."""
        if self.is_running:
            self.pause()
            for pid in [*children_of(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.wait()

    def pause(self) -> None:
        """Let it hang: connections stay open, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)
        # Looked up once the parent stands still, so that no child is missed or new.
        for pid in children_of(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [*children_of(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def send(self, with_signal: int) -> None:
        os.kill(self.pid, with_signal)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Its exit status, once it has ended by itself."""
        assert self._process is not None, "the server was not started"
        return self._process.wait(timeout=timeout)

    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""


def children_of(pid: int) -> list[int]:
    """The direct children of a process, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[1]) == pid:
                    found.append(int(entry.name))
    return found


def until(happens: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as something that another process does has happened. Raises `TimeoutError` when it does not."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.02)


def _die_with_parent() -> None:
    # SIGINT is a fast shutdown to PostgreSQL, and ends the others as well. Set after the user has changed, which would clear it.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
