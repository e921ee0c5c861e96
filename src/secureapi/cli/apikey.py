"""`flask apikey`: the keys with which programs come in somebody's name (docs/api-keys.md).

A value is told once, on standard output, when it is made: only a keyed hash of it is kept.
"""

import sys

import click
from flask.cli import AppGroup

from secureapi.auth.errors import NoSuchApiKey
from secureapi.auth.schemas.api_keys import ApiKeyRequest, ApiKeyResponse
from secureapi.auth.service import ApiKeys
from secureapi.cli.accounts import person_called
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.identifiers import is_id
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.core.settings_versions import SettingsWatch

apikey = AppGroup("apikey", help="API keys of an account: list, create, revoke, also one that was found where it should not be.")
_who = click.argument("who", metavar="ID|USERNAME|EMAIL")
_COLUMNS = ("id", "prefix", "name", "scopes", "expires_at", "last_used_at", "last_used_from")
_LONGEST_VALUE = 1000


@apikey.command("list")
@_who
@json_option
@answering
def list_(answers: Answers, who: str) -> None:
    """The keys of an account that are not revoked, newest first."""
    rows = ApiKeyResponse(many=True).dump(service(ApiKeys).list_of(user_id=person_called(who).id))
    if answers.as_json:
        answers.give({"api_keys": rows})
    elif rows:
        answers.table(_COLUMNS, [[_cell(row[column]) for column in _COLUMNS] for row in rows])
    else:
        answers.say("This account has no API keys.")


@apikey.command("create")
@_who
@click.option("--name", required=True, help="What the key is for: at most 100 characters.")
@click.option("--scope", "scopes", multiple=True, required=True, help="A permission, as content:read. May be given more than once.")
@click.option("--days", type=int, help="How long it is good. API_KEY_MAX_DAYS otherwise, and at most.")
@click.option("--network", "networks", multiple=True, help="From where it may be used, as 203.0.113.0/24. May be given more than once.")
@click.option("--per-minute", type=int, help="Requests a minute. The general limit otherwise.")
@click.option("--daily-quota", type=int, help="Requests a day, in UTC. None otherwise.")
@json_option
@answering
def create(
    answers: Answers,
    who: str,
    *,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    networks: tuple[str, ...],
    per_minute: int | None,
    daily_quota: int | None,
) -> None:
    """Make a key for an account, which is told of it by mail. Prints its value, this one time."""
    asked = {"expires_in_days": days, "requests_per_minute": per_minute, "daily_quota": daily_quota}
    given = {field: value for field, value in asked.items() if value is not None}
    wanted = ApiKeyRequest().load({"name": name, "scopes": list(scopes), "allowed_networks": list(networks)} | given)
    service(SettingsWatch).keep_up()
    told = service(ApiKeys).create(**wanted, user_id=person_called(who).id, caller=None, client=Client.of_command_line())
    made = ApiKeyResponse().dump(told.key)
    answers.record({column: _cell(made[column]) for column in ("id", "name", "scopes", "expires_at")} | {"api_key": told.value})


@apikey.command("revoke")
@click.argument("key_id", metavar="[ID]", required=False)
@click.option("--leaked", metavar="VALUE", help="A value that was found somewhere; - reads it from standard input.")
@json_option
@answering
def revoke(answers: Answers, key_id: str | None, *, leaked: str | None) -> None:
    """Revoke a key: it is refused from now on, everywhere. With --leaked its owner is told by mail.

    What stands on a command line can be read by every program of the machine, and stays in the history of the shell: prefer --leaked -.
    """
    if (key_id is None) == (leaked is None):
        raise click.UsageError("Give either the id of a key, from `flask apikey list`, or --leaked VALUE.")
    if leaked is not None:
        value = sys.stdin.readline(_LONGEST_VALUE) if leaked == "-" else leaked
        key_id = service(ApiKeys).revoke_leaked(value=value.strip(), client=Client.of_command_line()).id
    elif key_id is not None and is_id(key_id):
        service(ApiKeys).revoke(key_id=key_id, caller=None, client=Client.of_command_line())
    else:
        raise NoSuchApiKey
    if answers.as_json:
        answers.give({"id": key_id})
    else:
        answers.say(f"The key {key_id} is revoked.")


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "-" if value is None else str(value)
