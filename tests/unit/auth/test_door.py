"""What the door makes of a request before anybody judges it."""

from contextlib import contextmanager

import pytest
from flask import Flask

from secureapi.auth.cookies import Brought
from secureapi.auth.door import Door, PresentedRefresh
from secureapi.auth.errors import (
    AmbiguousCredentials,
    CrossSiteRequest,
    CsrfRefused,
    RefreshRefused,
    TokenMissing,
    TokenRefused,
)
from secureapi.auth.events import CSRF_REFUSED
from secureapi.core.errors import Invalid
from secureapi.security.errors import RateLimited
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL

app = Flask("bare")


def identity(**more):
    usual = {"role": "user", "permissions": frozenset(), "token_id": "t", "authenticated_at": 0, "methods": ("pwd",)}
    return Identity(**({"user_id": "alice", "session_id": "s"} | usual | more))


class Household:
    """In place of everybody whom the door asks: says what the test wants and remembers who was asked."""

    def __init__(self):
        self.cookies = Brought()
        self.access = identity()
        self.refresh = identity(comes_by_cookie=True)
        self.others = self.unproved = None
        self.asked, self.recorded, self.spent, self.cleared = [], [], [], 0
        unused = {"client_authentication": self} if "client_authentication" in Door.__init__.__kwdefaults__ or () else {}
        self.door = Door(
            callers=Callers(self), cookies=self, own_pages=self, holders=Holders(self), limits=self, database=self, trail=self, **unused
        )

    def brought(self):
        self.asked.append("cookies")
        if isinstance(self.cookies, Exception):
            raise self.cookies
        return self.cookies

    def clear(self):
        self.cleared += 1

    def refuse_others(self):
        self.asked.append("others")
        if self.others:
            raise self.others

    def refuse_unproved(self, session_id, csrf):
        self.asked.append(f"proof of {session_id}")
        if self.unproved:
            raise self.unproved

    def spend(self, name, subject):
        self.spent.append((name, subject))

    @contextmanager
    def transaction(self, client=None):
        yield self

    def record(self, session, happened, *, client, actor, subject_id, **details):
        self.recorded.append((happened, subject_id, details["reason"]))

    def caller(self, headers=None, **options):
        with app.test_request_context(headers=headers or {}):
            return self.door.caller(**options)

    def refresh_token(self, in_body, headers=None):
        with app.test_request_context(headers=headers or {}):
            return self.door.refresh_token(in_body)


def said(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


class Callers:
    def __init__(self, household):
        self.household = household

    def identify(self, token):
        self.household.asked.append(f"access {token}")
        return said(self.household.access)


class Holders:
    def __init__(self, household):
        self.household = household

    def identify(self, text):
        self.household.asked.append(f"refresh {text}")
        return said(self.household.refresh)

    def session_of(self, text):
        return None if text == "made up" else "s"
