"""What somebody can see in messages of his own about what the worker did for somebody else between them: nothing."""

import secrets
from datetime import timedelta
from uuid import UUID

from journeys.recovering import FORGOT, RESEND, fresh, post, somebody
from secureapi.core.delivery import Delivery
from secureapi.core.outbox import OutboxMessage


def waits(house, prefix):
    """For how long each note of some topics waits before anybody looks at it, in seconds."""
    table = OutboxMessage.__table__
    with house.service(Delivery)._database.reading() as connection:
        rows = connection.execute(table.select().where(table.c.topic.startswith(prefix), table.c.delivered_at.is_(None))).all()
    return [(row.due_at - row.created_at).total_seconds() for row in rows]


def test_what_strangers_ask_for_is_looked_at_and_sent_at_moments_of_chance(make_home, letters, clock):
    home = make_home(clock=clock, mail_spread_seconds=3.0, mail_recipient_budget="100/hour")
    owner = home.person()
    clock.advance(timedelta(seconds=10))
    letters.deliver(home)
    for _ in range(30):
        post(home, FORGOT, email=owner.email)
        post(home, RESEND, email="nobody@example.com")
        post(home, FORGOT, email="nobody@example.com")

    noted = waits(home, "request.")
    clock.advance(timedelta(seconds=3))
    home.service(Delivery).deliver_due()
    written = waits(home, "mail.")

    for spans in (noted, written):
        assert len(spans) >= 30
        assert min(spans) < 0.6
        assert 2.4 < max(spans) <= 3
        assert len(set(spans)) > len(spans) * 0.9
    clock.advance(timedelta(seconds=3))
    assert letters.deliver(home)


def test_registrations_are_no_exception(make_home, letters, clock):
    home = make_home(clock=clock, mail_spread_seconds=3.0, email_verification="required", mail_recipient_budget="100/hour")
    owner = home.person()
    for email in [owner.email, "nobody@example.com"] * 15:
        body = {"username": f"some-{secrets.token_hex(4)}", "email": email, "password": fresh()}
        assert post(home, "/api/v1/auth/register", **body).status_code == 202

    noted = waits(home, "request.registration")
    clock.advance(timedelta(seconds=3))
    home.service(Delivery).deliver_due()

    for spans in (noted, waits(home, "mail.registration")):
        assert len(spans) >= 14
        assert len(set(spans)) > len(spans) * 0.8
        assert max(spans) > 0.6


def test_a_message_says_nowhere_in_which_millisecond_it_was_written(make_home, letters, tmp_path):
    home = make_home()
    owner = somebody(home, letters)
    before = set((tmp_path / "mail").iterdir())
    post(home, FORGOT, email=owner.email)
    (message,) = letters.deliver(home)

    (file,) = set((tmp_path / "mail").iterdir()) - before
    assert UUID(file.stem).version == 4
    assert ":00.000Z" in message.text.partition("good until ")[2][:30]


def test_words_of_a_stranger_do_not_greet_whoever_has_not_shown_that_they_are_his(make_home, letters):
    home = make_home()
    stranger = home.register(username=f"CALL-0900-123456-{secrets.token_hex(4)}")
    other = f"victim-{secrets.token_hex(4)}@example.com"
    home.client().patch("/api/v1/users/me", headers=stranger.headers, json={"email": other})

    came = [message for message in letters.deliver(home) if "email#" in message.text]

    assert len(came) == 2
    assert [message for message in came if "0900" in message.text + message.html + message.subject] == []
    assert all(message.text.startswith("Hello,") for message in came)
