"""Reading and setting cookies, and telling our pages from others, without a house around it."""

import base64
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import sampled_from

from secureapi.auth.cookies import Brought, Cookies
from secureapi.auth.errors import AmbiguousCredentials, CrossSiteRequest, CsrfRefused
from secureapi.auth.own_pages import OwnPages
from secureapi.core.secret_values import SecretBox
from support.browser import SetCookie
from support.each import each
from support.sample_settings import make_settings

ACCESS, REFRESH, CSRF = "__Host-secureapi_access", "__Secure-secureapi_refresh", "__Host-secureapi_csrf"
SESSION = "01890000-0000-7000-8000-000000000001"
OTHER = "01890000-0000-7000-8000-000000000002"
app = Flask("bare")
SECURE, PLAIN = (Cookies(settings=make_settings(secure_cookies=is_secure)) for is_secure in (True, False))


def brought(header, cookies=SECURE):
    with app.test_request_context(environ_overrides={} if header is None else {"HTTP_COOKIE": header}):
        return cookies.brought()


@each("header", [None, "", ";", "a=b", "session=secureapi_access", "x_secureapi_access=1; secureapi_access2=2", "=x;;=;"])
def test_cookies_of_other_software_are_nothing(header):
    assert brought(header) == Brought()
    assert not brought(header).has_token


def test_ours_are_found_among_others():
    assert brought(f"a=b; {ACCESS}=x.y.z; {REFRESH}=sar_1;{CSRF}=n.t ;c") == Brought("x.y.z", "sar_1", "n.t")
    assert brought("secureapi_access=x; secureapi_refresh=y; secureapi_csrf=z", PLAIN) == Brought("x", "y", "z")


def test_an_empty_cookie_was_brought_all_the_same():
    assert brought(f"{ACCESS}=") == Brought(access="")
    assert brought(f"{ACCESS}=").has_token
    assert not brought(f"{CSRF}=x").has_token


@each("cookies", [SECURE, PLAIN])
def test_the_other_spelling_alone_is_not_ours(cookies):
    foreign = "secureapi_access=x; secureapi_refresh=y" if cookies is SECURE else f"{ACCESS}=x; {REFRESH}=y"
    assert brought(foreign, cookies) == Brought()


@each("cookies", [SECURE, PLAIN])
@each(
    "header",
    [
        f"{ACCESS}=a; {ACCESS}=b",
        f"{ACCESS}=a; {ACCESS}=a",
        f"{ACCESS}=a;{ACCESS}=",
        f"{ACCESS}=a; x=y; secureapi_access=b",
        "secureapi_access=a; secureapi_access=b",
        f"{REFRESH}=a; secureapi_refresh=b",
        f"{REFRESH}=a; __Host-secureapi_refresh=b",
        f"{CSRF}=a; {CSRF}=b",
        f"{ACCESS}=a,{ACCESS}=b",
        f"{ACCESS}=a, x=y, {ACCESS}=b",
        f"{ACCESS}=a; x=y {ACCESS}=b",
        f"{ACCESS} =a; {ACCESS}\t=b",
        f'{ACCESS}=a; x="; {ACCESS}=b"',
    ],
)
def test_two_of_one_kind_are_refused_in_any_spelling(header, cookies):
    with pytest.raises(AmbiguousCredentials):
        brought(header, cookies)


def test_a_neighbour_cannot_hide_our_name_in_the_value_of_his_own_cookie():
    assert brought(f"theirs=1,{ACCESS}=planted") == Brought()
    assert brought(f"theirs=1 {ACCESS}=planted") == Brought()


@given(
    st.lists(st.tuples(sampled_from([ACCESS, REFRESH, CSRF, "secureapi_access", "a", ""]), st.text(alphabet="ab=, \t\"'x.")), max_size=6)
)
def test_whatever_is_sent_is_read_or_refused(pairs):
    header = ";".join(f"{name}={value}" for name, value in pairs)
    names = [name for name, _ in pairs]
    try:
        found = brought(header)
    except AmbiguousCredentials:
        return
    assert (found.access is not None, found.refresh is not None) == (ACCESS in names, REFRESH in names)
    assert found.access == next((value.strip() for name, value in pairs if name == ACCESS), None)


