from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask, g

from secureapi.auth.errors import TokenMissing, TokenRefused
from secureapi.core.clock import SystemClock
from secureapi.core.declarations import declare
from secureapi.core.problems import init_problems
from secureapi.security.errors import KeyNotAllowed, RateLimited
from secureapi.security.events import ACCESS_DENIED
from secureapi.security.guard import (
    Access,
    Guard,
    access_of,
    admission_of,
    counted_by_device,
    lets_keys_in,
    people_only,
    public,
    recently_authenticated,
    requires,
    signed_in,
    undeclared_endpoints,
)
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL, UNLIMITED, limited
from secureapi.security.permissions import PERMISSIONS_OF, Permission
from secureapi.security.step_up import StepUp


def identity_of(role):
    return Identity(
        user_id="alice",
        session_id="s",
        role=role,
        permissions=PERMISSIONS_OF.get(role, frozenset()),
        token_id="t",
        authenticated_at=0,
        methods=("pwd",),
    )


class Counter:
    """In place of the limits: remembers what was spent."""

    def __init__(self):
        self.spent = []
        self.refuses = set()

    def spend(self, name, subject):
        assert name != UNLIMITED, "there is no such limit"
        self.spent.append((name, subject))
        if name in self.refuses:
            raise RateLimited(retry_after=5)


class Diary:
    """In place of the trail and of its database: remembers what was written, and whether it was committed."""

    def __init__(self):
        self.written = []
        self.committed = []

    def record(self, session, happened, **details):
        self.written.append((happened, details))

    @contextmanager
    def transaction(self, client=None):
        yield self
        self.committed = list(self.written)


class House:
    """A Flask with the guard before it, and one view of each kind."""

    def __init__(self):
        self.app = Flask("guarded")
        self.app.config["MAX_BODY_BYTES"] = 100
        init_problems(self.app)
        self.limits, self.diary, self.who, self.entered = Counter(), Diary(), TokenMissing(), []
        self.app.before_request(self._guard().admit)

    def _guard(self):
        step_up = StepUp(clock=SystemClock(), max_age=timedelta(minutes=10))
        return Guard(door=self, limits=self.limits, trail=self.diary, database=self.diary, step_up=step_up)

    def caller(self, *, or_by_refresh_cookie=False):
        if isinstance(self.who, Exception):
            raise self.who
        return self.who

    def stranger(self):
        return "device:phone"

    def view(self, path, *declarations, methods=("GET", "POST")):
        def endpoint():
            self.entered.append(path)
            return "in"

        for declaration in declarations:
            endpoint = declaration(endpoint)
        self.app.add_url_rule(path, endpoint=path, view_func=endpoint, methods=list(methods))

    def ask(self, path, method="GET", **request):
        return self.app.test_client().open(path, method=method, **request)


@pytest.fixture
def house():
    built = House()
    built.view("/public", public)
    built.view("/login", public, limited("login"))
    built.view("/known", public, limited("login"), counted_by_device)
    built.view("/probe", public, limited(UNLIMITED))
    built.view("/me", signed_in)
    built.view("/status", signed_in, limited(UNLIMITED))
    built.view("/mine", signed_in, limited("profile"))
    built.view("/users", requires(Permission.USERS_READ))
    built.view("/both", requires(Permission.USERS_READ, Permission.ADMIN_READ))
    built.view("/nobody", requires())
    built.view("/empty", lambda view: declare(view, "access", Access()))
    built.view("/search", public, lambda view: declare(view, "takes_query", True))
    built.view("/undeclared")
    return built


def test_a_stranger_enters_what_is_public_and_nothing_else(house):
    for path, status in {
        "/public": 200,
        "/login": 200,
        "/probe": 200,
        "/me": 401,
        "/users": 401,
        "/both": 401,
        "/nobody": 401,
        "/empty": 401,
    }.items():
        assert house.ask(path).status_code == status, path
    assert house.entered == ["/public", "/login", "/probe"]


