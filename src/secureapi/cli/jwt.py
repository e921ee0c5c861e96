"""`flask jwt keys`: the keys that access tokens are signed with. They rotate by age on their own; this is for looking, and for hurry."""

import sys
from datetime import datetime
from typing import Any

import click
from flask.cli import AppGroup

from secureapi.auth.models import Phase
from secureapi.auth.service import SigningKeys
from secureapi.auth.service.signing_keys import KeyDescription
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.clock import rfc3339
from secureapi.core.requests import Client
from secureapi.core.services import service

jwt = AppGroup("jwt", help="Access tokens.")
keys = AppGroup("keys", help="Signing keys: list, rotate, retire.")
jwt.add_command(keys)
_COLUMNS = ("kid", "algorithm", "phase", "created_at", "activated_at", "verifies_until")
_WHAT_RETIRING_DOES = {
    Phase.ACTIVE: "The next key signs in its place from now on. Every access token that it has signed is refused; clients refresh them.",
    Phase.NEXT: "It has signed nothing. Verifiers that fetched our keys must learn the one that is made in its place.",
    Phase.RETIRING: "Access tokens that it has signed and that have not expired are refused; clients refresh them.",
}


@keys.command("list")
@click.option("--all", "with_retired", is_flag=True, help="Those that are retired too.")
@json_option
@answering
def list_(answers: Answers, *, with_retired: bool) -> None:
    """Every signing key in use, oldest first."""
    found = [_described(key) for key in service(SigningKeys).list_keys(with_retired=with_retired)]
    if answers.as_json:
        answers.give({"keys": found})
        return
    if service(SigningKeys).is_shared_secret:
        answers.say("JWT_ALGORITHM is HS256: tokens are signed with JWT_SECRET_KEY, which is kept in the settings and not here.")
    answers.table(_COLUMNS, [["-" if key[column] is None else key[column] for column in _COLUMNS] for key in found])
    unreadable = [key["kid"] for key in found if not key["is_readable"]]
    if unreadable:
        answers.say(f"Cannot be decrypted with the present KEY_ENCRYPTION_KEY or SECRET_KEY: {', '.join(unreadable)}.")


@keys.command("rotate")
@click.option("--if-due", is_flag=True, help="Only what its age has made due; for cron.")
@json_option
@answering
def rotate(answers: Answers, *, if_due: bool) -> None:
    """Let the next key sign. The one before goes on verifying for SIGNING_KEY_OVERLAP_HOURS: no token stops being good."""
    rotation = service(SigningKeys)
    client = Client.of_command_line()
    signs = rotation.rotate_if_due(client=client) if if_due else rotation.rotate(client=client)
    if answers.as_json:
        answers.give({"has_rotated": signs is not None, "kid": signs})
    elif signs is not None:
        answers.say(f"{signs} signs from now on. What was signed before is good until it expires.")
    elif if_due:
        answers.say("Nothing was due: the key that signs is not old enough, or SIGNING_KEY_ROTATION_DAYS is 0.")
    else:
        answers.say("Somebody else has rotated the keys at this moment; once is enough.")


# One id in 64 begins with a hyphen, and is no option: which is why `--yes` has no short form.
@keys.command("retire", context_settings={"ignore_unknown_options": True})
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@answering
def retire(answers: Answers, kid: str, *, yes: bool) -> None:
    """End a key at once: for one that may have become known. Tokens that it has signed are refused within ten seconds."""
    known = {key.kid: key for key in service(SigningKeys).list_keys(with_retired=True)}
    if not yes and kid in known and known[kid].phase in _WHAT_RETIRING_DOES:
        _confirm(known[kid])
    retirement = service(SigningKeys).retire(kid=kid, client=Client.of_command_line())
    if answers.as_json:
        answers.give({"kid": retirement.kid, "was": retirement.was.value, "replaced_by": retirement.replaced_by})
    elif retirement.was == Phase.RETIRED:
        answers.say(f"{retirement.kid} was retired already.")
    else:
        answers.say(f"{retirement.kid} is retired, and its private half removed. Every worker refuses its tokens within ten seconds.")
        if retirement.replaced_by:
            answers.say(f"{retirement.replaced_by} signs in its place.")


def _confirm(key: KeyDescription) -> None:
    """Ask whether it is meant. Raises `click.UsageError` when there is nobody to ask, and `click.Abort` when it is not."""
    if not _is_terminal():
        raise click.UsageError("There is no terminal to ask whether you are sure: say --yes.")
    click.echo(f"{key.kid} ({key.algorithm}) is {key.phase}. {_WHAT_RETIRING_DOES[Phase(key.phase)]} This cannot be undone.", err=True)
    click.confirm("Retire it?", abort=True, err=True)


def _described(key: KeyDescription) -> dict[str, Any]:
    """A key in the words of the API."""
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "phase": key.phase,
        "created_at": rfc3339(key.created_at),
        "activated_at": _written(key.activated_at),
        "verifies_until": _written(key.verifies_until),
        "retired_at": _written(key.retired_at),
        "is_readable": key.is_readable,
    }


def _written(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _is_terminal() -> bool:
    return sys.stdin.isatty()
