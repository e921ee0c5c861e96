"""What must not stand in a log line is taken out here: secrets, tokens, passwords in addresses, addresses of people, control characters.

Where lines come from and go to is not known here; `logs` puts `redact` last before the line is written out. Every line of a request
passes through, so what a short text or a number costs is kept to a few comparisons, and patterns wait until a character asks for them.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from secureapi.core.masking import masked_email
from secureapi.core.requests import printable

_REDACTED = "[redacted]"
_WORDS = r"pass_?(?:word|wd|phrase)|secret|token|authorization|credential|cookie|(?:api|private)[-_ ]?key|otp|pepper"
_SECRET_NAME = re.compile(rf"{_WORDS}|code", re.IGNORECASE)
_HARMLESS_NAMES = frozenset({"code", "status_code", "error_code", "token_id"})
_LONGEST_NAME = 100
# What a repr says about a secret: password='…', "api_key": "…", ('token', '…').
_NAMED_IN_REPR = re.compile(
    rf"""((?:{_WORDS})[\w-]{{0,40}}\\?["']?\s?[=:,]\s?(?:b?["']?(?:bearer|basic)\s)?)"""
    r"""(b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*"|[^\s,)}\]]+)""",
    re.IGNORECASE,
)

# None of these scans a text anew from each of its characters: what is logged may come from somebody who would like that.
_EMAIL = re.compile(r"(?<![^\s@\"'<>])[^\s@\"'<>]+@[^\s@\"'<>]{1,255}")
# Neither needs a boundary before it or a dot inside: a repr may put `\n` in front, and half a token is one too many.
_TOKENS = re.compile(r"eyJ[A-Za-z0-9_.-]{12,}|sa[rc]?_[A-Za-z0-9_-]{20,}")
# To the last @ before a space: a password may hold / # and @ itself, and taking out too much of an address harms nobody.
_CREDENTIALS_IN_URL = re.compile(r"(://[^:/\s]{0,256}):\S{1,1024}@")

_MOST_CHARACTERS = 2000
_MOST_READ = 16_384
_MOST_LINES = 100
_DEEPEST = 6
_LINED = frozenset({"exception", "stack_info"})


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Clean every value of a line, as a processor of structlog. Numbers, truth values and None stay; all else becomes text."""
    for name, value in event.items():
        if _is_secret(name):
            event[name] = _REDACTED
        elif isinstance(value, str):
            event[name] = _clean_lines(value) if name in _LINED else _clean(value)
        elif value is not None and not isinstance(value, int | float):
            event[name] = _clean(repr(_without_secrets(value)))
    return event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def _names_a_secret(key: object) -> bool:
    """Whether a key inside a value, which may be anything, is the name of a secret. Verdicts are kept, so long names are not."""
    if isinstance(key, bytes):
        key = key[:_LONGEST_NAME].decode("latin-1")
    return isinstance(key, str) and _is_secret(key[:_LONGEST_NAME])


class _Shown:
    """A text that shows itself without quotation marks around it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _without_secrets(value: object, depth: int = 0) -> object:
    """The same value without what is under names of secrets, however deep inside, and with every text cleaned."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth == _DEEPEST:
            return _Shown("...")
        if isinstance(value, Mapping):
            return {
                _Shown(repr(_without_secrets(key, depth + 1))): _REDACTED if _names_a_secret(key) else _without_secrets(item, depth + 1)
                for key, item in value.items()
            }
        return _items_without_secrets(value, depth)
    return _Shown(_clean(_NAMED_IN_REPR.sub(rf"\1{_REDACTED}", _repr(value))))


def _items_without_secrets(items: Iterable[object], depth: int) -> object:
    if isinstance(items, list | tuple) and len(items) == 2 and _names_a_secret(items[0]):  # noqa: PLR2004 - a pair of name and value
        return items[0], _REDACTED
    bare = [_without_secrets(item, depth + 1) for item in items]
    return tuple(bare) if isinstance(items, tuple) else bare


def _repr(value: object) -> str:
    try:
        return repr(value)[:_MOST_READ]
    except Exception:  # noqa: BLE001 - whatever an object does when it is looked at, a line of log must not cost an answer
        return f"<{type(value).__name__}>"


def _clean_lines(text: str) -> str:
    """A traceback, line by line. The last lines are the ones that say what happened."""
    return "\n".join(_clean(line) for line in text.split("\n")[-_MOST_LINES:])


def _clean(text: str) -> str:
    is_cut = len(text) > _MOST_READ
    if is_cut:
        text = text[:_MOST_READ]
    if "@" in text:
        text = _CREDENTIALS_IN_URL.sub(rf"\1:{_REDACTED}@", text)
        text = _EMAIL.sub(_masked, text)
    if "eyJ" in text or "sa_" in text or "sar_" in text or "sac_" in text:
        text = _TOKENS.sub(_REDACTED, text)
    if is_cut and len(text) < _MOST_READ:
        # It became shorter, so its end may show; and that may be one half of a secret, which no pattern knows.
        text = " ".join(text.split()[:-1])
    # Not before: what a cut leaves of a password in an address does not look like one any more.
    text = text[:_MOST_CHARACTERS]
    return text if text.isascii() and text.isprintable() else printable(text)


def _masked(found: re.Match[str]) -> str:
    return found[0] if f"{_REDACTED}@" in found[0] else masked_email(found[0])
