"""The settings as people read them: docs/settings.md and .env.example, made from the fields themselves so that they cannot be wrong.

`spelled` writes a value the way `.env` takes it; `flask config show` uses it too. Where a value came from is not known here.
"""

import dataclasses
import textwrap
from collections.abc import Iterator
from typing import Any, get_type_hints

from secureapi.settings.fields import About
from secureapi.settings.model import Settings
from secureapi.settings.values import LONGEST_WINDOW, Rate

_WIDTH = 100
_KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Rate: "a rate such as 5/minute"}


def settings_page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "<!-- Made by `flask config docs` from src/secureapi/settings/model.py: change it there. -->",
        "",
        "Every setting is read from the environment, or from the file `.env` in the working directory (another one when `SECUREAPI_DOTENV`",
        "names it); the environment wins.",
        "Any of them can also come from a file: `SECRET_KEY_FILE=/run/secrets/secret_key` is `SECRET_KEY` with that file's content.",
        'Lists are written as JSON (`["a","b"]`) or with commas (`a,b`).',
        "An empty value counts as not set.",
        "Some settings [may be changed while the server runs](running-settings.md); then that counts, and not the environment.",
        "The server does not start with settings that are incomplete or not safe together, and names every fault at once;",
        "`flask config check` does the same without starting, `flask config show` tells what is in force, `flask doctor` tries it out.",
    ]
    for group, fields in _by_group():
        lines += ["", f"## {group}"]
        for field in fields:
            lines += ["", *_section(field)]
    return "\n".join(lines) + "\n"


def dotenv_example() -> str:
    """.env.example: every setting with its default, commented out, so that a copy of it changes nothing and holds no secret."""
    lines = [
        "# Made by `flask config docs` from src/secureapi/settings/model.py: change it there.",
        "# Copy it to .env, keep that file to yourself (chmod 600), and take away the # before what you want to set.",
        "# `flask init` makes a .env with random secrets when there is none. docs/settings.md says the same at more length.",
    ]
    for group, fields in _by_group():
        lines += ["", "", f"# ---- {group.lower()}"]
        for field in fields:
            about = about_of(field)
            lines += ["", *_commented(about.doc)]
            if about.example.startswith("("):
                lines += _commented(f"Make one with: {about.example[1:-1]}")
            elif about.example and not _is_required(field):
                lines += _commented(f"Example: {field.name.upper()}={about.example}")
            lines.append(f"# {field.name.upper()}={_suggested(field)}")
    return "\n".join(lines) + "\n"


def about_of(field: dataclasses.Field[Any]) -> About:
    """What a field of `Settings` says about itself."""
    about: About = field.metadata["about"]
    return about


def spelled(value: object) -> str:
    """A value as it would be written into the environment. The empty text stands for what is not set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _by_group() -> Iterator[tuple[str, list[dataclasses.Field[Any]]]]:
    """The fields under their groups, both in the order in which they are declared."""
    groups: dict[str, list[dataclasses.Field[Any]]] = {}
    for field in dataclasses.fields(Settings):
        groups.setdefault(about_of(field).group, []).append(field)
    yield from groups.items()


def _section(field: dataclasses.Field[Any]) -> list[str]:
    about = about_of(field)
    lines = [f"### `{field.name.upper()}`", "", *_sentences(about.doc), "", f"- {_kind(field)}"]
    if _is_required(field):
        lines.append("- required: the server does not start without it")
    else:
        lines.append(f"- default: `{spelled(field.default)}`" if spelled(field.default) else "- default: not set")
    if about.changeable:
        lines.append("- may be changed while the server runs ([how](running-settings.md))")
    if about.secret:
        lines.append("- secret: never shown, and better kept in a file that " + f"`{field.name.upper()}_FILE` names")
    if about.aliases:
        lines.append(f"- also accepted as {_listed(about.aliases)}; setting both to different values is a fault")
    if about.example:
        example = about.example[1:-1] if about.example.startswith("(") else f"{field.name.upper()}={about.example}"
        lines.append(f"- make one with `{example}`" if about.example.startswith("(") else f"- example: `{example}`")
    return lines


def _kind(field: dataclasses.Field[Any]) -> str:
    about, hint = about_of(field), get_type_hints(Settings)[field.name]
    if about.choices:
        return f"one of {_listed(about.choices)}"
    kind = _KINDS.get(hint, "a list")
    if hint is Rate and about.most is not None:
        return f"{kind}, at most {about.most:.15g} requests, over at most {LONGEST_WINDOW // 86_400} days"
    if about.least is not None and about.most is not None:
        return f"{kind} from {about.least:g} to {about.most:.15g}"
    return f"{kind}, at least {about.least:g}" if about.least is not None else kind


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _suggested(field: dataclasses.Field[Any]) -> str:
    """What stands behind the name: the default, or for a required setting an example that is no secret."""
    if not _is_required(field):
        return spelled(field.default)
    example = about_of(field).example
    return "" if example.startswith("(") else example


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _sentences(text: str) -> list[str]:
    """One sentence a line, as all of our prose is written."""
    return text.replace(". ", ".\n").split("\n")


def _commented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False)
