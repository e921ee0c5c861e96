"""`flask outbox`: messages that were not delivered, and what to do with them. Addresses are not shown: they are not in the outbox."""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import Row

from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.clock import rfc3339
from secureapi.core.delivery import Undelivered
from secureapi.core.identifiers import is_id
from secureapi.core.services import service

outbox = AppGroup("outbox", help="Messages that were not delivered: list, retry, drop.")
_COLUMNS = ("id", "topic", "state", "attempts", "last_error", "created_at", "due_at")
_MOST = 1000


@outbox.command("list")
@click.option("--dead", "only_dead", is_flag=True, help="Only those that nobody tries any more.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=100, show_default=True)
@json_option
@answering
def list_(answers: Answers, *, only_dead: bool, limit: int) -> None:
    """What waits or is dead, the longest waiting first."""
    found = [_described(row) for row in service(Undelivered).list_all(only_dead=only_dead, most=limit)]
    if answers.as_json:
        answers.give({"messages": found})
    elif found:
        answers.table(_COLUMNS, [["-" if message[column] is None else str(message[column]) for column in _COLUMNS] for message in found])
    else:
        answers.say("There are no dead messages." if only_dead else "There are no undelivered messages.")


@outbox.command("retry")
@click.argument("message_id", metavar="[ID]", required=False)
@click.option("--dead", "all_dead", is_flag=True, help="All that are dead, instead of one.")
@json_option
@answering
def retry(answers: Answers, message_id: str | None, *, all_dead: bool) -> None:
    """Have a message tried now, as if it were new."""
    if (message_id is None) is not all_dead:
        raise click.UsageError("Name one message, or say --dead for all that are dead.")
    if message_id is not None and not is_id(message_id):
        raise _no_such()
    revived = service(Undelivered).retry(message_id)
    if message_id is not None and not revived:
        raise _no_such()
    if answers.as_json:
        answers.give({"retried": revived})
    else:
        answers.say(f"{revived} {'is' if revived == 1 else 'are'} due now.")


@outbox.command("drop")
@click.argument("message_id", metavar="ID")
@json_option
@answering
def drop(answers: Answers, message_id: str) -> None:
    """Remove a message that was not delivered. Leaves an event."""
    if not is_id(message_id) or not service(Undelivered).drop(message_id):
        raise _no_such()
    if answers.as_json:
        answers.give({"id": message_id})
    else:
        answers.say("The message is removed.")


def _no_such() -> click.ClickException:
    return click.ClickException("There is no such message, or it is delivered, or a worker has it in hand just now.")


def _described(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "state": "dead" if row.dead_at else "waiting",
        "user_id": row.user_id,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "created_at": rfc3339(row.created_at),
        "due_at": rfc3339(row.due_at),
        "dead_at": rfc3339(row.dead_at) if row.dead_at else None,
    }
