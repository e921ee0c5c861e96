"""From environment, `.env` and `*_FILE` to one `Settings`, or to a list of everything that is wrong with it."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import marshmallow
from environs import FileAwareEnv

from secureapi.settings import rules
from secureapi.settings.fields import About
from secureapi.settings.model import Settings

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


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
    if dotenv is not None and dotenv.is_file():
        source.read_env(dotenv, recurse=False)
    known: dict[str, Any] = {}
    faults: list[str] = []
    hints = get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        try:
            value = source.value_of(field, hints[field.name])
        except ValueError as error:
            faults.append(f"{field.name.upper()}: {error}")
        else:
            if value is not None:
                known[field.name] = value
    if not faults:
        known.setdefault("public_url", f"http://127.0.0.1:{known.get('port', 8000)}")
        settings = Settings(**known)
        faults = rules.faults_of(settings)
        if not faults:
            return settings
    else:
        faults += _faults_of_the_rest(known, faults)
    raise SettingsRefused(faults)


def _faults_of_the_rest(known: dict[str, Any], found: list[str]) -> list[str]:
    """What the rules say about the settings that could be read, so that no fault waits for another to be mended first.

    What could not be read gets a stand-in, and what a rule then says about that stand-in's name is left out.
    """
    broken = {fault.partition(":")[0] for fault in found}
    stand_ins: dict[str, Any] = {"secret_key": "", "database_url": "sqlite:///:memory:"}
    settings = Settings(**(stand_ins | known))
    return [fault for fault in rules.faults_of(settings) if fault.partition(":")[0] not in broken]


class _Source(FileAwareEnv):
    """Where one value comes from: a file that NAME_FILE names, the environment, or `.env`, under any of its names."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(eager=False, strip_whitespace=True)
        self._variables = variables

    def value_of(self, field: dataclasses.Field[Any], kind: Any) -> Any:
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
        return _checked(_read(text, kind, about), about)

    def _text(self, name: str) -> str | None:
        """The raw text, or None. An empty value counts as not set, so that `NAME=` in a file is no fault."""
        text = self._get_value(name, None)
        return text.strip() or None if isinstance(text, str) else None

    def _get_value(self, env_key: str, default: Any) -> Any:
        file_name = self._variables.get(f"{env_key}_FILE") or self._environ.get(f"{env_key}_FILE")
        if not file_name:
            return self._variables.get(env_key) or self._environ.get(env_key, default)
        try:
            return Path(file_name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"{env_key}_FILE must name a readable text file") from None


def _read(text: str, kind: Any, about: About) -> Any:
    if about.parse:
        return about.parse(text)
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError("must be true or false")
        return text.lower() in _TRUE
    if kind in {int, float}:
        field = marshmallow.fields.Integer() if kind is int else marshmallow.fields.Float()
        try:
            return field.deserialize(text)
        except marshmallow.ValidationError:
            raise ValueError("must be a whole number" if kind is int else "must be a number") from None
    return text


def _checked(value: Any, about: About) -> Any:
    if about.choices:
        spelled = {choice.lower(): choice for choice in about.choices}
        if str(value).lower() not in spelled:
            raise ValueError(f"must be one of {', '.join(about.choices)}")
        return spelled[value.lower()]
    if about.least is not None and value < about.least:
        raise ValueError(f"must be at least {about.least:g}")
    if about.most is not None and value > about.most:
        raise ValueError(f"must be at most {about.most:g}")
    return value


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."
