"""Invitations that an administrator has sent more than once: nobody is flooded, and nobody is left with a link that opens nothing."""

import secrets
from datetime import timedelta

import pytest

from journeys.answers import assert_problem
from journeys.recovering import fresh, post, token_in
from journeys.with_keys import make_key
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.letters import Letters

USERS, ACCEPT = "/api/v1/users", "/api/v1/auth/invitation/accept"
TERMINAL = Client.of_command_line()


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def own(make_house, clock, letters):
    return make_house("embedded", clock=clock, **letters.settings)


def invite(house, headers, email):
    wanted = {"username": f"guest-{secrets.token_hex(6)}", "email": email, "invite": "mail"}
    answer = house.client().post(USERS, headers=headers, json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def accept(house, message):
    return post(house, ACCEPT, token=token_in(message, "invitation"), new_password=fresh())


def test_another_spelling_of_the_address_sends_nothing_and_the_link_stays_good(own, letters):
    admin = own.administrator()
    guest = invite(own, admin.headers, "guest@example.com")
    (message,) = letters.deliver(own)

    for email in ("Guest@example.com", "guest@example.com", "GUEST@example.com"):
        answer = own.client().patch(f"{USERS}/{guest}", headers=admin.headers, json={"email": email})
        assert answer.status_code == 200, answer.text

    assert letters.deliver(own) == []
    assert accept(own, message).status_code == 200


def test_a_thief_with_an_administrators_session_floods_no_mailbox_by_moving_a_guest_there_and_back(own, letters):
    admin = own.administrator()
    guest = invite(own, admin.headers, "victim@example.com")
    messages = letters.deliver(own)

    for _ in range(8):
        for email in (f"other-{secrets.token_hex(4)}@example.com", "victim@example.com"):
            assert own.client().patch(f"{USERS}/{guest}", headers=admin.headers, json={"email": email}).status_code == 200
            messages += letters.deliver(own)

    assert len([message for message in messages if message.to == "victim@example.com"]) == 5
    assert len(own.events("mail.withheld", subject=guest)) == 4


def test_a_thief_with_a_key_floods_no_mailbox_by_guests_with_tags_of_it(own, letters, clock):
    admin = own.administrator()
    wanted = ["self:read", "self:write", "content:read", "content:write", "content:delete", "users:write", "admin:write"]
    key = {"X-API-Key": make_key(admin, scopes=wanted).value}

    guests = [invite(own, key, f"victim+{number}@example.com") for number in range(8)]

    assert len([message for message in letters.deliver(own) if message.to.startswith("victim+")]) == 5
    assert {event.subject_id for event in own.events("mail.withheld")} < set(guests)
    clock.advance(timedelta(hours=1, minutes=1))
    assert own.client().post(f"{USERS}/{guests[-1]}/invite", headers=own.administrator().headers).status_code == 200
    (message,) = letters.deliver(own)
    assert message.to == "victim+7@example.com"


@pytest.mark.parametrize("way", ["a lock with an end", "a lock", "disabled"])
def test_an_invitation_opens_nothing_while_the_account_may_not_be_used_and_is_good_again_afterwards(own, letters, clock, way):
    guest = invite(own, own.administrator().headers, "guest@example.com")
    (message,) = letters.deliver(own)
    administration = own.service(Administration)
    about = {"user_id": guest, "caller": None, "client": TERMINAL}
    clock.advance(timedelta(minutes=1))
    if way == "disabled":
        administration.disable(**about)
    else:
        administration.lock(**about, lasting=timedelta(minutes=5) if way == "a lock with an end" else None)

    assert_problem(accept(own, message), 400, "invalid_link")

    if way == "a lock with an end":
        clock.advance(timedelta(minutes=5))
    elif way == "a lock":
        administration.unlock(**about)
    else:
        administration.enable(**about)
    assert accept(own, message).status_code == 200
    administration.lock(**about)
    administration.unlock(**about)
    assert_problem(accept(own, message), 400, "invalid_link")
