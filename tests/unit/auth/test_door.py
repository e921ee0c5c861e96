"""What the door makes of a request before anybody judges it."""

from contextlib import contextmanager

import pytest
from flask import Flask

from secureapi.auth.cookies import Brought
from secureapi.auth.device_tokens import DeviceTokens
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
from secureapi.core.clock import SystemClock
from secureapi.core.errors import Invalid
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import RateLimited
from secureapi.security.identity import Identity
from secureapi.security.limits import GENERAL
from support.sample_settings import make_settings

app = Flask("bare")
ALICE, PHONE, LAPTOP = new_id(), new_id(), new_id()
DEVICES = DeviceTokens(settings=make_settings(), clock=SystemClock(), secret_box=SecretBox("a secret"))


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
        self.device_cookie = self.refused_limit = ""
        self.door = Door(
            callers=Callers(self),
            api_keys=ApiKeyCallers(self),
            clients=self,
            cookies=self,
            devices=DEVICES,
            own_pages=self,
            holders=Holders(self),
            limits=self,
            database=self,
            trail=self,
        )

    def brought(self):
        self.asked.append("cookies")
        if isinstance(self.cookies, Exception):
            raise self.cookies
        return self.cookies

    def device(self):
        return self.device_cookie

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
        if name == self.refused_limit:
            raise RateLimited(retry_after=9)
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


class ApiKeyCallers:
    def __init__(self, household):
        self.household = household

    def identify(self, text, client):
        self.household.asked.append(f"key {text}")
        return said(self.household.access)


class Holders:
    def __init__(self, household):
        self.household = household

    def identify(self, text):
        self.household.asked.append(f"refresh {text}")
        return said(self.household.refresh)

    def session_of(self, text):
        return None if text == "made up" else "s"


@pytest.fixture
def household():
    return Household()


BEARER = {"Authorization": "Bearer a.b.c"}
WITH_COOKIES = {"Cookie": "anything"}


def test_a_bearer_token_without_cookies_is_judged_and_nobody_else_is_asked(household):
    assert household.caller(BEARER) is household.access
    assert household.asked == ["access a.b.c"]


def test_a_request_that_brings_nothing_is_a_strangers(household):
    with pytest.raises(TokenMissing):
        household.caller()
    with pytest.raises(TokenMissing):
        household.caller(WITH_COOKIES)
    with pytest.raises(TokenMissing):
        household.caller(or_by_refresh_cookie=True)


@pytest.mark.parametrize("headers", [{"X-API-Key": "sa_live_x"}, {"Authorization": "Bearer sa_live_x"}])
def test_an_api_key_is_judged_by_those_who_know_keys(household, headers):
    assert household.caller(headers) is household.access
    assert household.caller(headers | WITH_COOKIES) is household.access
    assert household.asked == ["key sa_live_x", "cookies", "key sa_live_x"]


@pytest.mark.parametrize("value", ["", " ", "anything", "SA_LIVE_x", "\xe9"])
def test_whatever_is_in_the_header_for_api_keys_is_taken_for_one(household, value):
    household.caller({"X-API-Key": value})
    assert household.asked[0].startswith("key ")


@pytest.mark.parametrize("token", ["SA_LIVE_x", "Sa_live_x", "sa_test_x", " sa_live_x", "sac_x", "sar_x"])
def test_a_bearer_token_with_another_beginning_is_no_api_key(household, token):
    household.caller({"Authorization": f"Bearer {token}"})
    assert household.asked == [f"access {token}"]


@pytest.mark.parametrize("headers", [BEARER, {"Authorization": "Bearer sa_live_x"}, {"Authorization": ""}, {"Authorization": "Basic eDp5"}])
def test_an_api_key_beside_another_credential_is_ambiguous(household, headers):
    with pytest.raises(AmbiguousCredentials):
        household.caller({"X-API-Key": "sa_live_x"} | headers)
    assert household.asked == []


def test_two_api_keys_are_ambiguous(household):
    with pytest.raises(AmbiguousCredentials):
        household.caller([("X-API-Key", "sa_live_x"), ("X-API-Key", "sa_live_y")])


def test_an_api_key_beside_the_cookies_of_a_session_is_ambiguous(household):
    household.cookies = Brought(access="a.b.c", refresh="r")
    with pytest.raises(AmbiguousCredentials):
        household.caller({"X-API-Key": "sa_live_x"} | WITH_COOKIES)
    with pytest.raises(AmbiguousCredentials):
        household.refresh_token(None, {"X-API-Key": "sa_live_x"} | WITH_COOKIES)


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic eDp5", "a.b.c", "Bearera.b.c", "Bearer a,Bearer b", "Token a.b.c"])
@pytest.mark.parametrize("others", [{}, WITH_COOKIES])
def test_a_header_that_is_no_bearer_token_is_refused_and_no_cookie_is_asked(household, value, others):
    with pytest.raises(TokenRefused):
        household.caller({"Authorization": value} | others)
    assert "access" not in str(household.asked)


