"""From environment, `.env` and `*_FILE` to one `Settings`, or to a list of everything that is wrong with it."""

import dataclasses
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import dotenv_values
from environs import Env

from secureapi.settings import rules
from secureapi.settings.fields import About
from secureapi.settings.model import Settings
from secureapi.settings.values import LONGEST_WINDOW, Rate

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
# As people write numbers: Python itself would also take 8_000, 1e3, and digits of other scripts.
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")


class SettingsRefused(Exception):
    """The settings cannot be right. `faults` has one sentence a fault: the name and the remedy, never the value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("the settings are not complete or not safe:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


def load_settings(variables: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """The settings of this process. Raises `SettingsRefused` with every fault at once.

    `variables` stands in for the environment; `dotenv` names the `.env` file, by default the one in the working directory
    (or the file that `SECUREAPI_DOTENV` names). The environment wins over the file.
    """
    source = _Source(variables if variables is not None else os.environ)
    if dotenv is None and variables is None:
        dotenv = Path(os.environ.get("SECUREAPI_DOTENV") or ".env")
    if dotenv is not None and not source.can_read(dotenv):
        # Nothing else is looked at: what is in the file would be missed everywhere.
        raise SettingsRefused([f"{dotenv.name}: must be a readable text file in UTF-8"])
    known: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for field in dataclasses.fields(Settings):
        try:
            value = source.value_of(field)
        except ValueError as error:
            unread[field.name] = f"{field.name.upper()}: {error}"
        else:
            if value is not None:
                known[field.name] = value
    known.setdefault("public_url", f"http://127.0.0.1:{known.get('port', 8000)}")
    if unread:
        # No fault waits for another to be mended first, and none is made up about what could not be read.
        raise SettingsRefused([*unread.values(), *rules.faults_of_the_rest(known, frozenset(unread))])
    settings = Settings(**known)
    faults = rules.faults_of(settings)
    if faults:
        raise SettingsRefused(faults)
    return settings


class _Source(Env):
    """Where one value comes from: a file that NAME_FILE names, the environment, or `.env`, under any of its names."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._variables = variables

    def _load_dotenv(self, path: str | Path, *, override: bool = False) -> None:  # noqa: ARG002 - environs' signature
        """The file as it is written: a `$` in a password is a `$`."""
        values = dotenv_values(path, interpolate=False)
        self._environ |= {name: value for name, value in values.items() if value is not None}

    def can_read(self, dotenv: Path) -> bool:
        """Read a `.env` file, where there is one. False when it is there and cannot be read."""
        try:
            if dotenv.is_file():
                self.read_env(dotenv, recurse=False)
        except (OSError, UnicodeDecodeError):
            return False
        return True

    def value_of(self, field: dataclasses.Field[Any]) -> Any:
        """The value of one field, or None to take the default. Raises `ValueError` with the remedy."""
        about: About = field.metadata["about"]
        names = (field.name.upper(), *about.aliases)
        texts = {name: text for name in names if (text := self._text(name))}
        if not texts:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"is required. {_first_sentence(about.doc)}")
            return None
        if len(set(texts.values())) > 1:
            raise ValueError(f"is set twice with different values, as {' and '.join(texts)}: keep one")
        (text, *_) = texts.values()
        return value_in(text, field)

    def _text(self, name: str) -> str | None:
        """The text under one name, or None. The environment wins over `.env`, in whichever of the two ways either gives the value."""
        return _given(name, self._variables) or _given(name, self._environ)


def value_in(text: str, field: dataclasses.Field[Any]) -> Any:
    """What this text means for a field. Raises `ValueError` with the remedy, which repeats nothing of the text."""
    about: About = field.metadata["about"]
    return _checked(_read(text, _kinds()[field.name], about), about)


@cache
def _kinds() -> dict[str, Any]:
    """The type of each field."""
    return get_type_hints(Settings)


def _given(name: str, variables: Mapping[str, str]) -> str | None:
    """What these variables say. An empty value counts as not set, so that `NAME=` in a file is no fault."""
    text = variables.get(name) or ""
    file_name = variables.get(f"{name}_FILE")
    if file_name:
        try:
            # Editors of one system put a byte order mark first. It would become a part of the secret.
            text = Path(file_name).read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            raise ValueError(f"{name}_FILE must name a readable text file") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be text in UTF-8") from None
    return text.strip() or None


def _read(text: str, kind: Any, about: About) -> Any:
    if about.parse:
        return about.parse(text)
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError("must be true or false")
        return text.lower() in _TRUE
    if kind is int:
        if not _WHOLE.fullmatch(text):
            raise ValueError("must be a whole number")
        return int(text)
    if kind is float:
        if not _NUMBER.fullmatch(text):
            raise ValueError("must be a number")
        return float(text)
    return text


def _checked(value: Any, about: About) -> Any:
    if about.choices:
        spelled = {choice.lower(): choice for choice in about.choices}
        if str(value).lower() not in spelled:
            raise ValueError(f"must be one of {', '.join(about.choices)}")
        return spelled[value.lower()]
    if isinstance(value, Rate) and value.seconds > LONGEST_WINDOW:
        raise ValueError(f"must count over {LONGEST_WINDOW // 86_400} days at most")
    number = value.requests if isinstance(value, Rate) else value
    if about.least is not None and number < about.least:
        raise ValueError(f"must be at least {about.least:g}")
    if about.most is not None and number > about.most:
        raise ValueError(f"must be at most {about.most:.15g}")
    return value


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."