@pytest.mark.parametrize(
    ("role", "entered"),
    [
        ("viewer", ["/me"]),
        ("user", ["/me"]),
        ("moderator", ["/me", "/users"]),
        ("admin", ["/me", "/users", "/both"]),
        ("superuser", ["/me"]),
    ],
)
def test_a_caller_enters_where_his_role_holds_every_permission(house, role, entered):
    house.who = identity_of(role)
    for path in ("/me", "/users", "/both", "/nobody", "/empty"):
        assert house.ask(path).status_code == (200 if path in entered else 403)
    assert house.entered == entered


def key_of(*scopes):
    return replace(identity_of("admin"), key_id="k", session_id="", permissions=frozenset(scopes), methods=())


def test_a_program_enters_where_its_scopes_hold_every_permission_and_nowhere_else(house):
    house.view("/people", requires(Permission.USERS_READ), people_only)
    house.view("/people-first", people_only, requires(Permission.USERS_READ))
    house.view("/danger", requires(Permission.USERS_READ), recently_authenticated)
    house.who = key_of(*Permission)

    statuses = {path: house.ask(path).status_code for path in house.app.view_functions if path.startswith("/")}

    refused = {"/me", "/status", "/mine", "/people", "/people-first", "/danger", "/nobody", "/empty", "/undeclared"}
    assert {path for path, status in statuses.items() if status == 403} == refused
    for path in refused - {"/undeclared"}:
        assert house.ask(path).json["code"] == "key_not_allowed"
    house.who = key_of(Permission.USERS_READ)
    assert [house.ask(path).status_code for path in ("/users", "/both", "/people")] == [200, 403, 403]
    assert house.ask("/both").json["code"] == "insufficient_permission"


def test_a_program_that_was_refused_is_remembered_before_it_is_told(house):
    house.who = key_of(*Permission)
    house.ask("/me")
    ((happened, details),) = house.diary.committed
    assert happened is ACCESS_DENIED
    assert (details["actor"], details["reason"]) == (house.who, "key_not_allowed")


def test_a_program_cannot_prove_that_somebody_was_there(house):
    house.who = key_of()
    with pytest.raises(KeyNotAllowed):
        house._guard().require_recent(replace(house.who, authenticated_at=2**40))


def test_who_may_enter_in_words():
    asks = requires(Permission.USERS_READ, Permission.ADMIN_READ)
    assert admission_of(asks(lambda: "")) == "admin:read and users:read"
    assert admission_of(people_only(asks(lambda: ""))) == "admin:read and users:read (no keys)"
    assert admission_of(recently_authenticated(asks(lambda: ""))) == "admin:read and users:read (no keys)"
    assert admission_of(recently_authenticated(signed_in(lambda: ""))) == "any caller"
    assert admission_of(public(lambda: "")) == "public"
    assert admission_of(requires()(lambda: "")) == "nobody"
    assert admission_of(lambda: "") == "nobody"


@pytest.mark.parametrize("role", ["viewer", "admin"])
@pytest.mark.parametrize("path", ["/nobody", "/empty"])
def test_an_empty_set_of_permissions_means_nobody(house, role, path):
    house.who = identity_of(role)
    assert house.ask(path).status_code == 403
    assert house.entered == []


@pytest.mark.parametrize("caller", [TokenMissing(), identity_of("admin")])
def test_an_endpoint_that_declares_nothing_lets_nobody_in(house, caller):
    house.who = caller
    answer = house.ask("/undeclared")
    assert (answer.status_code, answer.json["code"]) == (403, "undeclared_endpoint")
    assert house.entered == []


def test_endpoints_that_declare_nothing_are_found(house):
    assert undeclared_endpoints(house.app) == ["/undeclared", "static"]


def test_a_refusal_is_committed_before_it_is_told(house):
    house.who = identity_of("user")
    house.ask("/users", method="POST")
    ((happened, details),) = house.diary.committed
    assert happened is ACCESS_DENIED
    assert (details["actor"], details["subject_id"], details["endpoint"], details["method"]) == (house.who, "alice", "/users", "POST")


