"""What a request brings to prove who is calling: the one place that looks for credentials in a request."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from flask import g, request

from secureapi.auth.api_key_callers import ApiKeyCallers
from secureapi.auth.api_key_values import PREFIX
from secureapi.auth.callers import Callers
from secureapi.auth.client_authentication import ClientAuthentication
from secureapi.auth.cookies import Brought, Cookies
from secureapi.auth.device_tokens import DeviceTokens, Presented
from secureapi.auth.errors import AmbiguousCredentials, CrossSiteRequest, InvalidClientRequest, RefreshRefused, TokenMissing, TokenRefused
from secureapi.auth.events import CSRF_REFUSED
from secureapi.auth.holders import Holders
from secureapi.auth.own_pages import OwnPages
from secureapi.core.database import Database
from secureapi.core.errors import Denied, Fault, Invalid, Unauthenticated
from secureapi.core.requests import current_client
from secureapi.security.errors import RateLimited
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL, Limits
from secureapi.security.trail import Trail

_SCHEME = "bearer"
_DEVICES = "login_devices"
_LOGIN = "login"
"""The limit that is counted for a known device by itself."""


@dataclass(frozen=True, slots=True)
class PresentedRefresh:
    """A refresh token, and how it came."""

    token: str = field(repr=False)
    comes_by_cookie: bool = False
    csrf_token: str = field(default="", repr=False)
    """The one that came with the cookie, good for its session."""


class Door:
    """Takes credentials from the request at hand to those who can judge them. See `secureapi.security.guard.Door`."""

    def __init__(
        self,
        *,
        callers: Callers,
        api_keys: ApiKeyCallers,
        clients: ClientAuthentication,
        cookies: Cookies,
        devices: DeviceTokens,
        own_pages: OwnPages,
        holders: Holders,
        limits: Limits,
        database: Database,
        trail: Trail,
    ) -> None:
        self._callers = callers
        self._api_keys = api_keys
        self._clients = clients
        self._cookies = cookies
        self._devices = devices
        self._own_pages = own_pages
        self._holders = holders
        self._limits = limits
        self._database = database
        self._trail = trail

    def caller(self, *, or_by_refresh_cookie: bool = False) -> Identity:
        """Who is calling. Raises `Unauthenticated`, `AmbiguousCredentials`, and `Denied` where another site has sent the request."""
        if "HTTP_COOKIE" not in request.environ:
            return self._by_header()
        brought = self._cookies.brought()
        if not brought.has_token:
            return self._by_header()
        if _has_header():
            raise AmbiguousCredentials
        try:
            identity = self._by_cookie(brought, or_by_refresh_cookie=or_by_refresh_cookie)
        except Unauthenticated:
            if or_by_refresh_cookie:
                self._forget_cookies()
            raise
        try:
            self._own_pages.refuse_unproved(identity.session_id, brought.csrf)
        except Denied as refusal:
            self._remember(refusal, identity)
            raise
        return identity

    def _by_header(self) -> Identity:
        """By a token or an API key, as a bearer, or by an API key in the header that is only for these. One of them, once."""
        key: str | None = request.environ.get("HTTP_X_API_KEY")
        if key is None:
            token = bearer_token()
            return self._api_keys.identify(token, current_client()) if token.startswith(PREFIX) else self._callers.identify(token)
        if "HTTP_AUTHORIZATION" in request.environ or "," in key:
            raise AmbiguousCredentials
        return self._api_keys.identify(key, current_client())

    def _by_cookie(self, brought: Brought, *, or_by_refresh_cookie: bool) -> Identity:
        can_refresh = or_by_refresh_cookie and brought.refresh is not None
        if brought.access is not None:
            try:
                return replace(self._callers.identify(brought.access), comes_by_cookie=True)
            except Unauthenticated:
                if not can_refresh:
                    raise
        if not can_refresh or brought.refresh is None:
            raise TokenMissing
        identity = self._holders.identify(brought.refresh)
        self._limits.spend(GENERAL, f"session:{identity.session_id}")
        return identity

    def _forget_cookies(self) -> None:
        """Whoever signs out leaves a clean browser, even where the session has ended before. Not because another site says so."""
        with suppress(CrossSiteRequest):
            self._own_pages.refuse_others()
            self._cookies.clear()

    def _remember(self, refusal: Denied, identity: Identity) -> None:
        """Leave an event about somebody whose cookies are good. Strangers without any could fill the trail, so they leave none."""
        client = current_client()
        with self._database.transaction(client) as session:
            self._trail.record(
                session,
                CSRF_REFUSED,
                client=client,
                actor=identity,
                subject_id=identity.user_id,
                reason=refusal.code,
                endpoint=request.endpoint,
                method=request.method,
            )

    def refresh_token(self, in_body: str | None) -> PresentedRefresh:
        """The refresh token that is to be exchanged, from the body or from its cookie. Whether it is good is not asked.

        Raises `Invalid` where there is neither, `AmbiguousCredentials`, and `Denied` where another site has sent the cookie.
        """
        brought = self._cookies.brought()
        if brought.refresh is None:
            if in_body is None:
                raise Invalid(faults=[Fault("/refresh_token", "required", "This field is required, unless the cookie is sent.")])
            return PresentedRefresh(in_body)
        if in_body is not None or _has_header():
            raise AmbiguousCredentials
        session_id = self._holders.session_of(brought.refresh)
        try:
            self._own_pages.refuse_others()
            if session_id is not None:
                self._own_pages.refuse_unproved(session_id, brought.csrf)
        except Denied as refusal:
            self._remember_if_good(refusal, brought.refresh)
            raise
        return PresentedRefresh(brought.refresh, comes_by_cookie=True, csrf_token=brought.csrf or "")

    def _remember_if_good(self, refusal: Denied, token: str) -> None:
        try:
            identity = self._holders.identify(token)
        except RefreshRefused:
            return
        self._remember(refusal, identity)

    def device(self) -> Presented:
        """The device tokens that came with the request, by their header or else by their cookie. None of them proves anything."""
        by_header = self._devices.read(request.environ.get("HTTP_X_DEVICE_TOKEN", ""))
        return by_header if by_header.tokens else self._devices.read(self._cookies.device())

    def stranger(self) -> str:
        """For whom the limit of somebody who is not signed in is counted: his device, where we know it, or his address.

        So the owner gets through beside somebody who floods us from the same address (a school, an office, a mobile network). The devices
        of one account have a limit together: beyond it they are counted for the address again, since each sign-in makes one more device
        for whoever wants it.
        """
        presented = self.device()
        if not presented.tokens:
            return current_client().address
        newest = presented.tokens[0]
        try:
            self._limits.spend(_DEVICES, f"devices:{newest.user_id}")
        except RateLimited:
            g.is_counted_by_address = True
            return current_client().address
        return f"device:{newest.device_id}"

    def count_as_stranger(self) -> None:
        """Count the request at hand for its address after all: the device is one of ours, but not of the account that is named.

        Or somebody with many devices of his own would multiply his limit. Raises `RateLimited`.
        """
        if not g.get("is_counted_by_address"):
            self._limits.spend(_LOGIN, current_client().address)

    def client(self) -> str:
        """The id of the service that is calling. Raises `InvalidClient`, and `InvalidClientRequest` where it proves itself twice."""
        if "HTTP_X_API_KEY" in request.environ:
            raise InvalidClientRequest
        return self._clients.client_id()


def _has_header() -> bool:
    """Whether the request has a credential in a header."""
    return "HTTP_AUTHORIZATION" in request.environ or "HTTP_X_API_KEY" in request.environ


def bearer_token() -> str:
    """The token in the one Authorization header of the request at hand (RFC 6750 section 2.1). Raises `Unauthenticated`.

    Nowhere else is looked: a token in a query string ends up in logs, and one that came twice could be read differently by a
    proxy in front.
    """
    value: str | None = request.environ.get("HTTP_AUTHORIZATION")
    if value is None:
        raise TokenMissing
    scheme, _, token = value.partition(" ")
    if scheme.lower() != _SCHEME or not token or "," in value:
        raise TokenRefused
    return token
