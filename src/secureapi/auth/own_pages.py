"""Whether a page of ours made the browser send a request: for browsers send cookies along whoever asks them to.

Two proofs are asked for, and each of them would do. The browser says where the page comes from (`Origin`, `Sec-Fetch-Site`), which
no page can change. And the page repeats the CSRF token that only pages of this host can read, in a header that no form can send: a
signed double submit (OWASP CSRF Prevention), bound to the session, so that a token of the attacker's own session is worth nothing.
"""

import base64
import hmac
import re
import secrets
from urllib.parse import urlsplit
from uuid import UUID

from flask import request

from secureapi.auth.errors import CrossSiteRequest, CsrfRefused
from secureapi.core.secret_values import SecretBox
from secureapi.settings import Settings

HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset(["GET", "HEAD", "OPTIONS"])
_NO_OTHER_SITE = frozenset([None, "same-origin", "none"])
_TOKEN = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
_NONCE_BYTES = 16
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OwnPages:
    """Tells our pages from others."""

    def __init__(self, *, settings: Settings, secret_box: SecretBox) -> None:
        listed = settings.cors_origins if settings.cors_allow_credentials else ()
        self._origins = frozenset([_origin_of(settings.public_url), *listed])
        # Where we are reached over https, a page of the same name without it is somebody else's: anybody on the way can serve one.
        self._scheme = "https" if settings.public_url.startswith("https:") else None
        self._secrets = secret_box

    def refuse_others(self) -> None:
        """Raise `CrossSiteRequest` for a request that a page of another origin may have caused.

        Neither header: no browser of these years, so nobody's cookies are sent without his knowing.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            is_ours = request.headers.get("Sec-Fetch-Site") in _NO_OTHER_SITE
        else:
            # The Host header is one of ALLOWED_HOSTS, or we would not be here.
            is_ours = origin in self._origins or origin == f"{self._scheme or request.scheme}://{request.host}"
        if not is_ours:
            raise CrossSiteRequest

    def refuse_unproved(self, session_id: str, csrf_cookie: str | None) -> None:
        """Raise `CrossSiteRequest` or `CsrfRefused` for a request that changes something and that none of our pages has sent."""
        if request.method in _SAFE_METHODS:
            return
        self.refuse_others()
        header = request.headers.get(HEADER, "")
        is_repeated = hmac.compare_digest(_as_bytes(header), _as_bytes(csrf_cookie or ""))
        if not is_repeated or not self._is_of(session_id, header):
            raise CsrfRefused

    def new_token(self, session_id: str) -> str:
        """A CSRF token for a session: 16 random bytes, a dot, and a keyed hash of the session's id and those bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return f"{_text(nonce)}.{self._tag(session_id, nonce)}"

    def _is_of(self, session_id: str, token: str) -> bool:
        found = _TOKEN.fullmatch(token)
        if not found:
            return False
        nonce = base64.urlsafe_b64decode(found[1] + "==")
        return hmac.compare_digest(self._tag(session_id, nonce), found[2])

    def _tag(self, session_id: str, nonce: bytes) -> str:
        return _text(self._secrets.tag("csrf", UUID(session_id).bytes + nonce))


def _origin_of(url: str) -> str:
    """The origin of an address as browsers write it: without the default port (RFC 6454 section 6.2)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{parts.port}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _as_bytes(text: str) -> bytes:
    """Of whatever somebody has put into a header: comparing needs bytes, or ASCII."""
    return text.encode("utf-8", "surrogatepass")
