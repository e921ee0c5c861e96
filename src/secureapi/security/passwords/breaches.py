"""Passwords that are known from breaches, in files on disk. Nothing goes over the network.

The files have the k-anonymity layout in which such lists are handed out: one for each first five digits of the SHA-1 of a
password, named `5BAA6` or `5BAA6.txt`, with a line `SUFFIX:COUNT` for each hash that begins so.
"""

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

import structlog

from secureapi.security.passwords.candidate import Candidate
from secureapi.settings import SettingsRefused

_log = structlog.get_logger(__name__)
_PREFIX = 5
MOST_BYTES = 1024 * 1024
"""The files that are handed out have some 50 kB."""


class BreachFiles:
    """Looks a password up in one folder: one file opened and read, whatever the size of the whole."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SettingsRefused(["PASSWORD_BREACH_DIR: must be a folder with a file for each prefix (00000.txt to FFFFF.txt)"])
        self._folder = folder
        self._reported: set[str] = set()

    def holds(self, candidate: Candidate) -> bool:
        """Whether the password is known from a breach. A file that is missing or broken knows nothing."""
        encoded = candidate.normalised.encode("utf-8", "surrogatepass")
        digest = hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()  # the lists are made of SHA-1
        try:
            content = self._read(digest[:_PREFIX])
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            self._report(error)
            return False
        found = re.search(rb"^" + digest[_PREFIX:].encode() + rb":0*([1-9][0-9]{0,17})[ \t]*\r?$", content, re.IGNORECASE | re.MULTILINE)
        # Lists are padded with lines that count nothing, to hide how long the answer is.
        return found is not None

    def _read(self, prefix: str) -> bytes:
        """The file of a prefix. Raises `OSError`, and `ValueError` for what cannot be such a file."""
        with os.fdopen(self._open(prefix), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                raise ValueError("no such list")
            return file.read(MOST_BYTES)

    def _open(self, prefix: str) -> int:
        # Without waiting: a named pipe would hold the caller until somebody writes into it.
        flags = os.O_RDONLY | os.O_NONBLOCK
        try:
            return os.open(self._folder / f"{prefix}.txt", flags)
        except FileNotFoundError:
            return os.open(self._folder / prefix, flags)

    def _report(self, error: OSError | ValueError) -> None:
        """Once for each kind of error, and never with the file's name: that is a fourth part of the hash of somebody's password."""
        number = error.errno if isinstance(error, OSError) else None
        reason = errno.errorcode.get(number, "unknown") if number else "not_a_list"
        if reason not in self._reported:
            self._reported.add(reason)
            _log.warning("passwords.breaches.unreadable", reason=reason)
