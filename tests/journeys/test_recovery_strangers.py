"""Lost passwords: what strangers learn from asking about somebody's, and how many messages they can have sent."""

# ruff: noqa: RUF001 - letters that look alike are a subject here

import secrets
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from journeys.answers import as_seen, assert_problem, faults
from journeys.recovering import API, FORGOT, ME, RESEND, TERMINAL, fresh, post, reset, rows_of, somebody, token_in
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.delivery import Delivery
from secureapi.core.outbox import Outbox
from support.cases import Cases

# ---- what strangers learn


@pytest.fixture
def four(home, letters):
    """Addresses with an account that is in use, confirmed, disabled; and one that nobody has. All of the same length."""
    plain, confirmed, disabled = (home.register(), home.person(), home.register())
    home.service(Administration).disable(user_id=disabled.id, caller=None, client=TERMINAL)
    letters.deliver(home)
    return [plain.email, confirmed.email, disabled.email, f"user-{secrets.token_hex(6)}@example.com"]


@pytest.mark.parametrize("path", [FORGOT, RESEND])
def test_a_stranger_cannot_tell_who_has_an_account(home, four, from_elsewhere, path):
    """AC-49, to the byte; and the same statements are run, and the same rows left."""
    seen, left, run = [], [], []
    for email in four:
        rows = rows_of(home)
        with statements(home) as made:
            answer = post(home, path, from_elsewhere(), email=email)
        assert answer.status_code == 202
        seen.append(as_seen(answer))
        run.append(made)
        after = rows_of(home)
        left.append({table: len(after[table]) - len(rows[table]) for table in after if len(after[table]) != len(rows[table])})

    assert [one == seen[0] for one in seen] == [True] * 4
    assert left == [{"audit_events": 1, "outbox": 1}] * 4
    assert [one == run[0] for one in run] == [True] * 4
    assert len(run[0]) >= 2


@contextmanager
def statements(house):
    """What is sent to the database meanwhile."""
    made = []

    def note(_connection, _cursor, statement, *_rest):
        made.append(statement)

    engines = (house.service(Database).engine, house.service(Database).reader)
    for one in engines:
        event.listen(one, "before_cursor_execute", note)
    yield made
    for one in engines:
        event.remove(one, "before_cursor_execute", note)


def test_nobody_gets_a_message_at_an_address_without_an_account_or_of_a_disabled_one(home, letters, four):
    for email in four:
        post(home, FORGOT, email=email)

    assert sorted(message.to for message in letters.deliver(home)) == sorted(four[:2])


def test_only_who_waits_for_it_gets_the_confirmation_again(home, letters, four):
    for email in four:
        post(home, RESEND, email=email)

    assert [message.to for message in letters.deliver(home)] == four[:1]


def test_a_twin_of_an_address_has_the_message_sent_to_the_one_that_the_account_has(home, letters):
    """AC-14."""
    with Cases() as case:
        for stored_as, typed in (
            ("kate-{}@example.com", "\u212aATE-{}@example.com"),
            ("strasse-{}@example.com", "straße-{}@example.com"),
            ("KATE-{}@example.com", "kate-{}@example.com"),
            ("flower-{}@example.com", "\ufb02ower-{}@example.com"),
            ("kate-{}@bücher.example", "Kate-{}@XN--BCHER-KVA.example"),
        ):
            with case(stored_as, typed):
                word = secrets.token_hex(4)
                owner = somebody(home, letters, email=stored_as.format(word))

                assert post(home, FORGOT, email=typed.format(word)).status_code == 202

                (message,) = letters.deliver(home)
                assert message.to == owner.email.replace("bücher", "xn--bcher-kva")


def test_what_only_looks_like_an_address_is_nobodys(home, letters):
    with Cases() as case:
        for typed in ("İ-{}@example.com", "ı-{}@example.com"):
            with case(typed):
                word = secrets.token_hex(4)
                somebody(home, letters, email=f"i-{word}@example.com")

                assert post(home, FORGOT, email=typed.format(word)).status_code == 202

                assert letters.deliver(home) == []


def test_what_is_no_address_is_422(house):
    with Cases() as case:
        for path in (FORGOT, RESEND):
            for email in ("nobody", "a@b", "a@example.com\n", "a" * 255 + "@example.com", "", None, ["a@example.com"]):
                with case(path, email):
                    answer = post(house, path, email=email)

                    assert_problem(answer, 422)
                    assert list(faults(answer)) == ["/email"]


# ---- floods


def test_five_hundred_who_ask_for_one_address_send_its_owner_five_messages(home, letters, from_elsewhere):
    """AC-86, and nobody at an address that has no account. Five hundred on SQLite: what decides is the same code on PostgreSQL."""
    owner, nobody = somebody(home, letters), f"user-{secrets.token_hex(6)}@example.com"
    times = 250 if home.is_embedded else 15

    for email, often in ((owner.email, times), (nobody, 15)):
        for path in (FORGOT, RESEND):
            assert {post(home, path, from_elsewhere(), email=email).status_code for _ in range(often)} == {202}
    came = letters.deliver(home)

    assert {message.to for message in came} == {owner.email}
    kinds = [message.subject for message in came]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        f"A new password for your {home.settings.app_name} account": 5,
        # One of these was sent when he registered.
        f"Confirm your address for {home.settings.app_name}": 4,
    }
    assert len(home.events("mail.withheld", subject=owner)) == 2 * times - 9
    last = [message for message in came if "reset-password#" in message.text][-1]
    assert reset(home, last.token).status_code == 200, "what is left out withdraws nothing"


def test_a_flood_does_not_drown_what_tells_of_a_thief(home, letters, from_elsewhere):
    owner = somebody(home, letters)
    for _ in range(20):
        post(home, FORGOT, from_elsewhere(), email=owner.email)
    letters.deliver(home)

    new = fresh()
    changed = {"current_password": owner.password, "new_password": new}
    assert home.client().post(f"{API}/auth/change-password", headers=owner.headers, json=changed).status_code == 200
    assert home.client().patch(ME, headers=owner.headers, json={"email": f"thief-{secrets.token_hex(4)}@example.com"}).status_code == 200

    told = [message for message in letters.deliver(home) if message.to == owner.email]
    assert len(told) == 2
    assert all(token_in(message, "not-me") for message in told)


def test_the_budget_is_whole_again_after_an_hour(make_home, letters, clock):
    home = make_home(clock=clock)
    owner = somebody(home, letters)
    for _ in range(8):
        post(home, FORGOT, email=owner.email)
    assert len(letters.deliver(home)) == 5

    clock.advance(timedelta(hours=1))
    post(home, FORGOT, email=owner.email)

    assert len(letters.deliver(home)) == 1


@pytest.mark.parametrize(
    ("topic", "details"),
    [
        ("request.reset", {"typed": "x" * 60}),
        ("request.verification", {"typed": "x" * 60}),
        ("request.registration", {"sealed_to": "x" * 60}),
    ],
)
def test_a_request_that_cannot_be_read_since_the_secret_is_another_one_is_not_lost_without_a_trace(make_home, topic, details):
    home = make_home()
    with home.service(Database).transaction() as session:
        home.service(Outbox).add(session, topic, user_id=None, **details)

    home.service(Delivery).deliver_due()

    (row,) = home.execute("SELECT last_error, delivered_at FROM outbox WHERE dead_at IS NOT NULL")
    assert tuple(row) == ("AddressUnreadable", None)
