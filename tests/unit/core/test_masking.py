from hypothesis import given
from hypothesis import strategies as st

from secureapi.core.masking import masked_email
from support.each import each


@each(
    ("address", "shown"),
    [
        ("alice@example.com", "a****@example.com"),
        ("a@example.com", "a****@example.com"),
        ("ab@example.com", "a****@example.com"),
        ("averylonglocalpart@example.com", "a****@example.com"),
        ('"a@b"@example.com', '"****@example.com'),
        ("@example.com", "***"),
        ("alice", "***"),
        ("", "***"),
        ("@", "***"),
    ],
)
def test_an_address_shows_its_first_letter_and_its_domain(address, shown):
    assert masked_email(address) == shown


@given(st.text(min_size=2, max_size=80), st.text(st.characters(exclude_characters="@"), max_size=300))
def test_nothing_of_the_local_part_but_its_first_letter_is_left(local, domain):
    shown = masked_email(f"{local}@{domain}")
    stars, at, tail = shown[1:].partition("@")
    assert shown[0] == local[0]
    assert set(stars) == {"*"}
    assert (at, tail) == ("@", domain[:255])
    assert len(stars) <= 8


@given(st.text(st.characters(exclude_characters="@")))
def test_what_is_no_address_is_not_shown_at_all(text):
    assert masked_email(text) == "***"
