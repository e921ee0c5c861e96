"""`flask user import`: people of another system, with the hashes of their passwords.

What becomes of a row is for `users.service.import_users`. Here is what is said while it goes on, and the report that the next run needs.
"""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from secureapi.cli.answers import Answers, answering, json_option
from secureapi.cli.import_report import ImportReport, as_lines, write_dry_report
from secureapi.core.errors import Unavailable
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.permissions import Role
from secureapi.users.importing import FORMATS, Format, Rules
from secureapi.users.importing.formats import firebase_with
from secureapi.users.importing.formats.firebase import HashParameters
from secureapi.users.service.import_users import Batch, ImportOrder, Imports, Outcome

_SHOWN = 10
_MOST_PARAMETERS = 4096
_SOME_REFUSED = 3
"""Exit status when the file was read to its end, and not everybody in it was let in."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass
class _Tally:
    """What came of the rows so far."""

    created: int = 0
    refused: int = 0
    skipped: int = 0
    first: list[Outcome] = field(default_factory=list)
    """Some of the refused ones, to be shown."""

    def count(self, batch: Batch) -> None:
        refused = [outcome for outcome in batch.outcomes if outcome.faults]
        self.created += len(batch.outcomes) - len(refused)
        self.refused += len(refused)
        self.skipped += batch.skipped
        self.first += refused[: _SHOWN - len(self.first)]

    @property
    def rows(self) -> int:
        return self.created + self.refused + self.skipped


@click.command("import")
@with_appcontext
@click.argument("path", metavar="FILE", type=_FILE)
@click.option(
    "--from", "source", type=click.Choice(list(FORMATS)), required=True, help="What the file is. docs/import.md says how to get it."
)
@click.option("--dry-run", is_flag=True, help="Say what would become of each row, and change nothing.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Where the report is. [default: FILE.report.ndjson]")
@click.option("--retry", is_flag=True, help="Try rows again that an earlier run has refused.")
@click.option("--role", default=Role.USER.value, show_default=True, help="The role of everybody.")
@click.option("--with-roles", is_flag=True, help="Take the role of each from the file, where it says one.")
@click.option(
    "--without-password", is_flag=True, help="Open accounts for people whose hash cannot be read, too: they ask for a reset link."
)
@click.option("--hash-plaintext", is_flag=True, help="Take passwords in plain text and hash them: some four a second.")
@click.option("--replace-usernames", is_flag=True, help="Make another username for people whose own cannot be had here.")
@click.option("--hash-config", type=_FILE, help="A file with the hash parameters of the Firebase project.")
@json_option
@answering
def import_(
    answers: Answers,
    *,
    path: Path,
    source: str,
    dry_run: bool,
    report: Path | None,
    retry: bool,
    role: str,
    with_roles: bool,
    without_password: bool,
    hash_plaintext: bool,
    replace_usernames: bool,
    hash_config: Path | None,
) -> None:
    """Open accounts for people of another system.

    One bad row never stops the rest. The report says what came of each row; run the same command again, and rows that are done are skipped.
    """
    imports = service(Imports)
    roles = imports.known_roles()
    if role not in roles:
        raise click.UsageError(f"There is no role of that name. There are: {', '.join(sorted(roles))}.")
    rules = Rules(
        role=role,
        roles=roles,
        is_role_taken=with_roles,
        may_lack_password=without_password,
        hashes_plaintext=hash_plaintext,
        replaces_usernames=replace_usernames,
    )
    format_ = _format(source, hash_config)
    tally, client, began = _Tally(), Client.of_command_line(), time.monotonic()
    with _opened(path) as file:
        if dry_run:
            written = report or path.with_name(f"{path.name}.dry-run.ndjson")
            order = ImportOrder(id=new_id(), format=format_, rules=rules, is_done=lambda _number, _digest: False, is_dry=True)
            with write_dry_report(written) as lines:
                for batch in _watched(imports, file, order, tally, client):
                    lines.write(as_lines(batch.outcomes))
        else:
            written = report or path.with_name(f"{path.name}.report.ndjson")
            kept = ImportReport(written, format_name=source, retries_refused=retry)
            try:
                order = ImportOrder(id=kept.import_id, format=format_, rules=rules, is_done=kept.is_done, is_resumed=kept.is_resumed)
                for batch in _watched(imports, file, order, tally, client):
                    kept.write(batch.outcomes)
            finally:
                kept.close()
                if tally.created or tally.refused:
                    with suppress(Unavailable):
                        imports.note_end(order, created=tally.created, refused=tally.refused, client=client)
    _tell(answers, tally, written, is_dry=dry_run, seconds=time.monotonic() - began)


def _watched(imports: Imports, file: BinaryIO, order: ImportOrder, tally: _Tally, client: Client) -> Iterator[Batch]:
    """Batches, counted and shown. What ends the run early is told with what to do about it."""
    with _progress(file) as show:
        try:
            for batch in imports.run(order.format.read(file), order, client=client):
                yield batch
                tally.count(batch)
                show(tally.rows)
        except (Unavailable, KeyboardInterrupt) as stopped:
            why = "Stopped." if isinstance(stopped, KeyboardInterrupt) else "The database does not answer."
            raise click.ClickException(f"{why} {tally.rows} rows are done. Run the same command again to go on.") from None


@contextmanager
def _progress(file: BinaryIO) -> Iterator[Any]:
    """On a terminal a bar with the rate and the time that is left, both by the bytes that were read; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield lambda _rows: None
        return
    is_plain = bool(os.environ.get("NO_COLOR"))
    console = Console(file=sys.stderr, no_color=is_plain, highlight=False)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TextColumn("{task.fields[rate]} rows/s"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=os.fstat(file.fileno()).st_size or 1, rows=0, rate="-")

        def show(rows: int) -> None:
            rate = f"{rows / max(time.monotonic() - began, 0.001):.0f}"
            bar.update(task, completed=file.tell(), rows=rows, rate=rate)

        yield show


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise click.UsageError("FILE must be a file: an import that was stopped reads it again.")
        yield file


def _format(source: str, hash_config: Path | None) -> Format:
    if hash_config is None:
        return FORMATS[source]
    if source != "firebase":
        raise click.UsageError("--hash-config is for --from firebase.")
    with hash_config.open("rb") as file:
        return firebase_with(HashParameters.of(file.read(_MOST_PARAMETERS).decode("utf-8", "replace")))


def _tell(answers: Answers, tally: _Tally, written: Path, *, is_dry: bool, seconds: float) -> None:
    for outcome in tally.first:
        where = f"row {outcome.number}" + (f" (line {outcome.line})" if outcome.line else "")
        for fault in outcome.faults:
            click.echo(f"{where}: {fault.pointer.strip('/') or 'row'}: {fault.detail}", err=True)
    if tally.refused > len(tally.first):
        click.echo(f"and {tally.refused - len(tally.first)} more rows: see the report.", err=True)
    done = tally.created + tally.refused
    answers.record(
        {
            "would_create" if is_dry else "created": tally.created,
            "would_refuse" if is_dry else "refused": tally.refused,
            "skipped": tally.skipped,
            "rows_per_second": round(done / max(seconds, 0.001)),
            "report": str(written),
        }
    )
    if tally.refused:
        click.get_current_context().exit(_SOME_REFUSED)
