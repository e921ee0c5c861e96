import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secureapi.users.rules import (
    CANONICAL_LENGTH,
    RESERVED_USERNAMES,
    USERNAME_PATTERN,
    canonical_email,
    canonical_login,
    canonical_text,
    is_reserved,
)
from support.each import each

# Alice's address as Mallory writes it, to get a second account or the first one's mail.
_SAME_AS_ALICE = [
    "alice@example.com",
    "ALICE@EXAMPLE.COM",
    "Alice@Example.Com",
    "\uff41\uff4c\uff49\uff43\uff45@example.com",  # full width
    "\uff21\uff2c\uff29\uff23\uff25@\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25.com",
    "alice@example\u3002com",  # ideographic full stop
    "alice@example\uff0ecom",  # full-width full stop
    "alice@example\uff61com",  # half-width ideographic full stop
    "\u24d0lice@example.com",  # circled
    "\U0001d41alice@example.com",  # mathematical bold
    "al\u2170ce@example.com",  # small roman numeral one
]
_REFUSED = [
    "",
    "@",
    "alice",
    "alice@",
    "@example.com",
    "alice@@example.com",
    "a@b@example.com",
    "alice@example",
    "alice@localhost",
    "alice@127.0.0.1",
    "alice@[127.0.0.1]",
    "alice@[IPv6:::1]",
    "alice@-example.com",
    "alice@example-.com",
    "alice@exa_mple.com",
    "alice@.example.com",
    "alice@example..com",
    "alice@example.com.",
    ".alice@example.com",
    "alice.@example.com",
    "al..ice@example.com",
    '"al ice"@example.com',
    "al ice@example.com",
    "Alice <alice@example.com>",
    "alice@example.com,bob@example.com",
    "alice@example.com\nBcc: bob@example.com",
    "alice\r\n@example.com",
    " alice@example.com",
    "alice@example.com ",
    "alice@example.com\u00a0",  # no-break space
    "\ufeffalice@example.com",  # byte order mark
    "al\u200bice@example.com",  # zero width space
    "alice@exam\u200bple.com",
    "al\u00adice@example.com",  # soft hyphen
    "al\u202eice@example.com",  # right to left
    "al\u2060ice@example.com",  # word joiner
    "alice\x00@example.com",
    "alice@example.com\x00",
    "alice@xn--.com",
    "alice@xn--a.com",
    "alice@xn--example-.com",
    "a@" + "b" * 64 + ".com",
    "a@" + "b." * 130 + "com",
    "alice\uff20example.com",
    "\ud800@example.com",
]


@each("address", _SAME_AS_ALICE, ids=ascii)
def test_mallory_cannot_register_alices_address_in_another_dress(address):
    assert canonical_email(address) == "alice@example.com"


@each("address", _REFUSED, ids=lambda address: ascii(address)[:40])
def test_what_is_no_address_is_refused_without_being_repeated(address):
    with pytest.raises(ValueError, match=r"^not an email address$") as refused:
        canonical_email(address)
    assert refused.value.__suppress_context__


@each(
    ("one", "other", "are_the_same"),
    [
        ("\u212aim@example.com", "kim@example.com", True),  # Kelvin sign
        ("kim@\u212aim.example", "kim@kim.example", True),
        ("\u017fam@example.com", "sam@example.com", True),  # long s
        ("\ufb01n@example.com", "fin@example.com", True),  # ligature
        ("stra\u00dfe@example.com", "strasse@example.com", True),  # sharp s
        ("STRASSE@example.com", "stra\u1e9ee@example.com", True),  # capital sharp s
        ("e\u0301mile@example.com", "\u00e9mile@example.com", True),  # combining accent
        ("\u0130@example.com", "i@example.com", False),  # capital i with a dot
        ("\u0131@example.com", "i@example.com", False),  # dotless i
        ("\u0456@example.com", "i@example.com", False),  # Cyrillic
        ("user@stra\u00dfe.example", "user@strasse.example", False),  # two domains since IDNA 2008
        ("user@b\u00fccher.example", "user@xn--bcher-kva.example", True),
        ("user@B\u00dcCHER.example", "user@xn--bcher-kva.example", True),
        ("user@bu\u0308cher.example", "user@XN--BCHER-KVA.example", True),
        ("a+1@example.com", "a+2@example.com", False),
        ("a.b@example.com", "ab@example.com", False),
    ],
)
def test_two_spellings_are_one_address_or_they_are_not(one, other, are_the_same):
    assert (canonical_email(one) == canonical_email(other)) == are_the_same


