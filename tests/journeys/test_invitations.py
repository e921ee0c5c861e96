"""People whom an administrator invites: they choose a password by the link in a message, and nobody else learns the link."""

import secrets
from datetime import timedelta

import pytest

from journeys.answers import assert_problem
from journeys.recovering import FORGOT, fresh, post, reset, rows_of, token_in
from secureapi.auth.service import Administration, NewAccounts
from secureapi.core.requests import Client
from secureapi.users.errors import LastAdministrator
from support.letters import Letters

API = "/api/v1"
USERS, ACCEPT = f"{API}/users", f"{API}/auth/invitation/accept"
TERMINAL = Client.of_command_line()


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def own(make_house, engine, clock, letters):
    """A house on each engine in turn, with a clock that the test moves, whose messages are in `letters`."""
    return make_house(engine, clock=clock, **letters.settings)


class Guest:
    """Somebody who was invited."""

    def __init__(self, house, letters, admin, **fields):
        word = secrets.token_hex(6)
        self.house, self.username, self.email = house, f"guest-{word}", f"guest-{word}@example.com"
        wanted = {"username": self.username, "email": self.email, "invite": "mail"} | fields
        self.answer = house.client().post(USERS, headers=admin.headers, json=wanted)
        assert self.answer.status_code == 201, self.answer.text
        self.id = self.answer.json["id"]
        (self.message,) = letters.deliver(house)
        self.token = token_in(self.message, "invitation")

    def record(self):
        return self.house.client().get(f"{USERS}/{self.id}", headers=self.house.administrator().headers).json

    def invite_again(self, admin):
        return self.house.client().post(f"{USERS}/{self.id}/invite", headers=admin.headers)

    def accept(self, token=None, password=None):
        return post(self.house, ACCEPT, token=token or self.token, new_password=password or fresh())

    def log_in(self, password):
        return post(self.house, f"{API}/auth/login", username=self.username, password=password).status_code


def test_a_guest_takes_the_account_with_a_password_that_he_alone_knows(own, letters):
    admin, password = own.administrator(), fresh()
    guest = Guest(own, letters, admin, full_name="Visit https://thief.example")

    assert guest.message.to == guest.email
    assert guest.message.subject == f"You are invited to {own.settings.app_name}"
    assert f"{admin.username} has made an account for you at {own.settings.app_name}" in guest.message.text
    assert f"Your username is {guest.username}." in guest.message.text
    assert "thief.example" not in guest.message.text + guest.message.html
    assert "/account/invitation#" in guest.message.link
    assert (guest.answer.json["status"], guest.answer.json["must_change_password"]) == ("invited", True)
    assert guest.token not in guest.answer.text
    assert not [name for name, rows in rows_of(own).items() if any(guest.token in row for row in rows)], "nor is it kept anywhere"
    assert_problem(guest.accept(password="guest"), 400, "weak_password")

    assert guest.accept(password=password).status_code == 200

    assert guest.log_in(password) == 200
    record = guest.record()
    assert (record["status"], record["invited_at"], record["must_change_password"]) == ("active", None, False)
    assert_problem(guest.accept(), 400, "invalid_link")
    assert len(own.events("auth.invitation.accepted", subject=guest.id)) == 1
    assert letters.deliver(own) == []


def test_an_invitation_is_good_for_its_days_and_the_guest_who_comes_later_asks_for_a_link(own, letters, clock):
    late, punctual = (Guest(own, letters, own.administrator()) for _ in range(2))
    clock.advance(timedelta(days=own.settings.invitation_link_days, seconds=-1))
    assert punctual.accept().status_code == 200

    clock.advance(timedelta(seconds=1))

    assert_problem(late.accept(), 400, "invalid_link")
    post(own, FORGOT, email=late.email)
    (message,) = letters.deliver(own)
    password = fresh()
    assert_problem(post(own, ACCEPT, token=token_in(message, "reset-password"), new_password=password), 400, "invalid_link")
    assert reset(own, token_in(message, "reset-password"), password).status_code == 200
    assert late.log_in(password) == 200
    assert late.record()["status"] == "active"


