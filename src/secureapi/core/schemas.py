"""Building blocks of schemas: strict, with messages of our own that have a code and repeat nothing.

Schemas say what shape an input has. What is allowed is for services to decide.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Self

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from secureapi.core.clock import rfc3339


class Message(str):
    """A sentence with a stable code, in the places where marshmallow wants a string."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str, sentence: str) -> Self:
        made = super().__new__(cls, sentence)
        made.code = code
        return made

    def __deepcopy__(self, _memo: object) -> "Message":
        return self

    def format(self, *_args: object, **_kwargs: object) -> "Message":
        """Unchanged: nothing submitted is ever put into a sentence."""
        return self


_COMMON: dict[str, Any] = {
    "required": Message("required", "This field is required."),
    "null": Message("null", "This field must not be null."),
    "validator_failed": Message("invalid", "This value is not valid."),
}


class StrictSchema(Schema):
    """Every schema derives from this: unknown fields are refused, and fields keep the order in which they are written."""

    also: ClassVar[dict[str, Any]] = {}
    """What a rule over several fields is in JSON Schema, for the API's description."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE

    error_messages = {  # noqa: RUF012 - marshmallow's own way of declaring it
        "unknown": Message("unknown_field", "This field is not known here."),
        "type": Message("type", "An object is expected."),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        hooks = self._hooks.get("pre_dump") or self._hooks.get("post_dump")
        self._written = tuple((field.data_key or name, field.attribute or name, field) for name, field in self.dump_fields.items())
        self._is_plain = not (self.many or hooks or any(_is_special(name, field) for _, name, field in self._written))

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """What goes out: keys of a mapping, attributes of anything else, each written by its field; what is not there is left out.

        marshmallow finds out anew for each value where it is, and for each field what it is called.
        """
        if many or not self._is_plain:
            return super().dump(obj, many=many)
        take = obj.get if isinstance(obj, Mapping) else partial(getattr, obj)
        written = {}
        for key, attribute, field in self._written:
            value = take(attribute, missing)
            if value is not missing:
                written[key] = field._serialize(value, attribute, obj)  # noqa: SLF001 - the method that fields are made of
        return written


def _is_special(attribute: str, field: fields.Field[Any]) -> bool:
    """Whether a field is written from something else than one attribute."""
    return "." in attribute or not field._CHECK_ATTRIBUTE or field.dump_default is not missing  # noqa: SLF001


_HIDDEN = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Control characters, and those that turn the direction of writing around: they make a name look like another one."""
LINE = rf"[^\t\n\r{_HIDDEN}]*"
"""Text of one line."""
LINES = rf"[^{_HIDDEN}]*"
"""Text with line breaks and tabs."""
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")
"""RFC 3339 section 5.6. Python reads more than that, and moments without an offset."""
ANYTHING = r"[^\u0000]*"
"""Whatever can be stored. For secrets, and for what is looked up and never shown."""


class Text(fields.String):
    """Text of `least` to `most` characters, counted as Unicode code points, that matches `pattern` as a whole.

    Patterns are written in what Python and JSON Schema (ECMA 262) have in common, since both read them.
    """

    default_error_messages = _COMMON | {
        "invalid": Message("type", "Text is expected."),
        "invalid_utf8": Message("type", "Text is expected."),
    }

    def __init__(
        self,
        *,
        least: int = 0,
        most: int,
        pattern: str = LINES,
        says: str = "The text has characters that are not allowed here.",
        **kwargs: Any,
    ) -> None:
        """`says` is the sentence for text that does not match."""
        limits = {"maxLength": most, "pattern": f"^{pattern}$"} | ({"minLength": least} if least else {})
        kwargs["metadata"] = limits | dict(kwargs.get("metadata") or {})
        super().__init__(**kwargs)
        self._least, self._most, self._says = least, most, says
        self._pattern = re.compile(pattern)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) < self._least:
            raise ValidationError(Message("too_short", f"At least {self._least} characters are needed."))
        if len(text) > self._most:
            raise ValidationError(Message("too_long", f"At most {self._most} characters are accepted."))
        if not self._pattern.fullmatch(text):
            raise ValidationError(Message("pattern", self._says))
        return text


class Password(Text):
    """A password as typed: any Unicode, spaces included; only length is a matter of shape."""

    def __init__(self, *, least: int = 1, most: int = 128, **kwargs: Any) -> None:
        super().__init__(least=least, most=most, pattern=ANYTHING, metadata={"format": "password"}, load_only=True, **kwargs)


class OneOf(fields.String):
    """One of a few words."""

    default_error_messages = _COMMON | {"invalid": Message("type", "Text is expected.")}

    def __init__(self, words: Iterable[str], **kwargs: Any) -> None:
        self._words = tuple(words)
        kwargs["metadata"] = {"enum": list(self._words)} | dict(kwargs.get("metadata") or {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in self._words:
            raise ValidationError(Message("choice", f"One of these is expected: {', '.join(self._words)}."))
        return text


class WholeNumber(fields.Field[int]):
    """A whole number; in a query, where everything is text, in ASCII digits.

    `1_0`, ` 7`, `٣` and thirty digits are text that `int()` would take; this does not.
    """

    default_error_messages = _COMMON | {"invalid": Message("type", "A whole number is expected.")}

    def __init__(self, *, least: int, most: int, is_asked: bool = False, **kwargs: Any) -> None:
        """`is_asked` is for queries."""
        self._least, self._most, self._is_asked = least, most, is_asked
        kwargs["metadata"] = {"type": "integer", "minimum": least, "maximum": most} | dict(kwargs.get("metadata") or {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # noqa: ARG002
        if self._is_asked and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid")
        if not self._least <= value <= self._most:
            raise ValidationError(Message("range", f"A number from {self._least} to {self._most} is expected."))
        return value

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        return value


class Truth(fields.Boolean):
    """true or false, and no word that means it."""

    default_error_messages = _COMMON | {"invalid": Message("type", "true or false is expected.")}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:  # noqa: ARG002
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


def each_once(values: list[str]) -> None:
    """For lists in which nothing comes twice."""
    if len(set(values)) != len(values):
        raise ValidationError(Message("repeated", "Name each only once."))


class MomentField(fields.Field[Any]):
    """An aware moment, sent as RFC 3339 in UTC ending in Z, and read with whatever offset it has."""

    default_error_messages = _COMMON | {"invalid": Message("type", "A moment with its offset is expected: 2026-11-21T09:30:00Z.")}

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"type": "string", "format": "date-time"} | dict(kwargs.get("metadata") or {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:  # noqa: ARG002
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        return None if value is None else rfc3339(value)
