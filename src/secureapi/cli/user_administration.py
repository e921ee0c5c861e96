"""`flask user invite`, `role`, `lock`, `require-password-change` and `delete`: what becomes of accounts, from the command line."""

from datetime import timedelta

import click

from secureapi.auth.schemas.administration import UserLock
from secureapi.auth.service import Administration, NewAccounts
from secureapi.cli.accounts import described, person_called
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.clock import rfc3339
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.security.permissions import Role
from secureapi.users.errors import RegistrationRefused
from secureapi.users.schemas import ProfileChange

_who = click.argument("who", metavar="ID|USERNAME|EMAIL")


@click.command("invite")
@click.option("--email", required=True, help="Where the link is sent to. It counts as verified.")
@click.option("--username", required=True, help="3 to 50 letters, digits, hyphens and underscores.")
@click.option("--role", default=Role.USER.value, show_default=True, help="A built-in role, or one of `flask role list`.")
@click.option("--full-name", help="The name that people see.")
@json_option
@answering
def invite(answers: Answers, *, email: str, username: str, role: str, full_name: str | None) -> None:
    """Open an account whose owner chooses a password by the link in a message."""
    wanted = {"username": username, "email": email} | ({"full_name": full_name} if full_name else {})
    account = ProfileChange().load(wanted)
    try:
        made = service(NewAccounts).create(**account, role=role, caller=None, client=Client.of_command_line())
    except RegistrationRefused:
        raise click.ClickException("The username or the address is taken. `flask user list -q` finds by whom.") from None
    answers.record(described(made))


@click.command("invite-again")
@_who
@json_option
@answering
def invite_again(answers: Answers, *, who: str) -> None:
    """Send the invitation once more to somebody who has not accepted it. The link in the former one is void."""
    person = person_called(who)
    service(NewAccounts).invite_again(user_id=person.id, caller=None, client=Client.of_command_line())
    _report(answers, person.id, f"{person.username} is sent another invitation.")


@click.command("role")
@_who
@click.argument("role")
@json_option
@answering
def role(answers: Answers, *, who: str, role: str) -> None:
    """Give an account another role. Tokens that name the former one are refused while it has another; a refresh gives new ones."""
    person = person_called(who)
    service(Administration).change(user_id=person.id, changes={"role": role}, caller=None, client=Client.of_command_line())
    _report(answers, person.id, f"{person.username} has the role {role}.")


@click.command("lock")
@_who
@click.option("--minutes", type=click.IntRange(1), help="For so long. Without it, until somebody unlocks it.")
@click.option("--reason", help="Why, for other administrators.")
@json_option
@answering
def lock(answers: Answers, *, who: str, minutes: int | None, reason: str | None) -> None:
    """Let nobody use an account until it is unlocked, and end its sessions. Not the last administrator's."""
    person = person_called(who)
    said = {"minutes": minutes, "reason": reason}
    wanted = UserLock().load({name: value for name, value in said.items() if value is not None})
    after = service(Administration).lock(
        user_id=person.id,
        lasting=timedelta(minutes=wanted["minutes"]) if "minutes" in wanted else None,
        reason=wanted.get("reason"),
        caller=None,
        client=Client.of_command_line(),
    )
    until = f" until {rfc3339(after.locked_until)}" if after.locked_until else ""
    _report(answers, person.id, f"{person.username} is {after.status}{until}.")


@click.command("require-password-change")
@_who
@json_option
@answering
def require_password_change(answers: Answers, *, who: str) -> None:
    """Refuse the password of an account, end its sessions, and send its owner a link for another one."""
    person = person_called(who)
    service(Administration).require_password_change(user_id=person.id, caller=None, client=Client.of_command_line())
    _report(answers, person.id, f"{person.username} is sent a link for another password; all of the account's sessions ended.")


@click.command("delete")
@_who
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@answering
def delete(answers: Answers, *, who: str, yes: bool) -> None:
    """Delete an account for good. What the trail has about it stays. Not the last administrator's."""
    person = person_called(who)
    if not yes:
        click.confirm(f"Delete the account {person.username} for good?", abort=True, err=True)
    service(Administration).delete(user_id=person.id, caller=None, client=Client.of_command_line())
    if answers.as_json:
        answers.give({"deleted": person.id})
    else:
        answers.say(f"{person.username} is gone.")


def _report(answers: Answers, user_id: str, sentence: str) -> None:
    if answers.as_json:
        answers.give(described(person_called(user_id)))
    else:
        answers.say(sentence)


COMMANDS = (invite, invite_again, role, lock, require_password_change, delete)
