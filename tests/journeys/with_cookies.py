"""Words of the journeys about cookies: requests that carry exactly these, and answers that clear all of them."""

from support.browser import ACCESS, CSRF, REFRESH, SITE, SetCookie, cookies_of

DEVICE = "__Host-secureapi_device"
LOGIN, REFRESHING, LOGOUT = (f"/api/v1/auth/{name}" for name in ("login", "refresh", "logout"))
ME = "/api/v1/users/me"
HIDDEN, SHOWN = frozenset(["secure", "httponly"]), frozenset(["secure"])


def plain(house, method, path, cookies=None, **options):
    """A request of somebody who writes his own headers."""
    headers = dict(options.pop("headers", {})) | ({} if cookies is None else {"Cookie": cookies})
    return house.app.test_client(use_cookies=False).open(path, method=method, base_url=SITE, headers=headers, **options)


def assert_cleared(answer, base="/api/v1"):
    assert cookies_of(answer) == {
        ACCESS: SetCookie(ACCESS, "", "/", 0, "Strict", HIDDEN, frozenset()),
        REFRESH: SetCookie(REFRESH, "", f"{base}/auth", 0, "Strict", HIDDEN, frozenset()),
        CSRF: SetCookie(CSRF, "", "/", 0, "Strict", SHOWN, frozenset()),
    }