def test_an_invitation_is_sent_again_so_often_and_the_link_before_it_is_void(own, letters, clock):
    admin = own.administrator()
    guest = Guest(own, letters, admin)
    for _ in range(4):
        clock.advance(timedelta(minutes=1))
        answer = guest.invite_again(admin)
        assert answer.status_code == 200, answer.text
        (message,) = letters.deliver(own)

    refused = guest.invite_again(own.administrator())

    assert_problem(refused, 429, "too_many_invitations")
    assert int(refused.headers["Retry-After"]) == 3600
    assert letters.deliver(own) == []
    assert_problem(guest.accept(), 400, "invalid_link")
    assert guest.accept(token_in(message, "invitation")).status_code == 200
    clock.advance(timedelta(hours=1))
    assert_problem(guest.invite_again(own.administrator()), 409, "not_invited")
    assert len(own.events("users.invited_again", subject=guest.id)) == 4
    assert len(own.events("users.administration.refused", subject=guest.id)) == 1


@pytest.mark.parametrize("way", ["disable", "lock", "delete"])
def test_an_account_that_is_taken_away_again_is_none_that_an_invitation_opens(own, letters, way, clock):
    guest = Guest(own, letters, own.administrator())
    administration = own.service(Administration)
    clock.advance(timedelta(minutes=1))

    getattr(administration, way)(user_id=guest.id, caller=None, client=TERMINAL)

    assert_problem(guest.accept(), 400, "invalid_link")
    if way == "delete":
        return
    assert_problem(guest.invite_again(own.administrator()), 409, "not_invited")
    administration.unlock(user_id=guest.id, caller=None, client=TERMINAL)
    administration.enable(user_id=guest.id, caller=None, client=TERMINAL)
    assert guest.invite_again(own.administrator()).status_code == 200
    (message,) = letters.deliver(own)
    assert_problem(guest.accept(), 400, "invalid_link")
    assert guest.accept(token_in(message, "invitation")).status_code == 200


def test_an_administrator_sees_who_has_not_come_yet(own, letters):
    admin = own.administrator()
    guest = Guest(own, letters, admin)

    def listed(status):
        found = own.client().get(USERS, headers=admin.headers, query_string={"status": status}).json
        return {user["id"] for user in found["users"]}

    assert listed("invited") == {guest.id}
    assert guest.id not in listed("active")
    assert guest.accept().status_code == 200
    assert listed("invited") == set()
    assert guest.id in listed("active")


def test_an_administrator_who_was_invited_and_never_came_is_not_the_one_who_is_left(own, letters):
    admin = own.administrator()
    guest = Guest(own, letters, admin, role="admin")
    administration = own.service(Administration)

    with pytest.raises(LastAdministrator):
        administration.disable(user_id=admin.id, caller=None, client=TERMINAL)

    assert guest.accept().status_code == 200
    administration.disable(user_id=admin.id, caller=None, client=TERMINAL)


def test_a_guest_whose_address_was_mistyped_gets_the_invitation_at_the_right_one(own, letters):
    admin, right = own.administrator(), f"right-{secrets.token_hex(4)}@example.com"
    guest = Guest(own, letters, admin)

    assert own.client().patch(f"{USERS}/{guest.id}", headers=admin.headers, json={"email": right}).status_code == 200

    (message,) = letters.deliver(own)
    assert message.to == right
    assert_problem(guest.accept(), 400, "invalid_link")
    assert guest.accept(token_in(message, "invitation")).status_code == 200


def test_at_the_command_line_nobody_has_a_name_to_invite_with(own, letters):
    made = own.service(NewAccounts).create(username="guest", email="guest@example.com", role="user", caller=None, client=TERMINAL)

    (message,) = letters.deliver(own)

    assert "An administrator has made an account for you" in message.text
    assert own.service(NewAccounts).invite_again(user_id=str(made.id), caller=None, client=TERMINAL).status == "invited"
