"""`flask client`: the services that may ask whether a token is good, and revoke it (docs/introspection.md).

A secret is told once, on standard output, when it is made: only its hash is kept.
"""

import click
from flask.cli import AppGroup

from secureapi.auth.schemas.for_services import ClientResponse, NewClient
from secureapi.auth.service import Clients
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.requests import Client
from secureapi.core.services import service

client = AppGroup("client", help="Services that may ask about tokens: add, list, give a new secret, remove.")
_id = click.argument("client_id", metavar="ID")


@client.command("add")
@_id
@click.option("--description", default="", help="Whose it is, or what for: at most 200 characters.")
@json_option
@answering
def add(answers: Answers, client_id: str, *, description: str) -> None:
    """Add a service. ID is 3 to 64 of a-z, 0-9, dot, underscore and hyphen. Prints its secret, this one time."""
    wanted = NewClient().load({"client_id": client_id, "description": description})
    secret = service(Clients).add(**wanted, client=Client.of_command_line())
    answers.record({"client_id": client_id, "client_secret": secret})


@client.command("list")
@json_option
@answering
def list_(answers: Answers) -> None:
    """Every service that may ask, without its secret."""
    rows = ClientResponse(many=True).dump(service(Clients).list_all())
    if answers.as_json:
        answers.give({"clients": rows})
    elif rows:
        columns = ("client_id", "description", "created_at")
        answers.table(columns, [[row[column] for column in columns] for row in rows])
    else:
        answers.say("There are no clients.")


@client.command("new-secret")
@_id
@json_option
@answering
def new_secret(answers: Answers, client_id: str) -> None:
    """Give a service a new secret. The old one is refused at once. Prints the new one, this one time."""
    secret = service(Clients).change_secret(client_id=client_id, client=Client.of_command_line())
    answers.record({"client_id": client_id, "client_secret": secret})


@client.command("remove")
@_id
@json_option
@answering
def remove(answers: Answers, client_id: str) -> None:
    """Remove a service. Its secret is refused at once."""
    service(Clients).remove(client_id=client_id, client=Client.of_command_line())
    if answers.as_json:
        answers.give({"client_id": client_id})
    else:
        answers.say("The client is removed.")
