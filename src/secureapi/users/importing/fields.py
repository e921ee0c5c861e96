"""Values out of a record, of the kind that is asked for. What is of another kind is refused with its place, never with the value."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from secureapi.core.errors import Fault, Invalid

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SOURCE_ID = 200


def refusal(name: str, code: str, detail: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(faults=[Fault(f"/{name}", code, detail)])


def text(record: Mapping[str, Any], name: str) -> str | None:
    """A text; None for none, for null and for an empty one."""
    value = record.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise refusal(name, "type", "Text is expected.")
    return value


def identifier(record: Mapping[str, Any], name: str) -> str | None:
    """What the source calls somebody: a text or a number."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = text(record, name)
    if found is not None and len(found) > _MOST_SOURCE_ID:
        raise refusal(name, "too_long", f"This is longer than {_MOST_SOURCE_ID} characters.")
    return found


def truth(record: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Yes or no, as JSON or as any of the words that tables have for it."""
    value = record.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        raise refusal(name, "type", "true or false is expected.")
    return word in _TRUE


def moment(record: Mapping[str, Any], name: str) -> datetime | None:
    """A moment in ISO 8601. One without a zone is taken as UTC, which is what those systems mean by it."""
    value = text(record, name)
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusal(name, "moment", "This is not a moment in ISO 8601.") from None


def milliseconds(record: Mapping[str, Any], name: str) -> datetime | None:
    """A moment in milliseconds since 1970, as a number or as its digits."""
    value = record.get(name)
    if value is None or value == "":
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    is_digits = isinstance(value, str) and len(value) <= len("253402300799999") and value.isascii() and value.isdigit()
    if not is_number and not is_digits:
        raise refusal(name, "moment", "Milliseconds since 1970 are expected.")
    try:
        return _EPOCH + timedelta(milliseconds=int(value))
    except OverflowError:
        raise refusal(name, "moment", "Milliseconds since 1970 are expected.") from None


def nested(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside; an empty one for none."""
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refusal(name, "type", "An object is expected.")
    return value


def joined(*names: str | None) -> str | None:
    """First and last name as one."""
    return " ".join(name.strip() for name in names if name and name.strip()) or None


def apart_from(email: str | None, username: str | None) -> str | None:
    """The username, where it is not just the address again: many systems have the address in its place."""
    return None if username and email and username.casefold() == email.casefold() else username
