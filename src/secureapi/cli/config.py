"""`flask config`: whether the settings are right, what is in force and why, and the reference pages.

An entry point of its own: with settings that are refused there is no application.
"""

import dataclasses
from pathlib import Path
from typing import Any

import click

from secureapi.cli.answers import Answers, answering, json_option
from secureapi.cli.reference import pages
from secureapi.cli.running_settings import change, changes, restore, stored
from secureapi.cli.surroundings import Origin, origins, settings_here
from secureapi.settings import Settings, SettingsRefused
from secureapi.settings.reference import about_of, spelled


@click.group()
def config() -> None:
    """The settings: check them, show them, change what may change while the server runs, write the pages about them."""


for command in (change, changes, restore):
    config.add_command(command)


@config.command("check")
@json_option
@answering
def check(answers: Answers) -> None:
    """Name every fault of the settings at once. Exit status 1 when there is any."""
    try:
        settings_here()
    except SettingsRefused as refused:
        if not answers.as_json:
            raise
        answers.give({"is_complete": False, "faults": refused.faults})
        raise click.exceptions.Exit(1) from None
    if answers.as_json:
        answers.give({"is_complete": True, "faults": []})
    else:
        answers.say("The settings are complete and safe together.")


@config.command("show")
@json_option
@answering
def show(answers: Answers) -> None:
    """Every setting, its value, and where that is from. Secrets are only said to be set or not.

    What was changed while the server runs is read from the database, where that can be asked.
    """
    settings = settings_here()
    kept = stored(settings)
    if kept is None:
        click.echo("The database cannot be asked: what was changed while the server runs is not shown.", err=True)
    changed = {} if kept is None else {name.lower(): f"version {kept.number}" for name in kept.in_force}
    settings = settings if kept is None else kept.settings
    values = {field.name: _shown(settings, field) for field in dataclasses.fields(Settings)}
    found = [Origin(o.name, "changed", changed[o.name]) if o.name in changed else o for o in origins()]
    if answers.as_json:
        shown = {o.name.upper(): {"value": values[o.name], "source": o.source, "read_from": o.spelling} for o in found}
        answers.give(shown)
        return
    answers.table(("setting", "value", "from"), [[o.name.upper(), values[o.name] or "(not set)", _from(o)] for o in found])


@config.command("docs")
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit with 1 when a page is not up to date.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The project's folder.")
@answering
def docs(answers: Answers, *, is_check: bool, folder: Path) -> None:
    """Write the generated pages (docs/ and .env.example), or see whether they are what the code says."""
    stale = {path: text for path, text in pages().items() if _present(folder / path) != text}
    if is_check and stale:
        listed = ", ".join(map(str, stale))
        raise click.ClickException(f"not what the code says any more: {listed}. Run: flask config docs")
    for path, text in stale.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        answers.say(f"wrote {path}")
    if not stale:
        answers.say("The pages are up to date.")


def _shown(settings: Settings, field: dataclasses.Field[Any]) -> str:
    """A value as it may be seen. Passwords hide in addresses too, which is why those count as secrets."""
    value = spelled(getattr(settings, field.name))
    if about_of(field).secret:
        return "(set)" if value else "(not set)"
    return value


def _from(origin: Origin) -> str:
    if origin.source == "default":
        return "default"
    if origin.source == "changed":
        return f"changed, {origin.spelling}"
    is_other = origin.spelling != origin.name.upper()
    return f"{origin.source}, as {origin.spelling}" if is_other else origin.source


def _present(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