def test_a_refusal_that_cannot_be_kept_lets_nobody_in(house, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError

    monkeypatch.setattr(house.diary, "record", broken)
    house.who = identity_of("user")
    assert house.ask("/users").status_code == 500
    assert house.entered == []


def test_who_was_let_in_is_known_to_the_view(house):
    house.who = identity_of("user")
    seen = []
    house.view("/who", signed_in, lambda view: lambda: seen.append(g.identity) or "")
    house.app.view_functions["/who"] = signed_in(lambda: seen.append(g.identity) or "")
    house.ask("/who")
    assert seen == [house.who]


def test_a_guesser_of_tokens_pays_with_the_budget_of_his_address(house):
    house.who = TokenRefused()
    house.ask("/me", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert house.limits.spent == [(GENERAL, "192.0.2.7")]
    house.limits.refuses.add(GENERAL)
    assert house.ask("/me").status_code == 429


def test_each_public_endpoint_spends_the_limit_that_it_names(house):
    for path in ("/public", "/login", "/probe"):
        house.ask(path, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert house.limits.spent == [(GENERAL, "192.0.2.7"), ("login", "192.0.2.7")]


def test_a_limit_that_is_used_up_keeps_the_view_from_running(house):
    house.limits.refuses.add("login")
    assert house.ask("/login", method="POST").status_code == 429
    assert house.entered == []


def test_a_caller_spends_a_limit_of_his_own_where_the_endpoint_names_one(house):
    house.who = identity_of("user")
    house.ask("/me")
    assert house.limits.spent == []
    house.ask("/mine")
    assert house.limits.spent == [("profile", "user:alice")]


def test_an_endpoint_for_callers_may_be_without_a_limit(house):
    house.who = identity_of("user")
    assert house.ask("/status").status_code == 200


@pytest.mark.parametrize("query", ["a=1", "access_token=x", "a[]=1", "%3Cscript%3E=1", "=", "&"])
def test_a_query_that_nobody_reads_is_refused(house, query):
    answer = house.ask(f"/public?{query}")
    assert (answer.status_code, house.entered) == (422, [])
    assert "script" not in answer.text
    assert house.ask(f"/search?{query}").status_code == 200


def test_an_announced_flood_is_refused_before_the_view(house):
    assert house.ask("/login", method="POST", data=b"x" * 101).status_code == 413
    assert house.ask("/login", method="POST", data=b"x" * 100).status_code == 200
    assert house.entered == ["/login"]


def test_an_address_that_does_not_exist_is_left_to_routing(house):
    assert house.ask("/nowhere").status_code == 404
    assert house.ask("/me", method="DELETE").status_code == 405


def test_a_browser_may_ask_which_methods_there_are(house):
    assert house.ask("/me", method="OPTIONS").status_code == 200
    assert house.entered == []


def test_options_that_a_view_answers_itself_are_no_preflight(house):
    house.view("/own-options", signed_in, methods=("OPTIONS",))
    assert house.ask("/own-options", method="OPTIONS").status_code == 401


def test_a_declaration_is_found_under_other_decorators():
    from functools import wraps

    def wrapping(view):
        @wraps(view)
        def outer():
            return view()

        return outer

    assert access_of(wrapping(wrapping(signed_in(lambda: "")))) == Access(is_any_caller=True)
    assert access_of(lambda: "") is None
    assert access_of(None) is None


def test_what_is_declared_on_a_wrapper_is_not_declared_on_the_view_inside():
    from functools import wraps

    def inner():
        pass

    requires(Permission.SELF_READ)(inner)

    @wraps(inner)
    def outer():
        pass

    people_only(outer)
    assert not lets_keys_in(outer)
    assert lets_keys_in(inner)


def test_access_reads_as_a_sentence():
    assert [
        str(access) for access in (Access(is_public=True), Access(is_any_caller=True), Access(), Access(permissions=frozenset(["b", "a"])))
    ] == [
        "public",
        "any caller",
        "nobody",
        "a and b",
    ]


def test_only_where_it_is_declared_a_known_device_is_counted_by_itself(house):
    for path, subject in {"/login": "127.0.0.1", "/known": "device:phone"}.items():
        house.limits.spent.clear()
        assert house.ask(path).status_code == 200
        assert house.limits.spent == [("login", subject)]
