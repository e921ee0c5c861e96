"""`flask user`: accounts from the command line of the server, which may do whatever an administrator may.

Everybody can be named by id, username or address. Passwords come from standard input or a hidden prompt, never as an argument:
those are in the shell's history and in the list of processes.
"""

import sys
from typing import Any

import click
from flask.cli import AppGroup

from secureapi.auth.service import Administration, Credentials, NewAccounts
from secureapi.cli.accounts import checked_account, described, person_called
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.cli.user_administration import COMMANDS
from secureapi.cli.user_export import export
from secureapi.cli.user_import import import_
from secureapi.core.pages import MOST_PER_PAGE
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.passwords import generate_password
from secureapi.security.permissions import Role
from secureapi.users.errors import RegistrationRefused
from secureapi.users.models import Status
from secureapi.users.repository import LOCKED
from secureapi.users.rules import SORTS, STATUSES
from secureapi.users.schemas import UserResponse
from secureapi.users.service import Directory

user = AppGroup("user", help="Accounts: make, list, show, unlock, disable, enable, and set passwords.")
user.add_command(import_)
user.add_command(export)
for _command in COMMANDS:
    user.add_command(_command)
_who = click.argument("who", metavar="ID|USERNAME|EMAIL")
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
_MOST_BYTES = 4096
_COLUMNS = ("username", "email", "role", "status", "created_at", "id")


@user.command("create")
@click.option("--email", required=True, help="The address, which counts as verified.")
@click.option("--username", required=True, help="3 to 50 letters, digits, hyphens and underscores.")
@click.option("--role", default=Role.USER.value, show_default=True, help="A built-in role, or one of `flask role list`.")
@click.option("--full-name", help="The name that people see.")
@_password_stdin
@json_option
@answering
def create(answers: Answers, *, email: str, username: str, role: str, full_name: str | None, password_stdin: bool) -> None:
    """Open an account for somebody."""
    password = _password(from_stdin=password_stdin)
    account = checked_account(username=username, email=email, password=password, full_name=full_name)
    try:
        made = service(NewAccounts).create(**account, role=role, caller=None, client=Client.of_command_line())
    except RegistrationRefused:
        # A stranger is not told this. Whoever is here can look it up.
        raise click.ClickException("The username or the address is taken. `flask user list -q` finds by whom.") from None
    answers.record(described(made))


@user.command("list")
@click.option("-q", "q", help="Beginning of a username or an address.")
@click.option("--role", help="A built-in role, or one of `flask role list`.")
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--sort", type=click.Choice(SORTS), default=SORTS[0], show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@click.option("--per-page", type=click.IntRange(1, MOST_PER_PAGE), default=50, show_default=True)
@json_option
@answering
def list_(answers: Answers, **wanted: Any) -> None:
    """A page of accounts."""
    page = service(Directory).page(client=Client.of_command_line(), **wanted)
    people = UserResponse(many=True).dump(page.items)
    if answers.as_json:
        answers.give({"users": people, "total": page.total, "page": page.page, "per_page": page.per_page, "pages": page.pages})
        return
    rows = [person | {"status": row.status} for person, row in zip(people, page.items, strict=True)]
    answers.table(_COLUMNS, [[str(row[column]) for column in _COLUMNS] for row in rows])
    if page.pages > 1:
        answers.say(f"page {page.page} of {page.pages}, {page.total} accounts")


@user.command("show")
@_who
@json_option
@answering
def show(answers: Answers, who: str) -> None:
    """One account, and whether it is locked."""
    answers.record(described(person_called(who)))


@user.command("passwd")
@_who
@_password_stdin
@click.option("--generate", is_flag=True, help="Make a strong password, set it, and print it this once.")
@json_option
@answering
def passwd(answers: Answers, who: str, *, password_stdin: bool, generate: bool) -> None:
    """Set a password. Every session of the account ends, and its lock is lifted."""
    if generate and password_stdin:
        raise click.UsageError("Give either --generate or --password-stdin.")
    person = person_called(who)
    password = generate_password() if generate else _password(from_stdin=password_stdin)
    service(Credentials).set_password(user_id=person.id, new_password=password, client=Client.of_command_line())
    done = f"{person.username} has a new password; all of the account's sessions ended."
    if not generate:
        _report(answers, person.id, done)
    elif answers.as_json:
        answers.give(described(person_called(person.id)) | {"password": password})
    else:
        # Alone on standard output, so that it can be piped to where it is to be kept.
        answers.say(password)
        click.echo(done, err=True)


@user.command("unlock")
@_who
@json_option
@answering
def unlock(answers: Answers, who: str) -> None:
    """Lift the lock of an account, and forget the wrong passwords that were tried on it. A disabled one stays disabled."""
    person = person_called(who)
    service(Administration).unlock(user_id=person.id, caller=None, client=Client.of_command_line())
    _report(answers, person.id, f"{person.username} is not locked any more, and every wrong password is forgotten.")


@user.command("disable")
@_who
@json_option
@answering
def disable(answers: Answers, who: str) -> None:
    """Let nobody use an account any more, and end its sessions. Not the last administrator's."""
    person = person_called(who)
    service(Administration).disable(user_id=person.id, caller=None, client=Client.of_command_line())
    _report(answers, person.id, f"{person.username} {'was already' if person.status == Status.DISABLED else 'is'} disabled.")


@user.command("enable")
@_who
@json_option
@answering
def enable(answers: Answers, who: str) -> None:
    """Let a disabled account be used again. Its old sessions stay ended. A locked one stays locked."""
    person = person_called(who)
    after = service(Administration).enable(user_id=person.id, caller=None, client=Client.of_command_line())
    if after.status == LOCKED:
        sentence = f"{person.username} is locked, not disabled: flask user unlock"
    else:
        sentence = f"{person.username} {'is' if person.status == Status.DISABLED else 'was already'} enabled."
    _report(answers, person.id, sentence)


def _report(answers: Answers, user_id: str, sentence: str) -> None:
    """What came of it: the account as it is now for programs, a sentence for people."""
    if answers.as_json:
        answers.give(described(person_called(user_id)))
    else:
        answers.say(sentence)


def _password(*, from_stdin: bool) -> str:
    """The new password. Raises `click.UsageError` when there is nobody to ask."""
    if not from_stdin:
        if not _is_terminal():
            raise click.UsageError("There is no terminal to ask for the password: give it with --password-stdin.")
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    given = sys.stdin.buffer.read(_MOST_BYTES)
    try:
        # One line end belongs to the program that wrote it; any other character may belong to the password.
        return given.decode("utf-8").removesuffix("\r\n").removesuffix("\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password must be UTF-8.") from None


def _is_terminal() -> bool:
    return sys.stdin.isatty()
