"""Cookies for browsers: which there are, how they are read, set and cleared. Whether a page of ours has sent them is `own_pages`' matter.

Scripts cannot read the two that hold tokens. The third, with the CSRF token, is there to be read by the page. The fourth, by which a
device is known again (`device_tokens.py`), is no credential: it stays when somebody signs out, and what is wrong with it is no error.

The prefixes of the names are promises that browsers keep (RFC 6265bis section 4.1.3): `__Host-` cannot be set by another host or for
a part of a site, `__Secure-` cannot be set over plain http. The refresh token is sent to the few addresses that need it, so its cookie
has a path and cannot be a `__Host-` one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import Response, after_this_request, request

from secureapi.auth.errors import AmbiguousCredentials
from secureapi.settings import Settings

ACCESS, REFRESH, CSRF = "secureapi_access", "secureapi_refresh", "secureapi_csrf"
_PREFIXES = {ACCESS: "__Host-", REFRESH: "__Secure-", CSRF: "__Host-"}
DEVICE = "secureapi_device"
_MARK = "secureapi_"
_SPACES = " \t"
_OURS = re.compile(rf"(?:^|[;,\s])(?:__Host-|__Secure-)?({ACCESS}|{REFRESH}|{CSRF})\s*=")
"""One of our names, in any spelling and wherever somebody who reads cookies less strictly than we do could see one."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What of ours a browser has sent. An empty text is a cookie too."""

    access: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)
    csrf: str | None = field(default=None, repr=False)

    @property
    def has_token(self) -> bool:
        """Whether anything that proves who somebody is came along."""
        return self.access is not None or self.refresh is not None


_NOTHING = Brought()


class Cookies:
    """Reads, sets and clears them, for the request at hand."""

    def __init__(self, *, settings: Settings) -> None:
        self._is_secure = settings.secure_cookies
        self._base = urlsplit(settings.public_url).path.rstrip("/")
        self._names = {kind: f"{prefix}{kind}" if self._is_secure else kind for kind, prefix in _PREFIXES.items()}
        self._kinds = {name: kind for kind, name in self._names.items()}
        self._names[DEVICE] = f"__Host-{DEVICE}" if self._is_secure else DEVICE

    def brought(self) -> Brought:
        """Our cookies; those of other people's software are none of our business. Raises `AmbiguousCredentials`.

        The header is read as it came: werkzeug keeps the first of two cookies and says nothing, and a proxy in front may keep the last.
        A neighbour who may set cookies for the whole domain adds his own beside ours, under the same name or under the plain one.
        """
        header: str = request.environ.get("HTTP_COOKIE", "")
        if _MARK not in header:
            return _NOTHING
        seen = _OURS.findall(header)
        if len(seen) != len(set(seen)):
            raise AmbiguousCredentials
        found = {self._kinds[name]: value for name, value in _pairs(header) if name in self._kinds}
        return Brought(found.get(ACCESS), found.get(REFRESH), found.get(CSRF))

    def device(self) -> str:
        """What the browser says about the device that it is; nothing where it says two things."""
        header: str = request.environ.get("HTTP_COOKIE", "")
        if DEVICE not in header:
            return ""
        found = [value for name, value in _pairs(header) if name == self._names[DEVICE]]
        return found[0] if len(found) == 1 else ""

    def set_access(self, token: str, *, max_age: int) -> None:
        """Put the access token into the answer. `max_age` in seconds."""
        self._later(ACCESS, token, max_age)

    def set_refresh(self, token: str, *, csrf_token: str, max_age: int) -> None:
        """Put the refresh token, and the CSRF token that lives as long, into the answer."""
        self._later(REFRESH, token, max_age)
        self._later(CSRF, csrf_token, max_age)

    def set_device(self, tokens: str, *, max_age: int) -> None:
        """Put what the device is to be known by into the answer."""
        self._later(DEVICE, tokens, max_age)

    def clear(self) -> None:
        """Make the browser forget the first three, whatever else is answered, a refusal too."""
        for kind in _PREFIXES:
            self._later(kind, "", 0)

    def _later(self, kind: str, value: str, max_age: int) -> None:
        path = self._folder() if kind == REFRESH else "/"

        @after_this_request
        def _set(response: Response) -> Response:
            response.set_cookie(
                self._names[kind],
                value,
                max_age=max_age,
                path=path,
                secure=self._is_secure,
                httponly=kind != CSRF,
                samesite="Strict",
            )
            return response

    def _folder(self) -> str:
        """Where the endpoints of this room lie, as the browser has written it: `/api/v1/auth`, or `/auth`. Only they handle cookies.

        A proxy that serves us below a path of its own, which PUBLIC_URL names, has taken that off.
        """
        return f"{self._base or request.script_root}{request.path.partition('/auth/')[0]}/auth"


def _pairs(header: str) -> Iterator[tuple[str, str]]:
    """Names and values as browsers divide them.

    Only a semicolon ends a cookie: our name behind a comma is part of a value that somebody else may have set. And only two characters
    are white space (RFC 6265 section 5.2): to a browser a name that begins with another kind has no prefix, and so no promise.
    """
    pieces = (piece.partition("=") for piece in header.split(";") if "=" in piece)
    return ((name.strip(_SPACES), value.strip(_SPACES)) for name, _, value in pieces)
