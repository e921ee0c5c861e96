"""An administrator gives an account another address: whoever reads at the former one is told, and has no way to take the account back."""

import secrets

import pytest

from journeys.answers import assert_problem
from journeys.recovering import NOT_ME, notice, post, somebody, token_in
from support.letters import Letters

USERS = "/api/v1/users"


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def own(make_house, engine, letters):
    """A house on each engine in turn, whose messages are in `letters`."""
    return make_house(engine, **letters.settings)


def give(house, person, address):
    return house.client().patch(f"{USERS}/{person.id}", headers=house.administrator().headers, json={"email": address})


def test_both_addresses_are_told_and_neither_message_has_a_link(own, letters):
    person, other = somebody(own, letters), f"other-{secrets.token_hex(4)}@example.com"

    assert give(own, person, other).status_code == 200

    former, present = sorted(letters.deliver(own), key=lambda message: message.to == other)
    assert (former.to, present.to) == (person.email, other)
    assert former.subject == f"Your {own.settings.app_name} account does not have this address any more"
    assert present.subject == f"Your {own.settings.app_name} account has this address now"
    assert former.links == present.links == []
    assert other not in former.text + former.html
    assert person.email not in present.text + present.html


def test_a_thief_at_the_former_address_cannot_take_the_account_back_with_a_link_that_he_has(own, letters):
    person, other = somebody(own, letters), f"other-{secrets.token_hex(4)}@example.com"
    token = token_in(notice(own, letters, person), "not-me")

    assert give(own, person, other).status_code == 200

    assert_problem(post(own, NOT_ME, token=token), 400, "invalid_link")
    assert own.execute("SELECT email FROM users WHERE username = :name", name=person.username)[0].email == other


def test_another_way_of_writing_the_same_mailbox_is_nothing_to_tell(own, letters):
    person = somebody(own, letters)

    assert give(own, person, person.email.upper()).status_code == 200

    assert letters.deliver(own) == []
