"""`flask config change`, `changes` and `restore`: settings that may change while the server runs, from the command line of the server.

The way back for an administrator who has locked himself out: nothing here asks a limit, or anybody's permission.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from secureapi.auth.schemas.configuration import ConfigurationChangeResponse, ConfigurationRequest, SettingsVersionResponse
from secureapi.auth.service import Configuration
from secureapi.cli.answers import Answers, answering, json_option
from secureapi.cli.surroundings import application, settings_here
from secureapi.core.database import reading_engine
from secureapi.core.requests import Client
from secureapi.core.services import service
from secureapi.core.settings_versions import newest
from secureapi.settings import Settings
from secureapi.settings.overrides import combined

_comment = click.option("--comment", default="", help="Why: at most 500 characters.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be changed, or what is wrong.")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says about settings that may change."""

    number: int
    settings: Settings
    """Those of the start with what was changed over them."""
    in_force: frozenset[str]
    """The names of what was changed, as far as it counts here."""
    unusable: Mapping[str, str]


def stored(settings: Settings) -> Stored | None:
    """What was changed, without an application; None where the database cannot be asked, or has no such table yet."""
    file = settings.sqlite_path
    if file is not None and not file.exists():
        # Connecting would make an empty file.
        return Stored(0, settings, frozenset(), {})
    engine = reading_engine(settings)
    try:
        with engine.connect() as connection:
            number, overrides = newest(connection) or (0, {})
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()
    together = combined(settings, overrides)
    return Stored(number, together.settings, frozenset(overrides) - together.unusable.keys(), together.unusable)


@click.command("changes")
@click.option("--page", type=click.IntRange(1, 100_000), default=1, show_default=True)
@click.option("--per-page", type=click.IntRange(1, 100), default=20, show_default=True)
@json_option
@answering
def changes(answers: Answers, *, page: int, per_page: int) -> None:
    """Who changed which setting while the server runs, newest first."""
    with application(settings_here()):
        versions = SettingsVersionResponse(many=True).dump(service(Configuration).history(page=page, per_page=per_page).items)
    if answers.as_json:
        answers.give({"versions": versions})
    elif versions:
        answers.table(("version", "at", "by", "what", "comment"), [_row(version) for version in versions])
    else:
        answers.say("Nothing was changed while the server runs.")


@click.command("change")
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@_comment
@_dry_run
@json_option
@answering
def change(answers: Answers, *, pairs: tuple[str, ...], comment: str, dry_run: bool) -> None:
    """Change settings while the server runs, all of them or none. `NAME=` lets the environment decide again."""
    if not all("=" in pair for pair in pairs):
        raise click.UsageError("Write each one as NAME=VALUE, or NAME= to let the environment decide again.")
    wanted = {name.strip().upper(): value.strip() or None for name, _, value in (pair.partition("=") for pair in pairs)}
    if len(wanted) < len(pairs):
        raise click.UsageError("A setting is named twice.")
    _put(answers, {"changes": wanted, "comment": comment, "dry_run": dry_run})


@click.command("restore")
@click.argument("version", type=click.IntRange(0))
@_comment
@_dry_run
@json_option
@answering
def restore(answers: Answers, *, version: int, comment: str, dry_run: bool) -> None:
    """Let everything be as it was with an older version; 0 takes every change back."""
    _put(answers, {"restore": version, "comment": comment, "dry_run": dry_run})


def _put(answers: Answers, wanted: dict[str, Any]) -> None:
    with application(settings_here()):
        configuration = service(Configuration)
        request = ConfigurationRequest().load(wanted | {"version": configuration.shown().version})
        made = configuration.change(**request, caller=None, client=Client.of_command_line())
    if answers.as_json:
        answers.give(ConfigurationChangeResponse().dump(made))
        return
    for each in made.changes:
        answers.say(_what(each))
    if not made.changes:
        answers.say("Nothing differs.")
    elif made.is_dry_run:
        answers.say("Nothing was changed: this was a dry run.")
    else:
        answers.say(f"This is version {made.version}. Every worker has it within {made.effective_within_seconds} seconds.")


def _row(version: Mapping[str, Any]) -> list[str]:
    author = version["made_by"]
    what = "; ".join(_what(each) for each in version["changes"])
    by = (author["username"] or author["id"]) if author else "command line"
    return [str(version["version"]), version["made_at"], by, what, version["comment"]]


def _what(each: Mapping[str, str | None]) -> str:
    before, after = (each[when] if each[when] is not None else "(as started)" for when in ("before", "after"))
    return f"{each['name']}: {before} -> {after}"
