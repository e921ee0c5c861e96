"""Kinds of refusal. Each room derives its own reasons from these; HTTP status codes appear only in `core.problems`.

A reason is a class with two class attributes: `code`, stable and meant for programs, and `detail`, one sentence meant for
people. Neither ever contains anything that somebody submitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where (JSON Pointer, RFC 6901), a stable code, and a sentence."""

    pointer: str
    code: str
    detail: str


class Refusal(Exception):
    """Something that is refused for a reason the caller may know."""

    code: ClassVar[str] = "refused"
    detail: ClassVar[str] = "The request was refused."
    oauth_error: ClassVar[str] = ""
    """The word of RFC 6749 section 5.2 for it, on endpoints that OAuth clients call: the answer then has `error` too."""

    def __init__(self, *, faults: list[Fault] | None = None, retry_after: float | None = None, detail: str | None = None) -> None:
        super().__init__(self.code)
        self.faults = faults or []
        self.retry_after = retry_after
        """Seconds until trying again makes sense; None where that is not known."""
        self.sentence = detail or self.detail


class Malformed(Refusal):
    """The body cannot be read at all."""

    code = "malformed_body"
    detail = "The request body could not be read."


class Rejected(Refusal):
    """Understood and well-formed, and still not acceptable."""


class Unauthenticated(Refusal):
    """Nobody known is calling."""

    code = "unauthenticated"
    detail = "Sign in to use this endpoint."
    challenge: ClassVar[str] = "Bearer"
    """The value of WWW-Authenticate (RFC 6750 section 3)."""


class Denied(Refusal):
    """Known, and not allowed."""

    code = "forbidden"
    detail = "You are not allowed to do this."


class NotFound(Refusal):
    """Not there, or not there for this caller."""

    code = "not_found"
    detail = "There is nothing here."


class Gone(Refusal):
    """Was here, and will not come back."""

    code = "version_removed"
    detail = "This version of the API is gone. The Link header names its successor."


class Conflict(Refusal):
    """Clashes with how things are now."""

    code = "conflict"
    detail = "This clashes with the present state."


class TooLarge(Refusal):
    """More bytes than are accepted."""

    code = "body_too_large"
    detail = "The request body is larger than this server accepts."


class TooSlow(Refusal):
    """The client has not sent the rest of its body in time."""

    code = "request_timeout"
    detail = "The request body did not arrive in time."


class UnsupportedMedia(Refusal):
    """A body in a format that this endpoint does not read."""

    code = "unsupported_media_type"
    detail = "This endpoint does not accept a body of that content type."


class Invalid(Refusal):
    """Readable, but not of the shape that is asked for. `faults` say where."""

    code = "invalid_input"
    detail = "Some of the input is not valid; see errors."


class TooMany(Refusal):
    """Too often. `retry_after` is the time that is really left."""

    code = "rate_limited"
    detail = "Too many requests. Wait before trying again."


class Unavailable(Refusal):
    """Something this server depends on is not there just now."""

    code = "unavailable"
    detail = "The service cannot answer this just now. Try again shortly."


def every_reason(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every class of refusal that has been imported, for the reference page."""
    for reason in kind.__subclasses__():
        yield reason
        yield from every_reason(reason)
