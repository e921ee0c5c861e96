"""From a note in the outbox to a message at a mail server: real SMTP, real workers, both databases, and servers at their worst."""

import secrets
import signal
from collections import Counter
from datetime import timedelta

import pytest

from secureapi.core.delivery import Delivery
from support.mail_sink import PASSWORD, USER, MailSink
from support.outbox import add_notes, keys_of, notes_of
from support.processes import free_port, until

REFRESH = "/api/v1/auth/refresh"


def somebody(house, **fields):
    """A person with an account, whose registration has left nothing to be sent."""
    person = house.register(**fields)
    house.execute("DELETE FROM outbox WHERE topic = 'request.verification'")
    return person


def deliver(house):
    return house.service(Delivery).deliver_due()


# ---- the ordinary way


def test_the_owner_of_a_reused_refresh_token_gets_a_message_over_an_encrypted_connection(make_house, engine, sink):
    house = make_house(engine, **sink.settings(), public_url="https://auth.example.com", app_name="Ledger")
    owner = somebody(house)
    stolen = owner.tokens.refresh
    house.client().post(REFRESH, json={"refresh_token": stolen})
    assert house.client().post(REFRESH, json={"refresh_token": stolen}, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}).status_code == 401

    done = deliver(house)

    (received,) = sink.received
    assert (done.handled, done.delivered, done.server_away) == (1, 1, "")
    assert (received.sender, received.recipient) == ("no-reply@example.com", owner.email)
    assert (received.is_encrypted, received.login) == (True, USER)
    message = received.message
    assert message["To"] == owner.email
    assert message["From"] == "Our service <no-reply@example.com>"
    assert message["Subject"] == "A session of your Ledger account was closed"
    assert message["Auto-Submitted"] == "auto-generated"
    cause, note = notes_of(house)
    assert (cause.topic, note.topic) == ("notice.refresh_reused", "mail.refresh_reused")
    assert (received.key, message["Message-ID"]) == (note.id, f"<{note.id}@example.com>")
    assert note.delivered_at
    for kind in ("plain", "html"):
        text = message.get_body((kind,)).get_content()
        assert f"Hello {owner.username}," in text
        assert "203.0.113.9" in text
        assert "https://auth.example.com" in text
        assert stolen not in text


def test_what_was_delivered_is_not_delivered_again(make_house, engine, sink):
    house = make_house(engine, **sink.settings())
    add_notes(house, somebody(house), 5)

    assert [deliver(house).delivered for _ in range(2)] == [5, 0]

    assert set(keys_of(sink).values()) == {1}
    assert len(sink.peers) == 1, "one connection is enough for what is due at the same time"


def test_the_message_goes_to_the_address_of_the_moment_of_delivery(make_house, engine, sink):
    house = make_house(engine, **sink.settings())
    owner = somebody(house)
    add_notes(house, owner)
    house.execute("UPDATE users SET email = 'new@example.com' WHERE username = :name", name=owner.username)

    deliver(house)

    assert [received.recipient for received in sink.received] == ["new@example.com"]


def test_a_message_to_an_account_that_is_gone_is_dropped_and_that_is_remembered(make_house, engine, sink):
    house = make_house(engine, **sink.settings())
    gone, present = somebody(house), somebody(house)
    for person in (gone, present):
        add_notes(house, person)
    house.execute("DELETE FROM users WHERE username = :name", name=gone.username)

    done = deliver(house)

    assert (done.dropped, done.delivered) == (1, 1)
    assert [received.recipient for received in sink.received] == [present.email]
    (event,) = house.events("mail.dropped", subject=gone)
    assert event.details["reason"] == "no_account"
    assert len(notes_of(house)) == 1


@pytest.mark.parametrize(
    ("typed", "envelope"),
    [
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("jurgen@bücher.example", "jurgen@xn--bcher-kva.example"),
        ("jurgen@xn--bcher-kva.example", "jurgen@xn--bcher-kva.example"),
    ],
)
def test_international_addresses_go_to_the_a_label(make_house, sink, typed, envelope):
    """AC-16."""
    house = make_house(**sink.settings())
    add_notes(house, somebody(house, email=typed))

    assert deliver(house).delivered == 1

    assert [received.recipient for received in sink.received] == [envelope]


def test_an_international_address_is_hopeless_where_the_server_knows_none(make_house, tmp_path):
    with MailSink(tmp_path, enable_SMTPUTF8=False) as sink:
        house = make_house(**sink.settings())
        add_notes(house, somebody(house, email="jürgen@example.com"))
        add_notes(house, somebody(house))

        done = deliver(house)

        assert (done.dead, done.delivered) == (1, 1)
        assert {note.last_error for note in notes_of(house)} == {"SmtpUtf8Missing", None}


# ---- workers


