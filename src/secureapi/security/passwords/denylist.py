"""The operator's own list of words that no password may be."""

import os
import stat
import threading
from pathlib import Path

import structlog

from secureapi.security.passwords.candidate import Candidate, folded
from secureapi.settings import SettingsRefused
from secureapi.settings.rules import MOST_DENYLIST_BYTES as MOST_BYTES

_log = structlog.get_logger(__name__)
_LONGEST = 128
_REMEDY = "PASSWORD_DENYLIST_FILE: must name a readable text file in UTF-8 of at most 4 MiB, one word a line"


class Denylist:
    """The words of one file, read again when the file has changed.

    A file that cannot be read at the start is refused as a setting. One that is broken later is reported once, and the words that
    were read last go on: an editor that saves in two steps must not open the door for a moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reload = threading.Lock()
        try:
            self._words, self._seen = _read(path)
        except (OSError, ValueError):
            raise SettingsRefused([_REMEDY]) from None

    def holds(self, candidate: Candidate) -> bool:
        """Whether the password is one of the words, by itself or dressed up with digits and signs."""
        words = self._present()
        return candidate.folded in words or not candidate.undressed().isdisjoint(words)

    def _present(self) -> frozenset[str]:
        # Whoever comes while another thread reads the file takes the words as they were.
        if self._stamp() != self._seen and self._reload.acquire(blocking=False):
            try:
                self._read_again()
            finally:
                self._reload.release()
        return self._words

    def _read_again(self) -> None:
        stamp = self._stamp()
        try:
            self._words, self._seen = _read(self._path)
        except (OSError, ValueError) as error:
            self._seen = stamp
            _log.warning("passwords.denylist.unreadable", reason=type(error).__name__)
        else:
            _log.info("passwords.denylist.read", words=len(self._words))

    def _stamp(self) -> tuple[int, ...]:
        try:
            return _stamp_of(self._path.stat())
        except OSError:
            return ()


def _stamp_of(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> tuple[frozenset[str], tuple[int, ...]]:
    """The words, and what the file looked like when it was opened. Raises `OSError`, `ValueError`."""
    # Without waiting: a named pipe would hold the caller until somebody writes into it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES or b"\0" in content:
        raise ValueError("too long, or no text")
    lines = content.decode("utf-8-sig").splitlines()
    return frozenset(folded(word) for line in lines if (word := line.strip()) and len(word) <= _LONGEST), _stamp_of(found)
