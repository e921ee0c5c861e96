"""`flask plugin`: the extensions that have tables here, and taking their tables away (docs/extending.md)."""

import sys

import click
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from flask.cli import AppGroup

from secureapi.cli.answers import Answers, answering, json_option
from secureapi.core.database import Database
from secureapi.core.extension_migrations import ExtensionMigrations
from secureapi.core.services import service

plugin = AppGroup("plugin", help="Extensions with tables of their own: list, take the tables back.")


@plugin.command("list")
@json_option
@answering
def list_(answers: Answers) -> None:
    """Every extension that has migrations, and how many of them have not run."""
    migrations = service(ExtensionMigrations)
    with service(Database).reading() as connection:
        pending = [step.partition(":")[0] for step in migrations.pending(connection)]
    rows = [{"name": name, "pending": pending.count(name)} for name in migrations.names]
    if answers.as_json:
        answers.give({"plugins": rows})
    elif rows:
        answers.table(("name", "pending"), [[str(cell) for cell in row.values()] for row in rows])
    else:
        answers.say("No extension with tables is plugged in.")


@plugin.command("downgrade")
@click.argument("name")
@click.option("--to", "revision", default="base", show_default=True, metavar="REVISION", help="The migration that is to be the last one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@answering
def downgrade(answers: Answers, name: str, *, revision: str, yes: bool) -> None:
    """Take back the migrations of an extension, and with them what its tables hold.

    The extension must still be plugged in: its files say how.
    """
    migrations = service(ExtensionMigrations)
    if name not in migrations.names:
        raise click.ClickException(f"No extension of that name has tables here. There is: {', '.join(migrations.names) or 'none'}.")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask whether you are sure: say --yes.")
        click.confirm("What these tables hold will be lost. Go on?", abort=True, err=True)
    try:
        with service(Database).engine.connect() as connection:
            migrations.downgrade(connection, name, revision)
    except (CommandError, RevisionError):
        raise click.ClickException("The extension has no migration of that name, or has not come so far.") from None
    answers.say(f"The tables of {name} are taken back. `flask db upgrade` makes them anew.")