def test_a_domain_is_kept_as_what_mail_is_sent_to():
    assert canonical_email("user@b\u00fccher.example") == "user@xn--bcher-kva.example"


_local = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
_domain = st.sampled_from(
    ["example.com", "b\u00fccher.example", "stra\u00dfe.example", "\u212aim.example", "EXAMPLE\u3002com", "xn--bcher-kva.example"]
)


@given(_local, _domain)
@example("a\uff20b", "example.com")  # full-width commercial at
@example("a\ufe6bb", "example.com")  # small commercial at
@example("a\uff0e.b", "example.com")  # full-width full stop beside a full stop
@example("a\u00a8", "example.com")  # a diaeresis, which becomes a space and a combining one
@example("\uff08", "example.com")  # full-width parenthesis
@example("\u0345\u0301", "example.com")
def test_a_canonical_address_is_an_address_and_stays_what_it_is(local, domain):
    """Otherwise it is no form to compare by: what is kept could not be typed to sign in."""
    try:
        canonical = canonical_email(f"{local}@{domain}")
    except ValueError:
        return
    assert canonical_email(canonical) == canonical
    assert canonical_login(canonical) == canonical
    assert len(canonical) <= CANONICAL_LENGTH


def refusal_of(address):
    try:
        canonical_email(address)
    except ValueError as error:
        return str(error)
    return None


@given(st.text(max_size=80))
@example("\ud800@\udfff.com")
@example("a@" + "\u0e33" * 60 + ".com")
@example("a@xn--0.com")
@example("a@\u0660.com")
@example("a@\u200d.com")
@example("@" * 50)
def test_a_fuzzer_gets_an_address_or_one_kind_of_refusal(text):
    for candidate in (text, f"{text}@example.com", f"a@{text}.com", f"a@{text}"):
        assert refusal_of(candidate) in {None, "not an email address"}
        assert isinstance(canonical_login(candidate), str)


@given(st.text(max_size=60))
@example("\u0390\u03b0\u1fd3\u1fe3")
@example("\u0345\u0301")
@example("\u1e9e\u00df\u0130\u0131\u017f\u212a\ufb01\ufdfa")
@example("\uac00\u11a8\u1100\u1161")
def test_a_canonical_text_stays_what_it_is(text):
    assert canonical_text(canonical_text(text)) == canonical_text(text)


@given(st.text(max_size=60))
def test_case_width_and_composition_make_no_other_name(text):
    canonical = canonical_text(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert canonical_text(unicodedata.normalize(form, text)) == canonical
    assert canonical_text(text.casefold()) == canonical


@given(st.from_regex(USERNAME_PATTERN, fullmatch=True))
def test_a_username_is_the_same_in_any_case_and_fits_its_column(username):
    assert canonical_text(username) == canonical_text(username.upper()) == canonical_text(username.swapcase()) == username.lower()
    assert len(canonical_text(username)) <= 50


@each(
    ("typed", "looked_for"),
    [
        ("Alice", "alice"),
        ("  Alice\t", "alice"),
        ("\u00a0Alice\u3000", "alice"),
        (" Alice@Example.COM ", "alice@example.com"),
        ("Alice@Example\u3002COM", "alice@example.com"),
        ("\uff21lice", "alice"),
        ("", ""),
        ("not@an@address", "not@an@address"),
        ("@", "@"),
    ],
)
def test_what_was_typed_to_sign_in_is_looked_for_in_the_canonical_form(typed, looked_for):
    assert canonical_login(typed) == looked_for


@each(
    "typed", [" User@b\u00fccher.example", "User@B\u00dcCHER.example ", "User\uff20b\u00fccher.example", "\u3000user@XN--bcher-kva.example"]
)
def test_an_address_of_another_script_is_found_however_it_was_typed(typed):
    assert canonical_login(typed) == "user@xn--bcher-kva.example"


@each("username", ["admin", "Admin", "ADMIN", "\uff21dmin", "\u24d0dmin", "Root", "me", "NULL", "Security"])
def test_nobody_takes_a_name_of_the_service(username):
    assert is_reserved(username)


@each("username", ["alice", "admin1", "meadow", "administrate", ""])
def test_other_names_are_free(username):
    assert not is_reserved(username)


def test_reserved_names_are_written_as_they_are_compared():
    assert {canonical_text(name) for name in RESERVED_USERNAMES} == set(RESERVED_USERNAMES)
