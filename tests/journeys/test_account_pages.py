"""The pages to which links in messages lead, as they look to strangers and to programs. See test_account_pages_in_a_browser.py."""

import re

from journeys.answers import SECURITY_HEADERS, assert_problem
from secureapi.security.links import Purpose
from support.cases import Cases

API = "/api/v1"
PAGES = [*(purpose.value for purpose in Purpose), "forgot-password", "resend-verification"]


def test_a_page_is_the_same_for_everybody_and_allows_its_own_files_and_nothing_else(house):
    person = house.person()

    with Cases() as case:
        for name in PAGES:
            with case(name):
                answer = house.client().get(f"/account/{name}")

                assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
                assert answer.headers["Cache-Control"] == "no-store"
                assert "Set-Cookie" not in answer.headers
                for header, value in (SECURITY_HEADERS | {"Referrer-Policy": "no-referrer"}).items():
                    assert answer.headers.get_all(header) == [value]
                policy = dict(directive.strip().split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split(";"))
                assert policy == {
                    "default-src": "'none'",
                    "script-src": "'self'",
                    "style-src": "'self'",
                    "connect-src": "'self'",
                    "frame-ancestors": "'none'",
                    "base-uri": "'none'",
                    "form-action": "'none'",
                    "require-trusted-types-for": "'script'",
                    "trusted-types": "'none'",
                }
                assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=|https?:", answer.text), (
                    "nothing inline, nothing from elsewhere"
                )
                again = house.client().get(f"/account/{name}", headers=person.headers | {"Host": "localhost"})
                assert (again.status_code, again.text) == (200, answer.text)


def test_a_page_belongs_to_every_purpose_and_the_links_in_messages_lead_to_it(house):
    assert {purpose.value for purpose in Purpose} <= set(PAGES)
    for name in ("nothing", "Verify-Email", "verify-email/", "assets", "assets/", "..%2faccount", "account.html"):
        assert_problem(house.client().get(f"/account/{name}"), 404, "not_found")
    assert_problem(house.client().get("/account/unlock?token=x"), 422, "invalid_input")
    assert_problem(house.client().post("/account/unlock"), 405, "method_not_allowed")


def test_the_files_of_a_page_are_asked_about_each_time(house):
    with Cases() as case:
        for name, kind in (("account.js", "text/javascript"), ("account.css", "text/css")):
            with case(name, kind):
                answer = house.client().get(f"/account/assets/{name}")

                assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
                assert answer.headers["Cache-Control"] == "public, no-cache"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                same = house.client().get(f"/account/assets/{name}", headers={"If-None-Match": answer.headers["ETag"]})
                assert (same.status_code, same.data) == (304, b"")


def test_a_searcher_for_files_finds_two_and_no_more(house):
    with Cases() as case:
        for name in ("account.html", "docs.html", "../app.py", "%2e%2e/app.py", "mail/layout.txt", "ACCOUNT.JS"):
            with case(name):
                assert_problem(house.client().get(f"/account/assets/{name}"), 404)


def test_somebody_behind_a_flooded_address_can_still_open_his_link(make_house):
    house = make_house(rate_limit_per_minute=1)

    answers = [house.client().get(path) for path in ("/account/unlock", "/account/assets/account.js") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 6


def test_a_keeper_of_passwords_is_sent_to_the_page_for_a_new_one_whatever_host_is_named(make_house):
    house = make_house(public_url="https://auth.example.com/identity", allowed_hosts=("auth.example.com", "evil.example.com", "localhost"))

    answer = house.client().get("/.well-known/change-password", headers={"Host": "evil.example.com"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "https://auth.example.com/identity/account/forgot-password")
    assert house.client().get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").status_code == 404


def test_pages_of_ones_own_take_the_place_of_ours(make_house):
    house = make_house(account_pages_url="https://app.example.com/me/")

    for path in [*(f"/account/{name}" for name in PAGES), "/account/assets/account.js"]:
        assert_problem(house.client().get(path), 404, "not_found")
    assert house.client().get("/.well-known/change-password").headers["Location"] == "https://app.example.com/me/forgot-password"
