"""`flask openapi export`: the API's description in a file, the same bytes for the same code."""

import json
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from secureapi.cli.answers import Answers, answering
from secureapi.security.openapi import OpenApi, describe

openapi = AppGroup("openapi", help="The API's description.")


@openapi.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path), required=False)
@answering
def export(answers: Answers, file: Path | None) -> None:
    """Write the description (OpenAPI 3.1) to FILE, or to standard output. Paths are sorted, so that two of them can be compared."""
    text = json.dumps(_ordered(described()), indent=2, ensure_ascii=True)
    if file is None:
        answers.say(text)
        return
    file.write_text(text + "\n", encoding="utf-8")
    answers.say(f"Wrote {file}.")


def described() -> dict[str, Any]:
    """The description of the application at hand, as `/openapi.json` gives it."""
    (registered,) = current_app.extensions["flask-smorest"]["apis"].values()
    api: OpenApi = registered["ext_obj"]
    return describe(current_app, api)


def _ordered(description: dict[str, Any]) -> dict[str, Any]:
    """The same with paths and components by name, and what OpenAPI asks to be read first in front."""
    components = {kind: dict(sorted(named.items())) for kind, named in sorted(description["components"].items())}
    sorted_parts = {"paths": dict(sorted(description["paths"].items())), "components": components}
    first = {name: description[name] for name in ("openapi", "info")}
    return first | {name: description[name] for name in sorted(description) if name not in first} | sorted_parts
