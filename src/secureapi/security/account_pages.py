"""The pages to which links in messages lead, and `/.well-known/change-password`.

They are the same for everybody: what is secret in a link stands behind its #, which no server is sent. A script of ours takes it from
there, out of the address bar, and gives it to the API when somebody presses the button; a program that opens every link of a message
to look at it uses nothing up. The pages are below PUBLIC_URL, and speak to the API by relative addresses, whatever path a proxy adds.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, render_template, request
from flask_talisman import Talisman

from secureapi.core.errors import NotFound
from secureapi.security.account_addresses import FORGOT_PASSWORD, RESEND_VERIFICATION, account_page
from secureapi.security.guard import public
from secureapi.security.limits import UNLIMITED, limited
from secureapi.security.links import Purpose
from secureapi.settings import Settings

_OURS = Path(__file__).parent.parent / "templates"
_ASSETS = {"account.css": "text/css", "account.js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class _Page:
    """What one page says and does."""

    title: str
    text: str
    button: str
    done: str
    """What it says when it was done."""
    endpoint: str
    """What does it, below the API."""
    form: str = "confirm"
    """What is asked for: `confirm` nothing, `password` a new password, `email` an address."""
    when_refused: tuple[str, str] | None = None
    """The page that helps when the link is not good any more, and what leads to it."""


_PAGES = {
    Purpose.INVITATION.value: _Page(
        title="Welcome",
        text="An account was made for you. Choose a password, which nobody else will know, and it is yours.",
        button="Set the password",
        done="Your account is ready. Sign in with the username that the message names, or your address, and your password.",
        endpoint="auth/invitation/accept",
        form="password",
        when_refused=(FORGOT_PASSWORD, "Ask for a message with a new link"),
    ),
    Purpose.VERIFY_EMAIL.value: _Page(
        title="Confirm your address",
        text="Press the button to confirm that you read mail at this address.",
        button="Confirm the address",
        done="The address is confirmed. You can sign in now.",
        endpoint="auth/email/verify",
        when_refused=(RESEND_VERIFICATION, "Ask for a message with a new link"),
    ),
    Purpose.CONFIRM_EMAIL.value: _Page(
        title="Confirm your new address",
        text="Press the button, and your account has this address from now on. The former one is told.",
        button="Confirm the new address",
        done="Your account has the new address now.",
        endpoint="auth/email/confirm",
    ),
    Purpose.RESET_PASSWORD.value: _Page(
        title="Choose a new password",
        text="The new password replaces the former one, and every session of your account ends.",
        button="Set the new password",
        done="The new password is set, and all sessions have ended. Sign in with the new password.",
        endpoint="auth/password/reset",
        form="password",
        when_refused=(FORGOT_PASSWORD, "Ask for a message with a new link"),
    ),
    Purpose.UNLOCK.value: _Page(
        title="Unlock your account",
        text="Somebody tried too many wrong passwords. Press the button, and you can try again at once.",
        button="Unlock the account",
        done="The account is unlocked. You can sign in now.",
        endpoint="auth/unlock",
        when_refused=(FORGOT_PASSWORD, "Set a new password instead"),
    ),
    Purpose.NOT_ME.value: _Page(
        title="This was not me",
        text="Press the button if somebody else did what the message tells of: every session of your account ends, the present password "
        "opens nothing any more, and you get a message with a link that sets a new one.",
        button="End every session",
        done="Every session has ended. Look for a message with a link that sets a new password.",
        endpoint="auth/not-me",
        when_refused=(FORGOT_PASSWORD, "Set a new password instead"),
    ),
    FORGOT_PASSWORD: _Page(
        title="Forgotten your password?",
        text="Give the address of your account. A message with a link goes there, with which you choose a new password.",
        button="Send the message",
        done="If there is an account with this address, a message is on its way to it. Follow the link in it.",
        endpoint="auth/password/forgot",
        form="email",
    ),
    RESEND_VERIFICATION: _Page(
        title="Another message",
        text="Give the address that you want to confirm. If it waits for that, a message with a new link goes there.",
        button="Send the message",
        done="If this address waits to be confirmed, a message is on its way to it. Follow the link in it.",
        endpoint="auth/email/resend",
        form="email",
    ),
}
"""By the last part of their address."""


def account_pages_blueprint(settings: Settings, talisman: Talisman, *, api: str) -> Blueprint:
    """The pages, for an API that is mounted at `api`; none of them where the operator has pages of his own."""
    blueprint = Blueprint("account-pages", __name__)
    change_password = account_page(settings, FORGOT_PASSWORD)

    @cache
    def written(name: str) -> str:
        return render_template("account.html", page=_PAGES[name], app_name=settings.app_name, api=f"..{api}")

    @cache
    def content(name: str) -> tuple[bytes, str]:
        """A file and its entity tag."""
        read = (_OURS / name).read_bytes()
        return read, hashlib.sha256(read).hexdigest()[:32]

    def page(name: str) -> Response:
        """A page to which a link in a message leads. The same for everybody; what is secret stays in the browser."""
        if name not in _PAGES:
            raise NotFound
        response = Response(written(name), content_type="text/html; charset=utf-8")
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def asset(name: str) -> Response:
        """A script and a style sheet for these pages."""
        if name not in _ASSETS:
            raise NotFound
        body, etag = content(name)
        response = Response(body, content_type=f"{_ASSETS[name]}; charset=utf-8")
        # Asked about each time: a script must not be older than its page.
        response.headers["Cache-Control"] = "public, no-cache"
        response.set_etag(etag)
        response.make_conditional(request)
        return response

    @blueprint.get("/.well-known/change-password")
    @public
    @limited(UNLIMITED)
    def well_known_change_password() -> Response:
        """Where a program that keeps passwords sends somebody who wants another one (W3C change-password-url, RFC 8615)."""
        return Response(status=302, headers={"Location": change_password})

    if not settings.account_pages_url:
        # Fixed texts from memory: whoever shares an address with a flood can still open his link.
        blueprint.get("/account/<name>")(talisman(content_security_policy=_POLICY)(public(limited(UNLIMITED)(page))))
        blueprint.get("/account/assets/<name>")(public(limited(UNLIMITED)(asset)))
    return blueprint