@each(("path", "folder"), [("/api/v1/auth/login", "/api/v1/auth"), ("/auth/refresh", "/auth"), ("/api/v1/auth/sessions/1", "/api/v1/auth")])
def test_each_cookie_is_set_with_every_flag_it_needs(path, folder):
    bare = Flask("setting")

    @bare.post(path)
    def view():
        SECURE.set_access("a.b.c", max_age=900)
        SECURE.set_refresh("sar_x", csrf_token="n.t", max_age=600)
        return ""

    lines = bare.test_client().post(path).headers.getlist("Set-Cookie")

    hidden, shown = frozenset(["secure", "httponly"]), frozenset(["secure"])
    assert [SetCookie.parse(line) for line in lines] == [
        SetCookie(ACCESS, "a.b.c", "/", 900, "Strict", hidden, frozenset()),
        SetCookie(REFRESH, "sar_x", folder, 600, "Strict", hidden, frozenset()),
        SetCookie(CSRF, "n.t", "/", 600, "Strict", shown, frozenset()),
    ]


def test_cookies_are_cleared_where_they_were_set_even_when_the_answer_is_a_refusal():
    bare = Flask("clearing")

    @bare.post("/auth/refresh")
    def view():
        PLAIN.clear()
        raise RuntimeError

    bare.register_error_handler(RuntimeError, lambda error: ("", 401))
    lines = bare.test_client().post("/auth/refresh").headers.getlist("Set-Cookie")

    hidden = frozenset(["httponly"])
    assert [SetCookie.parse(line) for line in lines] == [
        SetCookie("secureapi_access", "", "/", 0, "Strict", hidden, frozenset()),
        SetCookie("secureapi_refresh", "", "/auth", 0, "Strict", hidden, frozenset()),
        SetCookie("secureapi_csrf", "", "/", 0, "Strict", frozenset(), frozenset()),
    ]


def test_a_mounted_application_names_the_path_that_the_browser_sees():
    bare = Flask("mounted")
    bare.add_url_rule("/auth/login", "login", lambda: SECURE.set_refresh("r", csrf_token="c", max_age=1) or "", methods=["POST"])

    answer = bare.test_client().post("/auth/login", environ_overrides={"SCRIPT_NAME": "/identity"})

    assert SetCookie.parse(answer.headers.getlist("Set-Cookie")[0]).path == "/identity/auth"


def test_nothing_secret_is_shown_by_accident():
    assert "sar_x" not in repr(Brought("a.b.c", "sar_x", "n.t"))


BOX = SecretBox("Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC")
PAGES = OwnPages(settings=make_settings(public_url="https://auth.example.com"), secret_box=BOX)


def proves(header, cookie, session=SESSION, method="POST", pages=PAGES):
    headers = {} if header is None else {"X-CSRF-Token": header}
    with app.test_request_context("/", method=method, headers=headers):
        try:
            pages.refuse_unproved(session, cookie)
        except CsrfRefused:
            return False
        return True


def test_a_token_proves_the_session_that_it_was_made_for_and_no_other():
    token = PAGES.new_token(SESSION)

    assert proves(token, token)
    assert not proves(token, token, session=OTHER)
    assert token != PAGES.new_token(SESSION)
    assert proves(None, None, method="GET")
    assert proves(None, None, method="HEAD")
    assert proves(None, None, method="OPTIONS")


def test_a_token_of_another_installation_proves_nothing():
    theirs = OwnPages(settings=make_settings(), secret_box=SecretBox("another secret")).new_token(SESSION)

    assert not proves(theirs, theirs)


@each(
    "change",
    [
        lambda t: "",
        lambda t: ".",
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t.replace(".", ""),
        lambda t: t.replace(".", ".."),
        lambda t: t.partition(".")[0],
        lambda t: t.partition(".")[2] + "." + t.partition(".")[0],
        lambda t: ("B" if t[0] == "A" else "A") + t[1:],
        lambda t: t[:23] + ("B" if t[23] == "A" else "A") + t[24:],
        lambda t: t.swapcase(),
        lambda t: f"{t},{t}",
        lambda t: f" {t}",
        lambda t: base64.urlsafe_b64encode(bytes(16)).rstrip(b"=").decode() + "." + "A" * 43,
        lambda t: "\x00",
        lambda t: "é" * 66,
        lambda t: "\udcff",
    ],
)
def test_a_forger_who_sets_both_cookie_and_header_proves_nothing(change):
    forged = change(PAGES.new_token(SESSION))
    with app.test_request_context("/", method="POST", environ_overrides={"HTTP_X_CSRF_TOKEN": forged}), pytest.raises(CsrfRefused):
        PAGES.refuse_unproved(SESSION, forged)


