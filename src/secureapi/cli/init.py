"""`flask init`: everything that a first start needs, made where it is missing. Running it again changes nothing.

It is an entry point of its own, since there may be no settings yet from which an application could be built.
"""

import shlex
import time
from collections.abc import Callable
from typing import TypeVar

import click

from secureapi.cli import installation
from secureapi.cli.answers import Answers, answering
from secureapi.cli.first_settings import make_dotenv
from secureapi.cli.installation import Administrator
from secureapi.cli.surroundings import application, dotenv_path, settings_here, variables
from secureapi.settings import Settings

T = TypeVar("T")


@click.command()
@answering
def init(answers: Answers) -> None:
    """Make what a first start needs: settings with random secrets, database, tables, signing key, administrator.

    Nothing that is there is changed. SECUREAPI_ADMIN_EMAIL, SECUREAPI_ADMIN_USERNAME and SECUREAPI_ADMIN_PASSWORD_FILE name the
    first administrator; with a password file nothing secret is shown.
    """
    given = variables()
    step = _Steps(answers)
    step("settings", lambda: make_dotenv(dotenv_path(), given))
    settings = settings_here(given)
    file = installation.sqlite_file(settings)
    if file:
        step("folder", lambda: installation.make_folder(file))
    with application(settings) as app:
        step("database", lambda: installation.make_database(settings))
        with installation.alone(settings):
            step("migrations", lambda: installation.migrate(app))
            step("signing key", lambda: installation.make_signing_key(settings))
            administrator = step("administrator", lambda: installation.make_administrator(given), _introduced)
    _last_words(answers, settings, administrator)


class _Steps:
    """Runs steps, and says of each what it did and how long it took."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __call__(self, name: str, act: Callable[[], T], worded: Callable[[T], str] = str) -> T:
        began = time.perf_counter()
        done = act()
        self._answers.say(f"  {name:<13} {worded(done):<44} {time.perf_counter() - began:>6.2f} s")
        return done


def _introduced(administrator: Administrator) -> str:
    return f"created {administrator.email}" if administrator.is_new else "already there"


def _last_words(answers: Answers, settings: Settings, administrator: Administrator) -> None:
    if administrator.password:
        answers.say()
        answers.say("  The administrator's password, shown this once:")
        answers.say(f"      {administrator.email}    {administrator.password}")
    address = settings.public_url
    answers.say()
    if settings.docs_access != "off":
        answers.say(f"  API docs      {address}/docs")
    answers.say(f"  Health        {address}/health")
    answers.say()
    answers.say("  Once the server runs, sign in and look at your account:")
    answers.say()
    for line in _sign_in_lines(address, administrator):
        answers.say(line)
    answers.say()


def _sign_in_lines(address: str, administrator: Administrator) -> tuple[str, str]:
    """Two lines to paste. They are one command, since a shell that asks for the password would read the second line as the answer."""
    if administrator.password:
        ask, password = "", shlex.quote(f"password={administrator.password}")
    else:
        ask, password = "printf 'Password: '; read -rs PASSWORD; echo; ", '"password=$PASSWORD"'
    user = shlex.quote(f"username={administrator.username}")
    first = f"{ask}TOKEN=$(curl -s {address}/api/v1/auth/login --data-urlencode {user} --data-urlencode {password}"
    extract = r"""sed 's/.*"access_token": *"\([^"]*\)".*/\1/'"""
    return f"{first} | {extract}) && \\", f'curl -s {address}/api/v1/users/me -H "Authorization: Bearer $TOKEN"'
