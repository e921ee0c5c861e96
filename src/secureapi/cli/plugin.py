"""`flask plugin`: the extensions that have tables here, and taking their tables away (docs/extending.md)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError

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
    rows = []
    with service(Database).reading() as connection:
        for name in migrations.names:
            with _in_words(name):
                rows.append({"name": name, "pending": len(migrations.pending_of(connection, name))})
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
    if not revision:
        raise click.UsageError("--to wants the name of a migration, or base.")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask whether you are sure: say --yes.")
        click.confirm("What these tables hold will be lost. Go on?", abort=True, err=True)
    with service(Database).engine.connect() as connection, _in_words(name):
        before = migrations.present(connection, name)
        migrations.downgrade(connection, name, revision)
        after = migrations.present(connection, name)
    if after == before:
        answers.say(f"Nothing was taken back: {name} stands at {', '.join(after) or 'its beginning'}.")
    elif after:
        answers.say(f"{name} stands at {', '.join(after)} now. `flask db upgrade` brings back what was behind it.")
    else:
        answers.say(f"The tables of {name} are taken back. `flask db upgrade` makes them anew.")


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Say in a sentence what the migrations of an extension raise: they are somebody else's, and may raise anything."""
    try:
        yield
    except (CommandError, RevisionError):
        problem = "has no migration of that name, has not come so far, or has tables that are newer than its files"
        raise click.ClickException(f"The extension {name} {problem}.") from None
    except DBAPIError:
        raise
    except Exception as error:
        raise click.ClickException(f"A migration of {name} does not work: {type(error).__name__}: {error}") from error