def test_a_bearer_token_beside_cookies_of_others_is_good(household):
    household.cookies = Brought(csrf="x")

    assert household.caller(BEARER | WITH_COOKIES) is household.access
    assert not household.access.comes_by_cookie
    assert household.asked == ["cookies", "access a.b.c"]


@pytest.mark.parametrize("cookies", [Brought(access="x"), Brought(refresh="x"), Brought(access=""), AmbiguousCredentials()])
@pytest.mark.parametrize("header", [BEARER, {"Authorization": ""}, {"Authorization": "Basic eDp5"}])
def test_two_credentials_are_refused_before_either_is_judged(household, cookies, header):
    household.cookies = cookies
    for options in ({}, {"or_by_refresh_cookie": True}):
        with pytest.raises(AmbiguousCredentials):
            household.caller(header | WITH_COOKIES, **options)
    assert set(household.asked) == {"cookies"}


def test_a_caller_by_cookie_is_known_as_one_and_proves_that_his_page_asks(household):
    household.cookies = Brought("a.b.c", "sar_x", "n.t")

    found = household.caller(WITH_COOKIES)

    assert found.comes_by_cookie
    assert found.user_id == "alice"
    assert household.asked == ["cookies", "access a.b.c", "proof of s"]
    assert household.spent == [], "whoever judges access tokens counts the request"


@pytest.mark.parametrize("refusal", [CrossSiteRequest(), CsrfRefused()])
@pytest.mark.parametrize("cookies", [Brought(access="a.b.c"), Brought(refresh="sar_x")])
def test_a_page_of_another_site_is_remembered_and_refused(household, refusal, cookies):
    household.cookies, household.unproved = cookies, refusal

    with pytest.raises(type(refusal)):
        household.caller(WITH_COOKIES, or_by_refresh_cookie=True)

    assert household.recorded == [(CSRF_REFUSED, "alice", refusal.code)]
    assert household.cleared == 0


def test_a_refused_cookie_of_a_stranger_is_not_remembered(household):
    household.cookies, household.access, household.unproved = Brought(access="x"), TokenRefused(), CsrfRefused()

    with pytest.raises(TokenRefused):
        household.caller(WITH_COOKIES)
    assert household.recorded == []


@pytest.mark.parametrize("cookies", [Brought(refresh="sar_x"), Brought("x", "sar_x")])
def test_the_refresh_cookie_is_looked_at_only_where_the_endpoint_lets_it_in(household, cookies):
    household.cookies, household.access = cookies, TokenRefused()

    with pytest.raises(TokenRefused if cookies.access else TokenMissing):
        household.caller(WITH_COOKIES)
    assert "refresh" not in str(household.asked)

    assert household.caller(WITH_COOKIES, or_by_refresh_cookie=True) is household.refresh
    assert household.spent == [(GENERAL, "session:s")]
    assert household.asked[-1] == "proof of s"


def test_a_good_access_cookie_is_enough(household):
    household.cookies = Brought("a.b.c", "sar_x")

    household.caller(WITH_COOKIES, or_by_refresh_cookie=True)

    assert "refresh sar_x" not in household.asked


def test_a_caller_whose_budget_is_used_up_does_not_get_another_one_by_his_refresh_cookie(household):
    household.cookies, household.access = Brought("a.b.c", "sar_x"), RateLimited(retry_after=1)

    with pytest.raises(RateLimited):
        household.caller(WITH_COOKIES, or_by_refresh_cookie=True)
    assert "refresh sar_x" not in household.asked
    assert household.cleared == 0


@pytest.mark.parametrize(("others", "cleared"), [(None, 1), (CrossSiteRequest(), 0)])
def test_cookies_that_are_dead_are_cleared_where_somebody_signs_out_and_only_for_our_own_pages(household, others, cleared):
    household.cookies, household.access, household.refresh = Brought("x", "sar_x"), TokenRefused(), RefreshRefused()
    household.others = others

    with pytest.raises(TokenRefused):
        household.caller(WITH_COOKIES)
    assert household.cleared == 0
    with pytest.raises(RefreshRefused):
        household.caller(WITH_COOKIES, or_by_refresh_cookie=True)
    assert household.cleared == cleared