def test_two_workers_at_once_deliver_each_message_once(make_house, sink, make_worker):
    """On SQLite, where each claim waits for the other's; on PostgreSQL see test_mail_workers."""
    house = make_house(**sink.settings())
    ids = add_notes(house, somebody(house), 200)
    # Neither gets an answer before both have come.
    sink.hold = lambda _received: len(sink.peers) < 2
    workers = [make_worker(house) for _ in range(2)]
    until(lambda: len(sink.peers) == 2)
    sink.release()

    until(lambda: all(note.delivered_at for note in notes_of(house)))

    for worker in workers:
        worker.send(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]
    assert keys_of(sink) == Counter(ids)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_asked_to_stop_finishes_the_message_in_hand_and_gives_back_the_others(make_house, engine, sink, make_worker, how):
    house = make_house(engine, **sink.settings())
    add_notes(house, somebody(house), 10)
    sink.hold = lambda _received: len(sink.received) == 3
    worker = make_worker(house)
    until(lambda: len(sink.received) == 3)

    worker.send(how)
    sink.release()

    assert worker.wait() == 0
    assert len(sink.received) == sum(bool(note.delivered_at) for note in notes_of(house)) == 3
    assert {note.locked_until for note in notes_of(house)} == {None}


def test_an_idle_worker_stops_at_once_and_delivers_what_comes_while_it_waits(make_house, sink, make_worker):
    house = make_house(**sink.settings(), log_level="INFO")
    worker = make_worker(house)
    until(lambda: "worker.started" in worker.log())
    owner = somebody(house)
    add_notes(house, owner)
    until(lambda: len(sink.received) == 1)

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert "worker.stopped" in worker.log()
    assert "mail.delivered" in worker.log()
    assert owner.email not in worker.log()
    assert PASSWORD not in worker.log()


def test_a_claim_that_is_over_is_anybodys_and_until_then_it_is_nobody_elses(make_house, engine, clock, sink):
    house = make_house(engine, clock=clock, **sink.settings(), mail_timeout_seconds=10)
    (identifier,) = add_notes(house, somebody(house))
    lost = house.service(Delivery)._claim()
    assert [note.id for note in lost] == [identifier]

    clock.advance(timedelta(seconds=59))
    assert deliver(house).delivered == 0
    clock.advance(timedelta(seconds=2))
    assert deliver(house).delivered == 1


def test_the_server_itself_delivers_in_the_embedded_profile(make_live, sink):
    live = make_live("embedded", **sink.settings())
    owner = somebody(live.house)
    stolen = owner.tokens.refresh
    assert [live.post(REFRESH, json={"refresh_token": stolen}).status for _ in range(2)] == [200, 401]

    until(lambda: len(sink.received) == 1)

    assert sink.received[0].recipient == owner.email
    until(lambda: all(note.delivered_at for note in notes_of(live.house)))


def test_one_thread_of_the_server_delivers_however_many_requests_come_first(make_live, sink):
    live = make_live("embedded", **sink.settings())
    for _ in range(20):
        assert live.get("/livez").status == 200
    add_notes(live.house, somebody(live.house), 30)

    until(lambda: len(sink.received) == 30)

    assert len(sink.peers) == 1


# ---- servers at their worst: what is written down of it is the same on both databases, and tried on both above and by the first of these


