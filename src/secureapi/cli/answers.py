"""How commands speak: what was asked for on standard output, everything else on standard error, refusals as sentences.

Nothing here knows a command. Colours and frames are for terminals; a pipe gets aligned text, and NO_COLOR is honoured.
"""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import click
from marshmallow import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from secureapi.core.errors import Fault, Refusal, Unavailable
from secureapi.core.problems import faults_of
from secureapi.core.requests import printable
from secureapi.core.strict_json import storable
from secureapi.settings import SettingsRefused

json_option = click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
_GAP = "  "


class Answers:
    """Where a command writes its answer."""

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        self._stream = stream
        self.as_json = as_json

    def say(self, line: str = "") -> None:
        """One line, at once: somebody may be waiting for it."""
        click.echo(line, file=self._stream)
        self._stream.flush()

    def give(self, value: object) -> None:
        """A value as JSON."""
        self.say(json.dumps(value, indent=2, ensure_ascii=True))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headings. What is in them was written by strangers, so that nothing of it may move the cursor."""
        shown = [[printable(cell) for cell in row] for row in rows]
        if self._stream.isatty():
            self._draw(columns, shown)
            return
        widths = [max(len(cell) for cell in column) for column in zip(columns, *shown, strict=True)]
        for row in (columns, *shown):
            self.say(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def record(self, value: Mapping[str, object]) -> None:
        """One thing: its JSON where that was asked for, otherwise a line for each of its names."""
        if self.as_json:
            self.give(value)
            return
        width = max(map(len, value))
        for name, content in value.items():
            self.say(f"{name.ljust(width)}{_GAP}{printable(_worded(content))}".rstrip())

    def _draw(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        is_plain = bool(os.environ.get("NO_COLOR"))
        console = Console(file=self._stream, highlight=False, color_system=None if is_plain else "auto", no_color=is_plain)
        drawn = Table(box=SIMPLE_HEAD)
        for column in columns:
            # What does not fit goes on below: half an id or half an address is of no use to anybody.
            drawn.add_column(column, overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)


def answering(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its `Answers` as the first argument. Under `@json_option` they know whether JSON was asked for."""

    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool = False, **kwargs: Any) -> None:
        answers = Answers(sys.stdout, as_json=as_json)
        # The application logs to standard output too. While a command runs its lines go aside, or `--json | jq` would choke on them.
        with redirect_stdout(sys.stderr), in_words():
            _refuse_unstorable(kwargs)
            command(answers, *args, **kwargs)

    return wrapped


def _refuse_unstorable(given: Mapping[str, Any]) -> None:
    """A terminal sends whatever bytes there are; what is not UTF-8 can be neither stored nor looked for."""
    for name, value in given.items():
        texts = value if isinstance(value, tuple | list) else [value]
        if not all(storable(text) for text in texts if isinstance(text, str)):
            raise click.ClickException(f"{name.replace('_', ' ')}: this text is not UTF-8.")


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what is refused inside into sentences on standard error, and exit status 1."""
    try:
        yield
    except SettingsRefused as refused:
        raise click.ClickException(str(refused)) from None
    except Refusal as refusal:
        raise click.ClickException(_sentence(refusal)) from None
    except ValidationError as error:
        raise click.ClickException(_with_faults("This cannot be accepted:", faults_of(error))) from None
    except DBAPIError as error:
        # The name only: the text of the error repeats the statement and its values.
        problem = f"The database refused a statement ({type(error.orig).__name__})."
        raise click.ClickException(f"{problem} `flask init` brings its tables up to date, `flask doctor` says more.") from None


def _sentence(refusal: Refusal) -> str:
    if isinstance(refusal, Unavailable):
        return "The database, or something else that this needs, does not answer. `flask doctor` says what."
    return _with_faults(refusal.sentence.replace("; see errors", ""), refusal.faults)


def _with_faults(sentence: str, faults: Sequence[Fault]) -> str:
    return "\n".join([sentence, *(f"  - {_place(fault)}{fault.detail}" for fault in faults)])


def _place(fault: Fault) -> str:
    name = fault.pointer.strip("/").removeprefix("new_").replace("_", " ")
    return f"{name}: " if name else ""


def _worded(content: object) -> str:
    if isinstance(content, bool):
        return "yes" if content else "no"
    return "-" if content is None else str(content)
