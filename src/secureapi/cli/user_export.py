"""`flask user export`: every account, as CSV or NDJSON that `flask user import` reads. Hashes only with `--with-hashes`."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from flask.cli import with_appcontext

from secureapi.cli.answers import Answers, answering
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.users.importing.cells import safe_cell
from secureapi.users.models import Status
from secureapi.users.service.export_users import COLUMNS, Exports


@click.command("export")
@with_appcontext
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "kind", type=click.Choice(["csv", "ndjson"]), default="ndjson", show_default=True)
@click.option("--role", help="Those of one role only.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Those of one status only.")
@click.option("--with-hashes", is_flag=True, help="With the hashes of passwords. Whoever has them can guess at leisure: keep them as such.")
@answering
def export(answers: Answers, *, path: Path | None, kind: str, role: str | None, status: str | None, with_hashes: bool) -> None:
    """Write every account to FILE, or to standard output. It leaves an event in the trail."""
    if path is None and with_hashes and sys.__stdout__ is not None and sys.__stdout__.isatty():
        raise click.UsageError("Hashes are not shown on a terminal: name a FILE, or send them into a pipe.")
    columns = (*COLUMNS, "password_hash") if with_hashes else COLUMNS
    count = 0
    with _output(answers, path) as write:
        if kind == "csv":
            write(_as_csv([columns]))
        for page in service(Exports).pages(with_hashes=with_hashes, role=role, status=status, client=Client.of_command_line()):
            count += len(page)
            write(_as_csv([[person[column] for column in columns] for person in page]) if kind == "csv" else _as_ndjson(page))
    click.echo(f"{count} accounts{f' in {path}' if path else ''}.", err=True)


@contextmanager
def _output(answers: Answers, path: Path | None) -> Iterator[Any]:
    """Where blocks of whole lines go. A file is made anew, for its owner only; nothing that is there is overwritten."""
    if path is None:
        yield lambda block: answers.say(block.removesuffix("\n"))
        return
    with _new_file(path) as file:
        yield file.write


def _new_file(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be made ({error.strerror}).") from None
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _as_csv(rows: Sequence[Sequence[str | None]]) -> str:
    """RFC 4180, with nothing in it that a spreadsheet would run. All in quotation marks, for those whose lists have semicolons."""
    block = io.StringIO()
    csv.writer(block, quoting=csv.QUOTE_ALL).writerows([[safe_cell(value or "") for value in row] for row in rows])
    return block.getvalue()


def _as_ndjson(people: Sequence[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(person, ensure_ascii=True)}\n" for person in people)
