"""`flask session`: who is signed in from where, and ending that, from the command line of the server."""

import click
from flask.cli import AppGroup

from secureapi.auth.errors import NoSuchSession
from secureapi.auth.schemas.sessions import SessionResponse
from secureapi.auth.service import LivingSessions
from secureapi.cli.accounts import person_called
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.identifiers import is_id
from secureapi.core.requests import Client
from secureapi.core.services import service

session = AppGroup("session", help="Sessions of an account: list them, and end one or all.")
_who = click.argument("who", metavar="ID|USERNAME|EMAIL")
_COLUMNS = ("id", "device", "address", "created_at", "last_used_at", "expires_at")


@session.command("list")
@_who
@json_option
@answering
def list_(answers: Answers, who: str) -> None:
    """The sessions of an account that are going on, last used first."""
    found = service(LivingSessions).of(user_id=person_called(who).id, caller=None, client=Client.of_command_line())
    # Nobody's session is the current one here.
    rows = SessionResponse(many=True, exclude=("is_current",)).dump(found)
    if answers.as_json:
        answers.give({"sessions": rows})
    elif rows:
        answers.table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
    else:
        answers.say("Nobody is signed in to this account.")


@session.command("revoke")
@_who
@click.argument("session_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every session of the account.")
@json_option
@answering
def revoke(answers: Answers, who: str, session_id: str | None, *, is_all: bool) -> None:
    """End a session, or all. Its tokens are refused from now on, everywhere."""
    if is_all == (session_id is not None):
        raise click.UsageError("Give either the id of a session, from `flask session list`, or --all.")
    person = person_called(who)
    ended = 1
    if session_id is None:
        ended = service(LivingSessions).end_all_of(user_id=person.id, caller=None, client=Client.of_command_line())
    elif is_id(session_id):
        service(LivingSessions).end_one_of(user_id=person.id, session_id=session_id, caller=None, client=Client.of_command_line())
    else:
        raise NoSuchSession
    if answers.as_json:
        answers.give({"sessions_ended": ended})
    else:
        answers.say(f"{ended} {'session' if ended == 1 else 'sessions'} of {person.username} ended.")