def test_a_refresh_token_is_taken_from_the_body_or_from_the_cookie(household):
    assert household.refresh_token("sar_y") == PresentedRefresh("sar_y")
    assert household.refresh_token("sar_y", BEARER) == PresentedRefresh("sar_y")
    household.cookies = Brought(access="a.b.c")
    assert household.refresh_token("sar_y") == PresentedRefresh("sar_y")
    household.cookies = Brought("a.b.c", "sar_x", "n.t")
    assert household.refresh_token(None) == PresentedRefresh("sar_x", comes_by_cookie=True, csrf_token="n.t")
    assert household.asked[-2:] == ["others", "proof of s"]


def test_a_refresh_token_that_is_nowhere_is_invalid_input(household):
    with pytest.raises(Invalid) as refused:
        household.refresh_token(None)
    assert [fault.pointer for fault in refused.value.faults] == ["/refresh_token"]


def test_two_refresh_tokens_or_a_header_beside_the_cookie_are_refused(household):
    household.cookies = Brought(refresh="sar_x")
    for in_body, headers in (("sar_x", {}), ("sar_y", {}), (None, BEARER), ("", {})):
        with pytest.raises(AmbiguousCredentials):
            household.refresh_token(in_body, headers)


@pytest.mark.parametrize("place", ["others", "unproved"])
def test_another_site_cannot_refresh_and_is_remembered_if_the_cookie_is_good(household, place):
    household.cookies = Brought(refresh="sar_x")
    setattr(household, place, CrossSiteRequest())

    with pytest.raises(CrossSiteRequest):
        household.refresh_token(None)
    assert household.recorded == [(CSRF_REFUSED, "alice", "cross_site_request")]

    household.refresh = RefreshRefused()
    with pytest.raises(CrossSiteRequest):
        household.refresh_token(None)
    assert len(household.recorded) == 1


def test_a_made_up_refresh_cookie_has_no_session_to_prove_and_is_left_to_those_who_judge_it(household):
    household.cookies, household.unproved = Brought(refresh="made up"), CsrfRefused()

    assert household.refresh_token(None).token == "made up"

    household.others, household.refresh = CrossSiteRequest(), RefreshRefused()
    with pytest.raises(CrossSiteRequest):
        household.refresh_token(None)
    assert household.recorded == []


def test_nothing_secret_is_shown_by_accident():
    assert "sar_x" not in repr(PresentedRefresh("sar_x", csrf_token="n.t"))
    assert "n.t" not in repr(PresentedRefresh("sar_x", csrf_token="n.t"))


def stranger(household, headers=None, address="192.0.2.7"):
    with app.test_request_context(headers=headers or {}, environ_overrides={"REMOTE_ADDR": address}):
        return household.door.stranger()


def test_a_device_that_is_known_is_counted_by_itself_and_everybody_else_by_his_address():
    household, phone, laptop = Household(), *(DEVICES.issue(ALICE, device, since=None) for device in (PHONE, LAPTOP))

    assert stranger(household) == "192.0.2.7"
    for forged in ("x", f"{phone}A", phone.swapcase(), f"{phone},{phone}"):
        assert stranger(household, {"X-Device-Token": forged}) == "192.0.2.7"
    assert stranger(household, {"X-Device-Token": phone}) == f"device:{PHONE}"
    household.device_cookie = laptop
    assert stranger(household) == f"device:{LAPTOP}"
    assert stranger(household, {"X-Device-Token": phone}) == f"device:{PHONE}", "whoever sets a header means it"
    assert stranger(household, {"X-Device-Token": "x"}) == f"device:{LAPTOP}"
    assert household.asked == [], "no credential is looked at for that"


def test_all_devices_of_an_account_have_a_limit_together_and_beyond_it_the_address_counts():
    household, phone, laptop = Household(), *(DEVICES.issue(ALICE, device, since=None) for device in (PHONE, LAPTOP))

    assert [stranger(household, {"X-Device-Token": token}) for token in (phone, laptop)] == [f"device:{PHONE}", f"device:{LAPTOP}"]
    assert household.spent == [("login_devices", f"devices:{ALICE}")] * 2
    household.refused_limit = "login_devices"
    assert stranger(household, {"X-Device-Token": phone}) == "192.0.2.7"


def test_whoever_brings_a_device_of_another_account_is_counted_by_his_address_after_all():
    household = Household()

    with app.test_request_context(environ_overrides={"REMOTE_ADDR": "192.0.2.7"}):
        household.door.count_as_stranger()

    assert household.spent == [("login", "192.0.2.7")]
