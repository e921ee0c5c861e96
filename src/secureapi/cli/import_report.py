"""The report of an import: one JSON object a line, what came of each row. It is also what a later run goes on from.

The first line names the import. It is on the disk before the first account is made, since the ids of accounts follow from it; the lines of
a batch are written after the batch is committed. So the report may lag behind the database by one batch, which the service recognises as
its own, and is never ahead of it. A last line that was cut off is cut away.
"""

import fcntl
import json
import os
import re
import stat
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click

from secureapi.core.clock import SystemClock, rfc3339
from secureapi.core.identifiers import is_id, new_id
from secureapi.users.service.import_users import Outcome

_KIND = "secureapi user import"
_MOST_ROWS = 50_000_000
_CREATED = 1
_DIGEST = re.compile("[0-9a-f]{16}")
_DAMAGES = (ValueError, KeyError, TypeError, RecursionError)
"""What reading a line raises that nobody here has written."""
_DRY = b'{"row": '
"""With this each line about a row begins. The report of a real run has a heading before them."""
_LONGEST_LINE = 1000


class ImportReport:
    """An open report, which no other run may have at the same time."""

    def __init__(self, path: Path, *, format_name: str, retries_refused: bool = False) -> None:
        """Open it, or make it. Raises `click.ClickException` for a file that is no report of this format, or that somebody else has."""
        self.path = path
        self.is_resumed = False
        self._retries = retries_refused
        self._done = array("Q")
        """For each row the first 63 bits of its digest, and one that says whether an account was made: eight bytes a row."""
        self._file = _opened(path)
        self._most_rows = min(_MOST_ROWS, os.fstat(self._file.fileno()).st_size)
        """Each row has a line: a number beyond the size of the file is none, and would cost eight bytes for each below it."""
        try:
            self.import_id = self._read(format_name) or self._begin(format_name)
            _keep_to_owner(self._file)
        except BaseException:
            self.close()
            raise

    def is_done(self, number: int, digest: str) -> bool:
        """Whether a row was done and still says the same. One that was refused is done, too, unless it is to be tried again."""
        known = self._done[number] if number < len(self._done) else 0
        is_same = known | _CREATED == int(digest, 16) | _CREATED
        return known != 0 and is_same and (bool(known & _CREATED) or not self._retries)

    def write(self, outcomes: Iterable[Outcome]) -> None:
        """Add what came of some rows."""
        self._file.write(b"".join(_line(outcome) for outcome in outcomes))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _begin(self, format_name: str) -> str:
        import_id = new_id()
        heading = {"report": _KIND, "version": 1, "import": import_id, "format": format_name, "begun_at": rfc3339(SystemClock().now())}
        self._file.truncate(0)
        self._file.seek(0)
        self._file.write(json.dumps(heading).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return import_id

    def _read(self, format_name: str) -> str | None:
        """The id of the import that is to go on; None when there is none yet."""
        heading = self._file.readline()
        if not heading.endswith(b"\n"):
            if heading and not heading.startswith(b'{"report"'):
                raise self._no_report()
            return None
        import_id = self._heading(heading, format_name)
        end = self._file.tell()
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            self._remember(line)
            end += len(line)
        self._file.truncate(end)
        self._file.seek(end)
        self.is_resumed = True
        return import_id

    def _heading(self, line: bytes, format_name: str) -> str:
        try:
            said = json.loads(line)
            import_id, written = said["import"], said["format"]
            is_ours = said["report"] == _KIND and said["version"] == 1 and is_id(import_id)
        except _DAMAGES:
            raise self._no_report() from None
        if not is_ours:
            raise self._no_report()
        if written != format_name:
            raise click.ClickException(f"{self.path} is the report of an import from another format. Name another one with --report.")
        return str(import_id)

    def _remember(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            number, written, is_created = said["row"], said["digest"], said["outcome"] == "created"
            is_ours = type(number) is int and 0 < number <= self._most_rows and _DIGEST.fullmatch(written) is not None
        except _DAMAGES:
            raise self._no_report() from None
        if not is_ours:
            raise self._no_report()
        digest = int(written, 16)
        if number >= len(self._done):
            self._done.extend([0] * (number + 1 - len(self._done)))
        self._done[number] = digest | _CREATED if is_created else digest & ~_CREATED

    def _no_report(self) -> click.ClickException:
        return click.ClickException(f"{self.path} is not the report of an import, or is damaged. Name another one with --report.")


def write_dry_report(path: Path) -> BinaryIO:
    """The report of a dry run: written anew each time, since nothing goes on from it. Nothing else is overwritten.

    Raises `click.ClickException` for a file that is something else: the people themselves, or the report of the real run.
    """
    file = _opened(path)
    first = file.readline(_LONGEST_LINE)
    if first and not first.startswith(_DRY):
        file.close()
        raise click.ClickException(f"{path} is there already and is not the report of a dry run. Name another one with --report.")
    _keep_to_owner(file)
    file.seek(0)
    file.truncate(0)
    return file


def as_lines(outcomes: Iterable[Outcome]) -> bytes:
    """Outcomes as a report has them."""
    return b"".join(_line(outcome) for outcome in outcomes)


def _opened(path: Path) -> BinaryIO:
    """Open for reading and writing, for this run alone. Raises `click.ClickException`."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}). Name another report with --report.") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_nlink != 1:
        # In a folder that others may write to, somebody may have laid one down that he can read.
        os.close(descriptor)
        raise click.ClickException(f"{path} is no file of your own, with one name. Name another report with --report.")
    file = os.fdopen(descriptor, "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise click.ClickException(f"Another import is writing {path} just now.") from None
    return file


def _keep_to_owner(file: BinaryIO) -> None:
    """Nobody else may read it, though it was there before; only when it is known to be a report, or somebody's other file would be shut."""
    os.fchmod(file.fileno(), 0o600)


def _line(outcome: Outcome) -> bytes:
    said: dict[str, Any] = {"row": outcome.number, "digest": outcome.digest, "outcome": "refused" if outcome.faults else "created"}
    optional = {"line": outcome.line, "id": outcome.user_id, "source_id": outcome.source_id}
    said |= {name: value for name, value in optional.items() if value is not None}
    if outcome.faults:
        said["faults"] = [{"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in outcome.faults]
    return json.dumps(said).encode() + b"\n"
