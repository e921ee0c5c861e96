"""Nobody's mailbox is filled through us, by whatever way: an account of one's own in his name, tags, a session; and nobody is shut out."""

import secrets
from collections import Counter
from datetime import timedelta

from journeys.recovering import FORGOT, ME, fresh, log_in, post, reset, somebody
from secureapi.core.database import Database
from secureapi.core.outbox import Outbox


def want(house, person, email):
    assert house.client().patch(ME, headers=person.headers, json={"email": email}).status_code == 200


def happen(house, person, topic, times):
    with house.service(Database).transaction() as session:
        for _ in range(times):
            house.service(Outbox).add(session, topic, user_id=person.id, address="203.0.113.9", device="curl 8.5", lane="strangers")


def is_open(house, token):
    """Whether a link would set a password, if it were not too weak."""
    return reset(house, token, "weak").json["code"] == "weak_password"


def subjects(messages, address):
    return Counter(message.subject for message in messages if message.to == address)


def test_a_stranger_with_an_account_in_the_name_of_somebody_else_sends_him_five_notices(home, letters, from_elsewhere):
    victims = f"victim-{secrets.token_hex(4)}@example.com"
    stranger = home.register(email=victims)
    assert stranger.tokens
    for n in range(12):
        want(home, stranger, f"x{n}-{secrets.token_hex(4)}@example.com")
        assert log_in(home, stranger, options=from_elsewhere()).status_code == 200

    came = subjects(letters.deliver(home), victims)

    assert min(came.values()) == 1, "the confirmation"
    assert sum(came.values()) == 1 + 5, "of wishes and devices together"
    assert {event.details["topic"] for event in home.events("mail.withheld", subject=stranger)} >= {"mail.new_device", "mail.email_change"}


def test_an_owner_who_has_confirmed_his_address_hears_of_everything_up_to_sixty_an_hour_of_a_kind(make_home, letters, clock):
    home = make_home(clock=clock)
    owner = home.person()
    letters.deliver(home)
    happen(home, owner, "notice.new_device", 65)
    happen(home, owner, "notice.email_change", 7)

    assert sorted(subjects(letters.deliver(home), owner.email).values()) == [7, 60]
    assert len(home.events("mail.withheld", subject=owner)) == 5
    clock.advance(timedelta(hours=1))
    happen(home, owner, "notice.new_device", 1)
    assert len(letters.deliver(home)) == 1


def test_accounts_in_the_name_of_one_mailbox_are_counted_together_and_take_nothing_from_its_owner(home, letters):
    word = secrets.token_hex(4)
    owner = home.person(email=f"victim-{word}@example.com")
    letters.deliver(home)
    strangers = [home.register(email=f"victim-{word}+{n}@example.com") for n in range(8)]
    assert len(letters.deliver(home)) == 5
    for stranger in strangers:
        happen(home, stranger, "notice.new_device", 3)
        happen(home, stranger, "notice.guesses", 3)
        happen(home, stranger, "notice.locked", 3)
        for _ in range(3):
            post(home, FORGOT, email=stranger.email)

    came = letters.deliver(home)

    assert len([message for message in came if "/reset-password#" in message.text]) == 15
    assert len([message for message in came if "/unlock#" in message.text]) == 5
    assert len(came) == 15 + 5 + 5, "of devices and guesses together"

    happen(home, owner, "notice.new_device", 1)
    assert [message.to for message in letters.deliver(home)] == [owner.email]


def test_one_account_asks_five_addresses_an_hour_whether_they_are_his(home, letters):
    person = somebody(home, letters)
    wanted = [f"stranger{n}-{secrets.token_hex(4)}@example.com" for n in range(8)]
    asked = []
    for email in wanted:
        want(home, person, email)
        asked += [message.to for message in letters.deliver(home) if message.to != person.email]

    assert asked == wanted[:5]


def test_tags_do_not_multiply_what_a_mailbox_gets(home, letters):
    word = secrets.token_hex(4)
    people = [somebody(home, letters) for _ in range(7)]
    for n, person in enumerate(people):
        want(home, person, f"victim-{word}+{n}@example.com")

    assert len([message for message in letters.deliver(home) if message.to.startswith("victim")]) == 5


def test_tags_do_not_multiply_what_a_mailbox_gets_from_registrations(make_home, letters):
    home, word = make_home(email_verification="required"), secrets.token_hex(4)
    for n in range(7):
        body = {"username": f"some-{secrets.token_hex(4)}", "email": f"victim-{word}+{n}@example.com", "password": fresh()}
        assert post(home, "/api/v1/auth/register", **body).status_code == 202

    assert len(letters.deliver(home)) == 5


def test_a_stranger_who_asks_all_the_time_does_not_keep_the_owner_out(make_home, letters, clock):
    """The budget is an hour long and a link is good for half of one: there is always one that works, or one that comes."""
    home = make_home(clock=clock)
    owner = somebody(home, letters)
    newest, came_at_all = None, 0
    for _ in range(18):
        for _ in range(4):
            post(home, FORGOT, email=owner.email)
        came = letters.deliver(home)
        came_at_all += len(came)
        open_ones = [token for token in [message.token for message in came] or [newest] if is_open(home, token)]
        assert len(open_ones) == 1, "there is one that works"
        newest = open_ones[0]
        clock.advance(timedelta(minutes=5))

    assert came_at_all <= 2 * (5 + 2), "in an hour and a half"
