"""`flask role`: the roles that administrators define, from the command line of the server."""

from typing import Any

import click
from flask.cli import AppGroup

from secureapi.auth.schemas.administration import RoleChange, RoleCreation, RoleResponse
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.permissions import Permission
from secureapi.users.service import Explanations, Roles

role = AppGroup("role", help="Roles over the permissions that there are: list, define, change, remove, and explain.")
_permission = click.option(
    "--permission", "permissions", type=click.Choice([one.value for one in Permission]), multiple=True, help="Once for each permission."
)
_description = click.option("--description", help="What the role is for.")
_rank = click.option("--rank", type=click.IntRange(0, 99), help="Whoever has it acts on accounts of this rank and below; 20 unless given.")
_COLUMNS = ("name", "rank", "permissions", "description")


@role.command("list")
@json_option
@answering
def list_(answers: Answers) -> None:
    """Every role, the built-in ones first."""
    roles = RoleResponse(many=True).dump(service(Roles).every())
    if answers.as_json:
        answers.give({"roles": roles})
        return
    answers.table(_COLUMNS, [[one["name"], str(one["rank"]), " ".join(one["permissions"]), one["description"]] for one in roles])


@role.command("define")
@click.argument("name")
@_permission
@_description
@_rank
@json_option
@answering
def define(answers: Answers, *, name: str, permissions: tuple[str, ...], description: str | None, rank: int | None) -> None:
    """Define a role."""
    wanted = RoleCreation().load({"name": name, "permissions": list(permissions)} | _given(description=description, rank=rank))
    _report(answers, service(Roles).define(**wanted, caller=None, client=Client.of_command_line()))


@role.command("change")
@click.argument("name")
@_permission
@click.option("--no-permissions", is_flag=True, help="Take every permission away.")
@_description
@_rank
@json_option
@answering
def change(
    answers: Answers, *, name: str, permissions: tuple[str, ...], no_permissions: bool, description: str | None, rank: int | None
) -> None:
    """Change a role, for everybody who has it. The permissions that are given take the place of those that it had."""
    if permissions and no_permissions:
        raise click.UsageError("Give either --permission or --no-permissions.")
    given = _given(description=description, rank=rank)
    if permissions or no_permissions:
        given["permissions"] = list(permissions)
    _report(answers, service(Roles).change(name=name, **RoleChange().load(given), caller=None, client=Client.of_command_line()))


@role.command("remove")
@click.argument("name")
@json_option
@answering
def remove(answers: Answers, *, name: str) -> None:
    """Remove a role that nobody has."""
    service(Roles).remove(name=name, caller=None, client=Client.of_command_line())
    if answers.as_json:
        answers.give({"removed": name})
    else:
        answers.say(f"The role {name} is gone.")


@role.command("explain")
@click.argument("who", metavar="ID|USERNAME|EMAIL")
@click.argument("permission", type=click.Choice([one.value for one in Permission]))
@json_option
@answering
def explain(answers: Answers, *, who: str, permission: str) -> None:
    """Whether somebody may do something now, and why."""
    told = service(Explanations).explain(who=who, permission=permission, caller=None, client=Client.of_command_line())
    if answers.as_json:
        answers.give({"username": told.username, "is_allowed": told.is_allowed, "code": told.code, "reason": told.reason})
    else:
        answers.say(f"{'Yes' if told.is_allowed else 'No'}. {told.reason}")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _report(answers: Answers, shown: object) -> None:
    described = RoleResponse().dump(shown)
    if answers.as_json:
        answers.give(described)
    else:
        answers.record(described | {"permissions": " ".join(described["permissions"])})
