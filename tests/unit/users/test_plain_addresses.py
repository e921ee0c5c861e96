"""Plain addresses go a shorter way to their canonical form, and come to the same."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.users import rules
from secureapi.users.rules import EMAIL_LENGTH, canonical_email

_LETTERS = st.text(alphabet=string.ascii_lowercase + string.digits + "._+-", min_size=1, max_size=70)


def the_long_way(address):
    """What `email_validator` and folding come to."""
    try:
        return rules._folded(address)
    except ValueError:
        return None


def the_short_way(address):
    try:
        return canonical_email(address)
    except ValueError:
        return None


@given(local=_LETTERS, domain=st.one_of(_LETTERS, st.sampled_from(["example.com", "sub-domain.example.co.uk", "a.b", "1.2.3.4"])))
def test_both_ways_come_to_the_same(local, domain):
    assert the_short_way(f"{local}@{domain}") == the_long_way(f"{local}@{domain}")


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com",
        "a.b+c-d_e@mail.example.co.uk",
        f"{'x' * 64}@example.com",
        f"{'x' * 65}@example.com",
        f"{'x' * 60}@{'.'.join(['y' * 60] * 4)}.com",
        f"x@{'y' * 64}.com",
        "ada@localhost",
        "ada@local-host",
        "ada@example.test",
        "ada@example.local",
        "ada@example.invalid",
        "ada@example.c",
        "ada@example.123",
        "ada@xn--bcher-kva.example",
        "ada@ex--ample.com",
        "a..b@example.com",
        ".a@example.com",
        "ada@example.com\n",
        "ada@example..com",
        "ada@@example.com",
    ],
)
def test_so_they_do_at_every_edge(address):
    assert len(address) > 0
    assert the_short_way(address) == the_long_way(address)
    assert the_short_way(address) is None or len(address) <= EMAIL_LENGTH
