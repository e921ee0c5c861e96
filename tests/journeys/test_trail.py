"""The trail itself: it only grows, it goes with the change that it tells of, and nothing happens without it."""

import secrets

import pytest
from sqlalchemy.exc import DBAPIError

from journeys.answers import assert_problem
from secureapi.auth.service import Administration, Credentials
from secureapi.core.requests import Client
from secureapi.security.events import catalogue
from secureapi.security.trail import Trail

EDITS = {
    "an edit": "UPDATE audit_events SET outcome = 'success'",
    "an edit of one": "UPDATE audit_events SET user_agent = '' WHERE id = (SELECT min(id) FROM audit_events)",
    "a deletion": "DELETE FROM audit_events",
    "a deletion of the newest": "DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)",
}


@pytest.mark.parametrize("statement", EDITS.values(), ids=EDITS.keys())
def test_a_forger_with_the_database_in_his_hands_cannot_change_what_happened(make_house, engine, statement):
    house = make_house(engine)
    house.register()
    before = house.events()

    with pytest.raises(DBAPIError, match="append-only"):
        house.execute(statement)

    assert house.events() == before


def test_a_forger_cannot_empty_the_trail_at_one_blow(make_house):
    house = make_house("scaled")
    house.register()

    with pytest.raises(DBAPIError, match="append-only"):
        house.execute("TRUNCATE audit_events")

    assert house.events()


def test_a_forger_cannot_replace_an_event_by_inserting_it_again(make_house):
    house = make_house("embedded")
    house.register()
    before = house.events()

    with pytest.raises(DBAPIError):
        house.execute(
            "INSERT OR REPLACE INTO audit_events SELECT id, occurred_at, 'forged', severity, outcome, actor_id, subject_id, "
            "session_id, request_id, address, user_agent, details FROM audit_events"
        )

    assert house.events() == before


def test_an_event_outlives_whom_it_is_about(make_house, engine):
    house = make_house(engine)
    person = house.register()

    house.execute("DELETE FROM users WHERE username = :name", name=person.username)

    assert [event.type for event in house.events(subject=person)] == ["users.registered"]


def test_a_changed_row_is_recorded_by_table_key_and_columns_and_never_by_value(make_house, engine):
    house = make_house(engine)
    person = house.register()
    assert person.headers

    answer = house.client().patch("/users/me", headers=person.headers, json={"bio": "Canary bio", "email": "canary@example.com"})

    changes = [event for event in house.events("data.row.changed") if event.details["key"] == [person.id]]
    assert [change.details["action"] for change in changes] == ["insert", "update"]
    assert changes[1].details == {
        "table": "users",
        "action": "update",
        "key": [person.id],
        "columns": ["bio", "pending_email", "updated_at"],
    }
    assert changes[1].request_id == answer.headers["X-Request-ID"]
    assert "anary" not in str(changes)


def do(house, method, path, person=None, **json):
    return house.client().open(path, method=method, headers=person.headers if person else {}, json=json or None)


