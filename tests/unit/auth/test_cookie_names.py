"""Names of cookies to the letter: what a browser takes for another name than ours is not ours, whatever Python calls white space.

The prefixes are promises only of those names that begin with them. A neighbour on another host of the domain can set a cookie whose
name begins with a strange space and goes on like ours; whoever strips that space believes that the browser has vouched for it.
"""

from flask import Flask

from secureapi.auth.cookies import Brought, Cookies
from secureapi.auth.errors import AmbiguousCredentials
from support.each import each
from support.sample_settings import make_settings

NAMES = {"access": "__Host-secureapi_access", "refresh": "__Secure-secureapi_refresh", "csrf": "__Host-secureapi_csrf"}
STRANGE = [
    "\xa0",
    "\x85",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\u1680",
    "\u2000",
    "\u2028",
    "\u202f",
    "\u3000",
    "\ufeff",
    "\x00",
    "\x7f",
]
SPELLINGS = sorted(
    {text.encode(coding).decode("latin-1") for text in STRANGE for coding in ("utf-8", "latin-1") if coding == "utf-8" or text < "\u0100"}
)
"""As they arrive: bytes of either coding, which a server hands on as Latin-1 (PEP 3333)."""
app = Flask("bare")
SECURE, PLAIN = (Cookies(settings=make_settings(secure_cookies=is_secure)) for is_secure in (True, False))
COOKIES = [(SECURE, NAMES), (PLAIN, {kind: name.rpartition("-")[2] for kind, name in NAMES.items()})]


def brought(header, cookies=SECURE):
    with app.test_request_context(environ_overrides={"HTTP_COOKIE": header}):
        return cookies.brought()


def brought_or_refused(header, cookies):
    """What was brought; nothing where it was refused as ambiguous."""
    try:
        return brought(header, cookies)
    except AmbiguousCredentials:
        return Brought()


every_name = each(("cookies", "kind", "name"), [(c, kind, name) for c, names in COOKIES for kind, name in names.items()])


@each("strange", SPELLINGS, ids=ascii)
@every_name
def test_a_name_with_a_strange_space_before_or_behind_it_is_not_ours(cookies, kind, name, strange):
    for planted in (
        f"{strange}{name}=evil",
        f"{name}{strange}=evil",
        f"{strange} {name}=evil",
        f"{name} {strange}=evil",
        f"{strange}\t{name}\t=evil",
    ):
        assert brought_or_refused(planted, cookies) == Brought()
        assert brought_or_refused(f"a=b; {planted}; c=d", cookies) == Brought()


@each("strange", SPELLINGS, ids=ascii)
@every_name
def test_beside_the_real_one_it_never_takes_its_place(cookies, kind, name, strange):
    for planted in (f"{strange}{name}=evil", f"{name}{strange}=evil"):
        for header in (f"{planted}; {name}=real", f"{name}=real; {planted}"):
            assert getattr(brought_or_refused(header, cookies), kind) in {"real", None}


@each("strange", SPELLINGS, ids=ascii)
def test_a_strange_space_in_a_value_belongs_to_the_value(strange):
    """No token of ours has one, so the value is refused later. Stripped, two different values would become one."""
    assert brought(f"{NAMES['access']}={strange}a.b.c{strange}").access == f"{strange}a.b.c{strange}"
    assert brought(f"{NAMES['csrf']}= \t{strange} ").csrf == strange


@every_name
def test_blanks_and_tabulators_do_not_count(cookies, kind, name):
    for header in (f" {name}=real", f"\t{name}\t=\treal\t", f"a=b;{name} = real ;c=d", f"a=b; \t {name}=real"):
        assert brought(header, cookies) == Brought(**{kind: "real"})


@every_name
def test_a_cookie_without_a_sign_of_equality_is_not_ours_and_hides_nothing(cookies, kind, name):
    """Browsers send a cookie without a name as its bare value, and anybody's plain page may set one."""
    assert brought(name, cookies) == Brought()
    assert brought(f"a=b; {name}; c=d", cookies) == Brought()
    for header in (f"{name}; {name}=real", f"{name}=real; {name}", f"{name} ; {name}=real;{name}\t", f"x; {name}=real; y"):
        assert brought(header, cookies) == Brought(**{kind: "real"})


@every_name
def test_a_cookie_without_a_name_is_not_ours(cookies, kind, name):
    assert brought(f"={name}", cookies) == Brought()
    assert brought_or_refused(f"={name}=evil", cookies) == Brought()
    assert getattr(brought_or_refused(f"={name}=evil; {name}=real", cookies), kind) in {"real", None}


@every_name
def test_names_have_a_case(cookies, kind, name):
    """Browsers keep a prefix in any case, and a name in its own."""
    for other in (
        name.upper(),
        name.replace("__Host-", "__host-").replace("__Secure-", "__SECURE-"),
        name.replace("secureapi", "Secureapi"),
    ):
        assert other == name or brought_or_refused(f"{other}=evil", cookies) == Brought()


def test_a_value_may_hold_the_sign_of_equality():
    assert brought(f"{NAMES['csrf']}=n.t==; {NAMES['access']}=a=b") == Brought(access="a=b", csrf="n.t==")
