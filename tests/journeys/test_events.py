"""Reading the trail: only administrators, in pieces, and reading is itself remembered."""

import json
from datetime import timedelta

import pytest

from journeys.answers import assert_headers, assert_problem, faults
from support.cases import Cases

EVENTS = "/api/v1/security/events"


@pytest.fixture
def own(make_house, engine, clock):
    """A house whose whole trail belongs to the test, with an administrator whose session never lapses meanwhile."""
    house = make_house(engine, clock=clock)
    return house, house.administrator()


def read(house, administrator, **query):
    answer = house.client().get(EVENTS, headers=administrator.headers, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def types(house, administrator, **query):
    return [event["type"] for event in read(house, administrator, limit=200, **query)["events"]]


def test_an_administrator_reads_what_happened_newest_first(own, base):
    house, administrator = own
    person = house.register()
    house.client().post("/auth/login", json={"username": person.username, "password": "x"}, headers={"User-Agent": "probe/1"})

    answer = house.client().get(f"{base}/security/events", headers=administrator.headers)

    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["next_cursor"] is None
    newest = answer.json["events"][0]
    assert newest.keys() == {
        *("id", "occurred_at", "type", "severity", "outcome", "actor_id", "subject_id", "session_id", "request_id", "address"),
        *("user_agent", "details"),
    }
    assert (newest["type"], newest["severity"], newest["outcome"]) == ("auth.login.refused", "WARNING", "failure")
    assert (newest["subject_id"], newest["actor_id"], newest["user_agent"]) == (person.id, None, "probe/1")
    assert isinstance(newest["id"], str)
    assert newest["occurred_at"].endswith("Z")
    numbers = [int(event["id"]) for event in answer.json["events"]]
    assert numbers == sorted(numbers, reverse=True)


def test_nobody_else_reads_it_and_the_attempt_is_remembered(house):
    with Cases() as case:
        for role in ("moderator", "user", "viewer"):
            with case(role):
                person = house.person(role=role)

                assert_problem(house.client().get(EVENTS, headers=person.headers), 403, "insufficient_permission")

                (event,) = house.events("security.access.denied", subject=person)
                assert (event.actor_id, event.details["endpoint"], event.details["method"]) == (person.id, "security.read_events", "GET")


def test_a_stranger_does_not_read_it(house):
    assert_problem(house.client().get(EVENTS), 401, "unauthenticated")


def test_reading_leaves_an_event_that_says_what_was_asked_for(own):
    house, administrator = own

    read(house, administrator, hours=3, severity="WARNING", type="auth.*")

    (event,) = house.events("security.events.read")
    assert event.actor_id == administrator.id
    assert event.details == {"hours": 3, "severity": "WARNING", "type": "auth.*"}


def test_the_last_hours_are_a_day_unless_asked_otherwise(own, clock):
    house, administrator = own
    house.register()
    clock.advance(timedelta(hours=23))
    house.register()
    clock.advance(timedelta(hours=2))

    assert types(house, administrator).count("users.registered") == 1
    assert types(house, administrator, hours=26).count("users.registered") == 2
    assert types(house, administrator, hours=2).count("users.registered") == 1
    assert types(house, administrator, hours=1).count("users.registered") == 0


def test_events_of_one_severity(own):
    house, administrator = own
    person = house.register()
    first = person.tokens.refresh
    for _ in range(2):
        house.client().post("/auth/refresh", json={"refresh_token": first})
    house.client().post("/auth/login", json={"username": "nobody-here", "password": "x"})

    with Cases() as case:
        for severity in ("INFO", "WARNING", "CRITICAL"):
            with case(severity):
                events = read(house, administrator, severity=severity)["events"]

                assert {event["severity"] for event in events} == {severity}


def test_events_of_one_type_or_of_one_room(own):
    house, administrator = own
    house.register()

    assert set(types(house, administrator, type="users.registered")) == {"users.registered"}
    assert set(types(house, administrator, type="users.*")) == {"users.registered", "users.created"}
    assert types(house, administrator, type="users") == []
    assert types(house, administrator, type="user_.*") == []
    assert types(house, administrator, type="nothing.of.the.kind") == []


def test_walking_with_the_cursor_meets_every_event_once_while_new_ones_come_in(own):
    house, administrator = own
    people = [house.register() for _ in range(7)]
    seen, cursor = [], {}

    while cursor is not None:
        page = read(house, administrator, type="users.registered", limit=2, **cursor)
        seen += [event["subject_id"] for event in page["events"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        house.register()

    assert seen == [person.id for person in reversed(people)]


def test_a_filter_that_is_not_understood_is_422(house):
    administrator = house.administrator()

    with Cases() as case:
        for query in [
            *({"hours": hours} for hours in ("0", "-1", "1e3", "abc", "8785", "9" * 30, "1.5", "")),
            *({"limit": limit} for limit in ("0", "201", "-1", "x")),
            *({"severity": severity} for severity in ("info", "HIGH", "")),
            *({"type": name} for name in ("", "*", "auth.%", "a" * 65, "auth..x", "AUTH.x", "auth.*.x", "a'b")),
            *({"cursor": cursor} for cursor in ("", "x", "MQ==", "LTE", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", "bm9uZQ", "4pO2", "a" * 65)),
            {"user_id": "x"},
            {"page": "1"},
        ]:
            with case(query):
                answer = house.client().get(EVENTS, headers=administrator.headers, query_string=query)

                assert_problem(answer, 422, "invalid_input")
                assert list(faults(answer)) == [f"/{name}" for name in query]


def test_no_address_no_name_and_no_secret_is_in_the_trail(make_house, engine):
    house = make_house(engine)
    administrator, person = house.administrator(), house.register(full_name="Canary Fullname")
    other = house.register()
    client = house.client()
    client.post("/auth/login", json={"email": "typed.canary@example.com", "password": "Canary-Typed-1!"})
    client.post("/auth/login", json={"username": person.username, "password": "Canary-Wrong-1!"})
    client.post("/auth/register", json={"username": person.username, "email": person.email, "password": "Canary-Again-1!"})
    client.patch("/users/me", headers=person.headers, json={"email": "changed.canary@example.com", "full_name": "Canary Changed"})
    client.patch("/users/me", headers=person.headers, json={"email": other.email})
    client.post(
        "/users/me/change-password", headers=person.headers, json={"current_password": person.password, "new_password": "Canary-New-1!"}
    )
    client.post("/auth/refresh", json={"refresh_token": person.tokens.refresh})
    client.post("/auth/refresh", json={"refresh_token": person.tokens.refresh})

    trail = json.dumps(read(house, administrator, limit=200)) + str(house.events())

    assert "canary" not in trail.lower()
    for secret in (person.email, person.username, person.password, person.tokens.access, person.tokens.refresh, other.email, "@"):
        assert secret not in trail


def test_a_forger_of_log_lines_gets_his_user_agent_cleaned_and_cut(house):
    person = house.register()
    agent = 'Mozilla\u001b[2J\u2028{"forged": true}\t' + "x" * 400

    house.client().post("/auth/login", json={"username": person.username, "password": "x"}, environ_overrides={"HTTP_USER_AGENT": agent})

    (event,) = house.events("auth.login.refused", subject=person)
    assert len(event.user_agent) == 256
    assert event.user_agent.isprintable()
    assert event.user_agent.startswith("Mozilla\ufffd[2J")