def test_every_action_leaves_its_event_the_refused_ones_too(make_house, engine):
    house = make_house(engine)
    administrator, person, wrong = house.administrator(), house.register(), {"password": "Wrong-Trees-1!"}
    assert person.headers
    new = {"username": "newcomer-1", "email": "newcomer@example.com", "password": "Tall-Trees-42!"}
    refresh, changes = person.tokens.refresh, {"current_password": person.password, "new_password": "Other-Trees-43!"}

    told = [
        (do(house, "POST", "/auth/register", **new), "users.registered"),
        (do(house, "POST", "/auth/register", **new), "users.registration.refused"),
        (do(house, "POST", "/auth/register", **(new | {"password": "weak"})), "users.registration.refused"),
        (do(house, "POST", "/auth/register", **(new | {"username": "admin"})), "users.registration.refused"),
        (do(house, "POST", "/auth/login", username="newcomer-1", password="Tall-Trees-42!"), "auth.login.succeeded"),
        (do(house, "POST", "/auth/login", username="newcomer-1", **wrong), "auth.login.refused"),
        (do(house, "POST", "/auth/login", username="nobody-here", **wrong), "auth.login.refused"),
        (do(house, "PATCH", "/users/me", person, full_name="Ada"), "users.profile.changed"),
        (do(house, "PATCH", "/users/me", person, email="ada@example.com"), "users.email.change_requested"),
        (do(house, "PATCH", "/users/me", person, email=person.email), "users.email.change_cancelled"),
        (do(house, "PATCH", "/users/me", person, email=person.email.upper()), "users.email.changed"),
        (do(house, "PATCH", "/users/me", person, username="newcomer-1"), "users.profile.refused"),
        (do(house, "POST", "/auth/password/forgot", email=person.email), "auth.reset.requested"),
        (do(house, "POST", "/auth/email/resend", email=person.email), "auth.verification.requested"),
        (do(house, "POST", "/auth/password/reset", token="A" * 54, new_password="x"), "auth.link.refused"),
        (do(house, "POST", "/auth/not-me", token="A" * 54), "auth.link.refused"),
        (do(house, "GET", "/users", person), "security.access.denied"),
        (do(house, "GET", "/admin/stats", person), "security.access.denied"),
        (do(house, "GET", "/users", administrator), "users.record.read"),
        (do(house, "GET", f"/users/{person.id}", administrator), "users.record.read"),
        (do(house, "GET", "/security/events", administrator), "security.events.read"),
        (do(house, "POST", "/auth/change-password", person, current_password="wrong", new_password="x"), "auth.password.change_refused"),
        (do(house, "POST", "/auth/change-password", person, **(changes | {"new_password": "weak"})), "auth.password.change_refused"),
        (do(house, "POST", "/auth/change-password", person, **changes), "auth.password.changed"),
        (do(house, "POST", "/auth/refresh", refresh_token=refresh), "auth.session.refreshed"),
        (do(house, "POST", "/auth/refresh", refresh_token=refresh), "auth.session.refresh_reused"),
        (do(house, "POST", "/auth/refresh", refresh_token=refresh), "auth.session.refresh_refused"),
        (do(house, "POST", "/auth/refresh", refresh_token="sar_" + "A" * 64), "auth.session.refresh_refused"),
        (do(house, "PATCH", "/users/me", administrator, username="root"), "users.profile.refused"),
        (do(house, "POST", "/auth/logout", administrator), "auth.logout.succeeded"),
    ]

    left = {(event.request_id, event.type) for event in house.events()}
    missing = [expected for answer, expected in told if (answer.headers["X-Request-ID"], expected) not in left]
    assert missing == []
    assert {event.type for event in house.events()} <= {declared.name for declared in catalogue()}


def test_what_an_administrator_does_to_an_account_leaves_its_event(make_house, engine):
    house = make_house(engine)
    person, administration, terminal = house.register(), house.service(Administration), Client.of_command_line()
    for _ in range(5):
        do(house, "POST", "/auth/login", username=person.username, password="wrong")

    administration.unlock(user_id=person.id, caller=None, client=terminal)
    administration.disable(user_id=person.id, caller=None, client=terminal)
    administration.enable(user_id=person.id, caller=None, client=terminal)
    house.service(Credentials).set_password(user_id=person.id, new_password="Set-Trees-77!", client=terminal)

    done = [event.type for event in house.events(subject=person) if event.request_id == terminal.request_id]
    assert done == ["security.account.unlocked", "users.disabled", "users.enabled", "auth.password.set"]


class TrailIsFull(Exception):
    """What a test lets happen instead of an event."""


@pytest.fixture
def breaking_trail(make_house, engine, monkeypatch):
    """A house whose trail can be broken: from then on no event can be written."""
    house = make_house(engine)

    def refuse(*_args, **_kwargs):
        raise TrailIsFull

    def break_it():
        if house.is_embedded:
            monkeypatch.setattr(house.service(Trail), "record", refuse)
            return
        # The database itself: some events are written by the statement that makes the change.
        house.execute("CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''full''; END'")
        house.execute("CREATE TRIGGER full_up BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION full_up()")

    return house, break_it


def test_no_account_is_opened_when_its_event_cannot_be_written(breaking_trail):
    house, break_it = breaking_trail
    break_it()
    word = secrets.token_hex(4)

    answer = do(house, "POST", "/auth/register", username=f"u-{word}", email=f"{word}@example.com", password="Tall-Trees-42!")

    assert_problem(answer, 500, "internal_error")
    assert house.execute("SELECT count(*) FROM users")[0][0] == 0
    assert house.events() == []


def test_nothing_changes_when_its_event_cannot_be_written(breaking_trail):
    house, break_it = breaking_trail
    person = house.register()
    assert person.headers
    watched = ("users", "sessions", "audit_events")
    before = {table: house.execute(f"SELECT * FROM {table}") for table in watched}
    break_it()

    answers = [
        do(house, "PATCH", "/users/me", person, email="changed@example.com"),
        do(house, "POST", "/auth/login", username=person.username, password=person.password),
        do(house, "POST", "/auth/refresh", refresh_token=person.tokens.refresh),
        do(house, "POST", "/auth/logout", person),
        do(house, "POST", "/auth/logout-all", person),
        do(house, "POST", "/auth/change-password", person, current_password=person.password, new_password="Other-Trees-43!"),
    ]

    assert [answer.status_code for answer in answers] == [500] * len(answers)
    assert {table: house.execute(f"SELECT * FROM {table}") for table in watched} == before
