import io
import sys

import click
import pytest
from marshmallow import ValidationError
from sqlalchemy.exc import OperationalError

from secureapi.cli.answers import Answers, answering, in_words
from secureapi.core.errors import Fault, Unavailable
from secureapi.core.schemas import Message
from secureapi.security.errors import WeakPassword
from secureapi.settings import SettingsRefused

ROWS = [["1", "alice"], ["22", "bob"]]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def colourful(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def written(stream, rows=ROWS):
    Answers(stream).table(("id", "name"), rows)
    return stream.getvalue()


def test_a_pipe_gets_aligned_text(colourful):
    assert written(io.StringIO()) == "id  name\n1   alice\n22  bob\n"


def test_a_terminal_gets_a_table_with_a_bold_heading(colourful):
    assert "\x1b[" in written(Terminal())


def test_no_color_means_not_one_escape_code(colourful, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    drawn = written(Terminal())

    assert "\x1b" not in drawn
    assert "alice" in drawn


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_name_that_colours_or_moves_the_terminal_does_neither(stream, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    drawn = written(stream(), [["1", "\x1b[2J[red]gone[/red]\r\n"]])

    assert "\x1b" not in drawn
    assert "\r" not in drawn
    assert "[red]gone[/red]" in drawn


def test_nothing_is_cut_off_where_the_terminal_is_narrow(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")

    drawn = written(Terminal(), [["0123456789" * 3, "abcdefghij" * 3]])

    letters = "".join(character for character in drawn if character in "0123456789")
    assert letters == "0123456789" * 3
    assert "…" not in drawn


def test_an_empty_table_still_has_its_heading():
    assert written(io.StringIO(), []) == "id  name\n"


def test_what_is_printed_meanwhile_goes_aside(capsys):
    @answering
    def command(answers):
        sys.stdout.write("a log line\n")
        answers.say("the answer")

    command()

    assert capsys.readouterr() == ("the answer\n", "a log line\n")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (SettingsRefused(["PORT: must be a whole number"]), "PORT: must be a whole number"),
        (WeakPassword(faults=[Fault("/new_password", "x", "Too short.")]), "password: Too short."),
        (Unavailable(), "flask doctor"),
        (ValidationError({"email": [Message("email", "No address.")]}), "email: No address."),
        (OperationalError("SELECT 'a secret'", {}, RuntimeError("a secret")), "flask init"),
    ],
)
def test_what_is_refused_is_said_in_words(problem, said):
    with pytest.raises(click.ClickException) as refused, in_words():
        raise problem

    assert said in refused.value.message
    assert "a secret" not in refused.value.message


def test_a_defect_stays_a_defect():
    with pytest.raises(ZeroDivisionError), in_words():
        1 / 0  # noqa: B018 - the division is the point