def test_header_and_cookie_must_be_the_same_token():
    token, another = PAGES.new_token(SESSION), PAGES.new_token(SESSION)

    assert not proves(None, token)
    assert not proves("", token)
    assert not proves(token, None)
    assert not proves(token, "")
    assert not proves(token, another)


@given(st.text(max_size=80), st.uuids())
def test_no_text_that_we_did_not_make_is_a_token(text, session):
    header = text.encode("utf-8", "replace").decode("latin-1")
    with app.test_request_context("/", method="POST", environ_overrides={"HTTP_X_CSRF_TOKEN": header}), pytest.raises(CsrfRefused):
        PAGES.refuse_unproved(str(session), header)


def is_ours(origin=None, site=None, pages=PAGES, **request):
    sent = {"HTTP_ORIGIN": origin, "HTTP_SEC_FETCH_SITE": site}
    with app.test_request_context(
        **({"base_url": "https://auth.example.com"} | request), environ_overrides={k: v for k, v in sent.items() if v is not None}
    ):
        try:
            pages.refuse_others()
        except CrossSiteRequest:
            return False
        return True


def test_our_own_origin_is_the_public_one_and_the_one_that_was_asked():
    assert is_ours("https://auth.example.com")
    assert is_ours("https://auth.example.com", base_url="http://10.0.0.7:8000")
    assert is_ours("https://10.0.0.7:8000", base_url="http://10.0.0.7:8000")
    assert not is_ours("https://10.0.0.7:8001", base_url="http://10.0.0.7:8000")
    assert not is_ours("http://10.0.0.7:8000", base_url="http://10.0.0.7:8000")


@each(
    ("public_url", "origin"),
    [
        ("https://auth.example.com:443", "https://auth.example.com"),
        ("http://auth.example.com:80", "http://auth.example.com"),
        ("https://auth.example.com:8443/identity", "https://auth.example.com:8443"),
        ("https://AUTH.example.com", "https://auth.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_public_address_is_turned_into_an_origin_as_browsers_write_it(public_url, origin):
    pages = OwnPages(settings=make_settings(public_url=public_url), secret_box=BOX)

    assert is_ours(origin, pages=pages, base_url="http://10.0.0.7")


@each(
    "origin",
    [
        *("null", "", "*", "https://evil.example", "https://auth.example.com.evil.example", "https://evil-auth.example.com"),
        *("http://auth.example.com", "https://auth.example.com:8443", "https://auth.example.com/", "https://auth.example.com."),
        *(
            "https://example.com",
            "https://sub.auth.example.com",
            "https://AUTH.example.com",
            " https://auth.example.com",
            "auth.example.com",
        ),
        *(
            "https://auth.example.com,https://evil.example",
            "https://auth.example.com https://evil.example",
            "https://auth.example.com@evil",
        ),
        *("https://app.example.com", "https://auth.exampl\xe8.com"),
    ],
)
@each("site", [None, "same-origin", "none"])
def test_a_stranger_who_looks_like_us_is_a_stranger_whatever_else_he_says(origin, site):
    assert not is_ours(origin, site)


@each(
    ("site", "expected"),
    [(None, True), ("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False), ("", False), ("Same-Origin", False)],
)
def test_without_an_origin_the_browser_must_not_say_another_site(site, expected):
    assert is_ours(None, site) is expected


def test_a_listed_origin_counts_only_where_its_pages_may_send_cookies():
    listed = {"cors_origins": "https://app.example.com", "public_url": "https://auth.example.com"}
    with_cookies = OwnPages(settings=make_settings(**listed, cors_allow_credentials=True), secret_box=BOX)
    without = OwnPages(settings=make_settings(**listed), secret_box=BOX)

    assert is_ours("https://app.example.com", "same-site", pages=with_cookies)
    assert not is_ours("https://app.example.com", pages=without)
    assert not is_ours("https://other.example.com", pages=with_cookies)


def test_tokens_have_random_halves():
    assert len({PAGES.new_token(str(uuid4())) for _ in range(50)}) == 50