def test_a_server_that_refuses_for_now_is_asked_again_later_and_later(make_house, engine, clock, sink):
    house = make_house(engine, clock=clock, **sink.settings())
    add_notes(house, somebody(house))
    sink.reply = lambda _recipient: "451 greylisted, come back later"
    waits = []
    for attempt in range(1, 10):
        done = deliver(house)
        assert (done.put_off, done.delivered, done.dead) == (1, 0, 0)
        (note,) = notes_of(house)
        assert (note.attempts, note.last_error) == (attempt, "SMTPRecipientsRefused 451")
        assert deliver(house).put_off == 0, "it is not due yet"
        waits.append(note.due_at - clock.now())
        clock.advance(waits[-1])

    sink.reply = lambda _recipient: "250 OK"
    assert deliver(house).delivered == 1
    doubled = [15, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert all(0.75 * most <= wait.total_seconds() <= most for wait, most in zip(waits, doubled, strict=True))


@pytest.mark.parametrize("where", ["recipient", "content"])
def test_a_message_that_is_refused_for_good_is_dead_visible_and_remembered(make_house, sink, where):
    house = make_house(**sink.settings())
    refused, other = somebody(house), somebody(house)
    add_notes(house, refused)
    add_notes(house, other)
    if where == "recipient":
        sink.reply = lambda recipient: f"550 no such user {recipient}" if recipient == refused.email else "250 OK"
        reason = "SMTPRecipientsRefused 550"
    else:
        sink.content_reply = lambda received: "554 looks like spam" if received.recipient == refused.email else "250 OK"
        reason = "SMTPDataError 554"

    done = deliver(house)

    assert (done.dead, done.delivered) == (1, 1)
    (dead,) = [note for note in notes_of(house) if note.dead_at]
    assert (dead.attempts, dead.last_error, dead.delivered_at) == (1, reason, None)
    (event,) = house.events("mail.dead", subject=refused)
    assert (event.severity, event.outcome) == ("WARNING", "failure")
    assert event.details == {"message_id": dead.id, "topic": "mail.refresh_reused", "attempts": 1, "reason": reason}
    assert deliver(house).dead == 0


def test_too_many_refusals_are_the_end(make_house, engine, clock, sink):
    house = make_house(engine, clock=clock, **sink.settings(), outbox_max_attempts=3)
    owner = somebody(house)
    add_notes(house, owner)
    sink.content_reply = lambda _received: "452 no room"

    for _ in range(5):
        deliver(house)
        clock.advance(timedelta(hours=1))

    (note,) = notes_of(house)
    assert (note.attempts, note.last_error, bool(note.dead_at)) == (3, "SMTPDataError 452", True)
    assert sink.seen == 3
    assert len(house.events("mail.dead", subject=owner)) == 1


def test_a_server_that_hangs_up_in_the_middle_of_a_message_gets_it_again(make_house, engine, clock, tmp_path):
    with MailSink(tmp_path, dies_in_content=1) as sink:
        house = make_house(engine, clock=clock, **sink.settings())
        ids = add_notes(house, somebody(house), 3)

        first = deliver(house)
        clock.advance(timedelta(seconds=15))
        second = deliver(house)

        assert (first.put_off, first.delivered, second.delivered) == (1, 2, 1)
        assert keys_of(sink) == Counter(ids)


def test_a_server_that_never_answers_holds_nobody_longer_than_the_time_allowed(make_house, clock, sink):
    house = make_house(clock=clock, **sink.settings(), mail_timeout_seconds=1)
    add_notes(house, somebody(house))
    sink.hold = lambda _received: True

    assert deliver(house).put_off == 1

    (note,) = notes_of(house)
    assert (note.attempts, note.last_error) == (1, "SMTPServerDisconnected")
    sink.release()


def test_a_connection_that_the_server_has_closed_between_two_messages_is_opened_again(make_house, sink):
    house = make_house(**sink.settings())
    ids = add_notes(house, somebody(house), 4)
    sink.hangs_up_after_each = True

    assert deliver(house).delivered == 4

    assert keys_of(sink) == Counter(ids)
    assert len(sink.peers) == 4


def test_nothing_is_sent_in_the_open_to_a_server_that_does_not_encrypt(make_house, tmp_path):
    """Somebody between us who strips STARTTLS from the answer looks just like this."""
    with MailSink(tmp_path, offers_tls=False, has_login=False) as sink:
        house = make_house(**sink.settings())
        add_notes(house, somebody(house))

        done = deliver(house)

        assert (done.server_away, done.delivered) == ("SMTPNotSupportedError", 0)
        assert sink.seen == 0
        assert [(note.attempts, note.locked_until) for note in notes_of(house)] == [(0, None)]


def test_a_server_on_the_same_host_may_be_spoken_to_in_the_open_when_that_is_said(make_house, tmp_path):
    with MailSink(tmp_path, offers_tls=False, has_login=False) as sink:
        house = make_house(**sink.settings(credentials=""), smtp_require_tls=False)
        add_notes(house, somebody(house))

        assert deliver(house).delivered == 1
        assert not sink.received[0].is_encrypted


def test_an_impostor_with_a_certificate_of_somebody_else_gets_nothing(make_house, sink):
    house = make_house(**(sink.settings() | {"smtp_ca_file": ""}))
    add_notes(house, somebody(house))

    assert deliver(house).server_away == "SSLCertVerificationError"
    assert sink.seen == 0


def test_a_wrong_password_for_the_server_is_nobodys_message_to_blame(make_house, sink):
    house = make_house(**sink.settings(credentials="secureapi:wrong"))
    add_notes(house, somebody(house), 3)

    assert deliver(house).server_away == "SMTPAuthenticationError 535"

    assert {(note.attempts, note.dead_at, note.locked_until) for note in notes_of(house)} == {(0, None, None)}


def test_a_server_that_is_away_costs_no_message_an_attempt_and_the_worker_goes_on_when_it_is_back(make_house, tmp_path, make_worker):
    port = free_port()
    house = make_house(smtp_url=f"smtp://localhost:{port}", mail_from="no-reply@example.com", smtp_require_tls=False)
    add_notes(house, somebody(house), 3)
    worker = make_worker(house)
    until(lambda: "mail.server_away" in worker.log())
    assert {(note.attempts, note.dead_at) for note in notes_of(house)} == {(0, None)}

    with MailSink(tmp_path, offers_tls=False, has_login=False, port=port) as sink:
        until(lambda: len(sink.received) == 3)


def test_a_worker_that_runs_once_says_that_the_server_is_away(make_house, make_worker):
    house = make_house(smtp_url=f"smtp://u:{secrets.token_hex(8)}@localhost:{free_port()}", mail_from="no-reply@example.com")
    add_notes(house, somebody(house))

    worker = make_worker(house, "--once")

    assert worker.wait() == 1
    assert "ConnectionRefusedError" in worker.log()
    assert "Messages are kept" in worker.log()


def test_a_note_that_nobody_can_write_a_message_for_keeps_no_other_waiting(make_house, sink):
    house = make_house(**sink.settings())
    owner = somebody(house)
    add_notes(house, owner, topic="mail.of_the_future")
    add_notes(house, owner)

    done = deliver(house)

    assert (done.dead, done.delivered) == (1, 1)
    assert {note.last_error for note in notes_of(house)} == {"NoTemplate", None}
