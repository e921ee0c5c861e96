"""What commands find around them: the settings, the file they come from, and the application that is built from them.

`init`, `doctor` and `config` use this; commands that are registered on the application get it from Flask.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environs import Env
from flask import Flask
from werkzeug.utils import import_string

from secureapi.core.database import Database
from secureapi.core.services import service
from secureapi.settings import Settings, load_settings
from secureapi.settings.reference import about_of

_FLASKS_FILES = (".flaskenv", ".env")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one setting has its value from."""

    name: str
    """The field of `Settings`."""
    source: str
    """`environment`, `default`, the name of the `.env` file, or `file` for what NAME_FILE points to."""
    spelling: str
    """The variable that was read: the setting's own name, another spelling of it, or either with `_FILE`. Empty for a default."""


def dotenv_path() -> Path:
    """The `.env` file of this installation, as `load_settings` looks for it."""
    return Path(os.environ.get("SECUREAPI_DOTENV") or ".env")


def variables() -> dict[str, str]:
    """The environment, without what the `flask` command itself has put into it before we were asked.

    Flask loads the nearest `.env`, of this folder or of any above it, and could so mix a stranger's file into these settings, or
    overrule the one that SECUREAPI_DOTENV names. The server reads exactly one file, and commands must not see anything else.
    """
    if os.environ.get("FLASK_SKIP_DOTENV"):
        return dict(os.environ)
    loaded: dict[str, str] = {}
    for name in _FLASKS_FILES:
        nearest = next((folder / name for folder in (Path.cwd(), *Path.cwd().parents) if (folder / name).is_file()), None)
        loaded |= _File.values_in(nearest)
    return {name: value for name, value in os.environ.items() if loaded.get(name) != value}


def settings_here(given: Mapping[str, str] | None = None) -> Settings:
    """The settings as the server would read them here. Raises `SettingsRefused`.

    `given` is what `variables` said before; who has made a `.env` since must not ask again which one Flask had found.
    """
    return load_settings(variables() if given is None else given, dotenv=dotenv_path())


def origins() -> Iterator[Origin]:
    """Where each setting has its value from, in the order of the fields."""
    given, written = variables(), _File.values_in(dotenv_path())
    for field in dataclasses.fields(Settings):
        yield _origin(field, given, written)


def is_given(field: dataclasses.Field[Any], given: Mapping[str, str]) -> bool:
    """Whether these variables say anything about a setting, under any of its names."""
    return _origin(field, given, {}).source != "default"


def build(settings: Settings) -> Flask:
    """The application. Lines below warnings are left out: on a terminal, what alembic says to itself is in the way.

    It is named and not imported, because it stands above this room and has the commands in its hands already.
    """
    create_app: Callable[[Settings], Flask] = import_string("secureapi:create_app")
    return create_app(dataclasses.replace(settings, log_level="ERROR" if settings.log_level == "ERROR" else "WARNING"))


@contextmanager
def application(settings: Settings) -> Iterator[Flask]:
    """The application, at hand as it is in a request, and with every connection closed afterwards."""
    app = build(settings)
    with app.app_context():
        try:
            yield app
        finally:
            service(Database).dispose()


class _File(Env):
    """A `.env` file by itself, without the environment around it."""

    @classmethod
    def values_in(cls, path: Path | None) -> dict[str, str]:
        """What the file sets; nothing where there is none."""
        file = cls()
        if path is not None and path.is_file():
            file.read_env(path, recurse=False)
        return dict(file._environ)


def _origin(field: dataclasses.Field[Any], given: Mapping[str, str], written: Mapping[str, str]) -> Origin:
    for name in (field.name.upper(), *about_of(field).aliases):
        if (given.get(f"{name}_FILE") or written.get(f"{name}_FILE") or "").strip():
            return Origin(field.name, "file", f"{name}_FILE")
        for source, values in (("environment", given), (str(dotenv_path()), written)):
            if (values.get(name) or "").strip():
                return Origin(field.name, source, name)
    return Origin(field.name, "default", "")
