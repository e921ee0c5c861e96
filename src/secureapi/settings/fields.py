"""How a setting is declared: a dataclass field that carries its documentation and its limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Required:
    """The default of a setting that has none."""

    def __repr__(self) -> str:
        return "(required)"


REQUIRED: Any = Required()


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know about one setting besides its name and its type."""

    doc: str
    """One or more sentences: meaning, unit, and what happens at the edges."""
    group: str
    aliases: tuple[str, ...] = ()
    """Other spellings that the seed documents and operators use. Setting two of them to different values is a fault."""
    secret: bool = False
    """Whether the value must never be shown, not even by `flask config show`."""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    """Reads the text where the type does not say how. Raises `ValueError` with a remedy that repeats nothing of the text."""
    example: str = ""
    """What `.env.example` suggests where the default would not help."""
    changeable: bool = False
    """Whether administrators may change it while the server runs. Code then asks `SettingsInForce.now` each time: see `in_force`."""


def setting(
    default: Any,
    doc: str,
    *,
    group: str,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[str], Any] | None = None,
    example: str = "",
    changeable: bool = False,
) -> Any:
    """A field of `Settings`. Raises `ValueError` for one that is secret and may change: whoever may read what changed would read it."""
    if secret and changeable:
        raise ValueError("a secret cannot be changed while the server runs")
    about = About(doc, group, aliases, secret, least, most, choices, parse, example, changeable)
    if default is REQUIRED:
        return field(metadata={"about": about})
    return field(default=default, metadata={"about": about})
