"""How tokens reach a client: in the body, or as cookies that no script can read."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from secureapi.auth.cookies import Cookies
from secureapi.auth.device_tokens import DeviceTokens
from secureapi.auth.errors import CrossSiteRequest
from secureapi.auth.own_pages import OwnPages
from secureapi.auth.service import FreshToken, TokenPair
from secureapi.core.errors import Unauthenticated
from secureapi.core.services import service


def handed_over(pair: TokenPair, *, by_cookie: bool, csrf_token: str = "", device_token: str = "") -> Any:
    """The answer with a pair. By cookie its body has no token, and a CSRF token: the one given here, or a new one."""
    known_by = remembered(device_token, by_cookie=by_cookie)
    if not by_cookie:
        return asdict(pair) | known_by
    csrf_token = csrf_token or service(OwnPages).new_token(pair.session_id)
    cookies = service(Cookies)
    cookies.set_access(pair.access_token, max_age=pair.expires_in)
    cookies.set_refresh(pair.refresh_token, csrf_token=csrf_token, max_age=pair.refresh_expires_in)
    return {
        "token_type": pair.token_type,
        "expires_in": pair.expires_in,
        "refresh_expires_in": pair.refresh_expires_in,
        "csrf_token": csrf_token,
    }


def remembered(device_token: str, *, by_cookie: bool) -> dict[str, str]:
    """What the body of an answer says by which the device is known again. Browsers get it as a cookie in any case.

    Not for a request that another site has sent: its browser has kept the cookie back, and the new one would take the place of those
    accounts that it is known by. Then whoever floods them would keep their owners out.
    """
    if not device_token:
        return {}
    with suppress(CrossSiteRequest):
        service(OwnPages).refuse_others()
        service(Cookies).set_device(device_token, max_age=int(service(DeviceTokens).lifetime.total_seconds()))
    return {} if by_cookie else {"device_token": device_token}


def renewed(fresh: FreshToken, *, by_cookie: bool) -> Any:
    """The answer with another access token for the same session."""
    if not by_cookie:
        return fresh
    service(Cookies).set_access(fresh.access_token, max_age=fresh.expires_in)
    return {"token_type": fresh.token_type, "expires_in": fresh.expires_in}


@contextmanager
def forgotten_when_refused(*, by_cookie: bool) -> Iterator[None]:
    """Clear the cookies where they are refused: they will never be good again, and the page should ask for a password."""
    try:
        yield
    except Unauthenticated:
        if by_cookie:
            service(Cookies).clear()
        raise
