"""API keys over HTTP: made by people, shown without their value, rotated, revoked."""

from datetime import timedelta

import pytest

from journeys.answers import assert_problem, faults
from journeys.with_keys import API, KEYS, ask_for_key, make_key, rotate
from secureapi.auth.service import ApiKeys
from secureapi.core.database import Base, Database
from secureapi.core.requests import Client
from support.cases import Cases
from support.letters import Letters


@pytest.fixture
def clock(shared_clock):
    return shared_clock


@pytest.fixture
def own(shared_house, engine, clock):
    """A house with a clock that the tests move on."""
    return shared_house(engine, clock=clock)


def listed(person, headers=None):
    answer = person.house.client().get(KEYS, headers=headers or person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json["api_keys"]


def test_a_key_is_told_once_and_shown_without_its_value(house):
    person = house.person()

    answer = ask_for_key(person, name="Report", allowed_networks=["127.0.0.0/8"], requests_per_minute=30, daily_quota=100)

    assert answer.status_code == 201
    told = dict(answer.json)
    value = told.pop("api_key")
    assert answer.headers["Cache-Control"] == "no-store"
    assert told == listed(person)[0]
    assert told["prefix"] == value[:16]
    assert told["scopes"] == ["self:read"]
    assert told["allowed_networks"] == ["127.0.0.0/8"]
    assert (told["requests_per_minute"], told["daily_quota"], told["is_expired"]) == (30, 100, False)
    assert told.keys().isdisjoint({"user_id", "value_hash", "hint"})
    shown = person.house.client().get(KEYS, headers=person.headers).text
    assert value[16:] not in shown


def test_a_key_opens_by_its_own_header_and_as_a_bearer(house):
    person = house.person()
    key = make_key(person)

    for headers in (key.headers, {"Authorization": f"Bearer {key.value}"}, {"Authorization": f"bearer {key.value}"}):
        answer = house.client().get(f"{API}/users/me", headers=headers)
        assert answer.status_code == 200
        assert answer.json["id"] == person.id


def test_a_key_is_good_for_as_long_as_the_settings_say_and_no_longer(own, clock):
    person = own.person()
    usual, short = make_key(person), make_key(person, expires_in_days=1)
    assert [usual.get().status_code, short.get().status_code] == [200, 200]

    clock.advance(timedelta(days=1))
    assert [usual.get().status_code, short.get().status_code] == [200, 401]
    clock.advance(timedelta(days=364))
    assert usual.get().status_code == 401


def test_expired_keys_are_shown_for_a_while(own, clock):
    person = own.person()
    make_key(person, expires_in_days=1)

    clock.advance(timedelta(days=2))
    (shown,) = listed(person, own.sign_in(person).headers)
    assert shown["is_expired"]
    clock.advance(timedelta(days=30))
    assert listed(person, own.sign_in(person).headers) == []


def test_what_has_not_the_shape_of_a_key_is_refused(shared_houses):
    person = shared_houses("embedded").person()

    with Cases() as case:
        for fields, where, code in (
            ({"scopes": []}, "/scopes", "too_short"),
            ({"scopes": ["self:read", "self:read"]}, "/scopes", "repeated"),
            ({"scopes": ["SELF:READ"]}, "/scopes/0", "choice"),
            ({"scopes": ["self:read", "*"]}, "/scopes/1", "choice"),
            ({"scopes": "self:read"}, "/scopes", "type"),
            ({"scopes": None}, "/scopes", "null"),
            ({"scopes": [["self:read"]]}, "/scopes/0", "type"),
            ({"name": ""}, "/name", "too_short"),
            ({"name": "x" * 101}, "/name", "too_long"),
            ({"name": "two\nlines"}, "/name", "pattern"),
            ({"name": "\u202ereport"}, "/name", "pattern"),
            ({"expires_in_days": 0}, "/expires_in_days", "range"),
            ({"expires_in_days": True}, "/expires_in_days", "type"),
            ({"daily_quota": 0}, "/daily_quota", "range"),
            ({"requests_per_minute": -1}, "/requests_per_minute", "range"),
            ({"allowed_networks": ["10.0.0.1/8"]}, "/allowed_networks/0", "network"),
            ({"allowed_networks": ["fe80::1%eth0"]}, "/allowed_networks/0", "pattern"),
            ({"allowed_networks": ["\u0661.2.3.4"]}, "/allowed_networks/0", "pattern"),
            ({"allowed_networks": ["10.0.0.0/8", "10.0.0.0/8"]}, "/allowed_networks", "repeated"),
            ({"allowed_networks": [f"10.0.0.{n}" for n in range(21)]}, "/allowed_networks", "too_long"),
            # Nobody sets what is not his to set.
            ({"user_id": "01890000-0000-7000-8000-000000000000"}, "/user_id", "unknown_field"),
            ({"api_key": "sa_live_mine"}, "/api_key", "unknown_field"),
            ({"expires_at": "2099-01-01T00:00:00Z"}, "/expires_at", "unknown_field"),
            ({"role": "admin"}, "/role", "unknown_field"),
        ):
            with case(fields, where, code):
                answer = ask_for_key(person, **fields)

                assert_problem(answer, 422, "invalid_input")
                assert faults(answer) == {where: code}
                assert listed(person) == []


def test_nobody_makes_a_key_that_may_do_more_than_he(house):
    person = house.person()

    answer = ask_for_key(person, scopes=["self:read", "admin:read", "content:read", "users:delete"])

    assert_problem(answer, 403, "scope_not_held")
    assert faults(answer) == {"/scopes/1": "not_held", "/scopes/3": "not_held"}
    assert listed(person) == []
    (event,) = house.events("auth.api_key.change_refused", subject=person)
    assert event.details == {"reason": "scope_not_held"}


def test_the_same_request_for_a_key_makes_one_and_its_value_is_told_once(house):
    person = house.person()
    headers = person.headers | {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}

    first, again = ask_for_key(person, headers=headers), ask_for_key(person, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json["id"] == again.json["id"]
    assert "api_key" not in again.json
    assert len(listed(person)) == 1


def test_a_key_does_not_live_longer_and_ask_more_often_than_the_settings_allow(make_house, engine):
    house = make_house(engine, api_key_max_days=10, api_key_max_requests_per_minute=20)
    person = house.person()

    answer = ask_for_key(person, expires_in_days=11, requests_per_minute=21)
    assert_problem(answer, 400, "beyond_bounds")
    assert faults(answer).keys() == {"/expires_in_days", "/requests_per_minute"}
    key = make_key(person, expires_in_days=10, requests_per_minute=20)

    again = house.client().post(f"{KEYS}/{key.id}/rotate", headers=person.headers, json={"expires_in_days": 11})
    assert_problem(again, 400, "beyond_bounds")


def test_the_number_of_keys_is_limited_and_those_that_are_over_do_not_count(make_house, engine, clock):
    house = make_house(engine, clock=clock, max_api_keys_per_user=2)
    person = house.person()
    first, _short = make_key(person), make_key(person, expires_in_days=1)

    assert_problem(ask_for_key(person), 409, "too_many_api_keys")
    assert house.client().delete(f"{KEYS}/{first.id}", headers=person.headers).status_code == 204
    make_key(person)
    assert_problem(ask_for_key(person), 409, "too_many_api_keys")
    clock.advance(timedelta(days=1))
    assert ask_for_key(person, headers=house.sign_in(person).headers).status_code == 201
    assert ask_for_key(house.person()).status_code == 201, "others have their own"


def test_making_and_rotating_a_key_ask_for_a_recent_proof_and_revoking_does_not(own, clock):
    person = own.person()
    key = make_key(person)
    clock.advance(timedelta(minutes=11))

    assert_problem(ask_for_key(person), 401, "insufficient_user_authentication")
    assert_problem(own.client().post(f"{KEYS}/{key.id}/rotate", headers=person.headers, json={}), 401, "insufficient_user_authentication")
    assert len(listed(person)) == 1
    assert own.client().delete(f"{KEYS}/{key.id}", headers=person.headers).status_code == 204


def test_a_revoked_key_is_refused_on_the_very_next_request(house):
    person = house.person()
    key = make_key(person)
    assert key.get().status_code == 200

    answer = house.client().delete(f"{KEYS}/{key.id}", headers=person.headers)

    assert (answer.status_code, answer.data) == (204, b"")
    assert_problem(key.get(), 401, "invalid_token")
    assert listed(person) == []
    assert_problem(house.client().delete(f"{KEYS}/{key.id}", headers=person.headers), 404, "no_such_api_key")
    assert_problem(house.client().post(f"{KEYS}/{key.id}/rotate", headers=person.headers, json={}), 404, "no_such_api_key")
    assert house.client().get(f"{KEYS}/{key.id}/usage", headers=person.headers).json["requests_today"] == 1


@pytest.mark.parametrize("role", ["user", "admin"])
def test_somebody_elses_key_is_as_if_it_was_not_there(house, role):
    owner, stranger = house.person(), house.person(role=role)
    key = make_key(owner)
    nobodys = "01890000-0000-7000-8000-000000000000"

    for key_id in (key.id, nobodys):
        assert_problem(house.client().delete(f"{KEYS}/{key_id}", headers=stranger.headers), 404, "no_such_api_key")
        assert_problem(house.client().post(f"{KEYS}/{key_id}/rotate", headers=stranger.headers, json={}), 404, "no_such_api_key")
        assert_problem(house.client().get(f"{KEYS}/{key_id}/usage", headers=stranger.headers), 404, "no_such_api_key")
    for spelled in (key.id.upper(), f"{{{key.id}}}", f"urn:uuid:{key.id}", key.id.replace("-", "")):
        assert_problem(house.client().delete(f"{KEYS}/{spelled}", headers=owner.headers), 404, "not_found")
    assert listed(stranger) == []
    assert key.get().status_code == 200


def test_after_a_rotation_both_values_are_good_for_the_overlap_and_then_only_the_newest(own, clock):
    person = own.person()
    old = make_key(person)

    new = rotate(person, old, overlap_hours=2)

    assert new.id == old.id
    assert new.value != old.value
    assert new.told["former_values_until"] > new.told["rotated_at"]
    assert new.told["prefix"] == new.value[:16] == listed(person)[0]["prefix"]
    clock.advance(timedelta(hours=2, seconds=-1))
    assert [old.get().status_code, new.get().status_code] == [200, 200]
    clock.advance(timedelta(seconds=1))
    assert [old.get().status_code, new.get().status_code] == [401, 200]
    (event,) = own.events("auth.api_key.refused", subject=person)
    assert event.details == {"api_key_id": new.id, "reason": "replaced"}


def test_a_rotation_overlaps_for_a_day_unless_it_says_otherwise(own, clock):
    person = own.person()
    old = make_key(person)
    rotate(person, old)

    clock.advance(timedelta(hours=24, seconds=-1))
    assert old.get().status_code == 200
    clock.advance(timedelta(seconds=1))
    assert old.get().status_code == 401


def test_both_values_count_as_the_same_key(own):
    person = own.person()
    old = make_key(person, daily_quota=3)
    new = rotate(person, old)

    assert [old.get().status_code, new.get().status_code, old.get().status_code] == [200, 200, 200]
    assert [old.get().status_code, new.get().status_code] == [429, 429]
    assert own.client().get(f"{KEYS}/{old.id}/usage", headers=person.headers).json["requests_today"] == 3


def test_when_the_answer_to_a_rotation_is_lost_the_next_one_ends_nothing_that_is_in_use(own, clock):
    person = own.person()
    in_use = make_key(person)
    lost = rotate(person, in_use, overlap_hours=1)

    clock.advance(timedelta(minutes=1))
    newest = rotate(person, in_use, overlap_hours=1)

    assert [key.get().status_code for key in (in_use, lost, newest)] == [200, 200, 200]
    clock.advance(timedelta(minutes=59))
    assert [key.get().status_code for key in (in_use, lost, newest)] == [401, 200, 200], "each has the hour that it was promised"


def test_an_overlap_of_nothing_ends_every_former_value_at_once(own):
    person = own.person()
    first = make_key(person)
    second = rotate(person, first)

    third = rotate(person, second, overlap_hours=0)

    assert third.told["former_values_until"] is None
    assert [key.get().status_code for key in (first, second, third)] == [401, 401, 200]


def test_former_values_do_not_pile_up(own):
    person = own.person()
    values = [make_key(person)]
    values.extend(rotate(person, values[0]) for _ in range(5))

    refused = own.client().post(f"{KEYS}/{values[0].id}/rotate", headers=person.headers, json={})
    assert_problem(refused, 409, "too_many_rotations")
    assert {key.get().status_code for key in values} == {200}
    newest = rotate(person, values[0], overlap_hours=0)
    assert [key.get().status_code for key in (*values, newest)] == [401] * 6 + [200]


def test_a_rotation_leaves_the_end_of_the_key_where_it_was_unless_it_says_otherwise(own):
    person = own.person()
    key = make_key(person, expires_in_days=5)

    assert rotate(person, key).told["expires_at"] == key.told["expires_at"]
    assert rotate(person, key, expires_in_days=50).told["expires_at"] > key.told["expires_at"]


def test_an_expired_key_is_not_rotated_back_to_life(own, clock):
    person = own.person()
    key = make_key(person, expires_in_days=1)
    clock.advance(timedelta(days=1))

    answer = own.client().post(f"{KEYS}/{key.id}/rotate", headers=own.sign_in(person).headers, json={"expires_in_days": 5})
    assert_problem(answer, 404, "no_such_api_key")


def test_usage_says_how_often_when_and_from_where(own, clock):
    person = own.person()
    key = make_key(person)
    usage = f"{KEYS}/{key.id}/usage"
    assert own.client().get(usage, headers=person.headers).json["days"] == []
    assert listed(person)[0]["last_used_at"] is None

    key.get()
    key.get(environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    key.get("/users", environ_overrides={"REMOTE_ADDR": "198.51.100.8"})
    clock.advance(timedelta(days=1))
    key.get(environ_overrides={"REMOTE_ADDR": "2001:db8::9"})

    headers = own.sign_in(person).headers
    answer = own.client().get(usage, headers=headers).json
    assert [(day["requests"], day["last_used_from"]) for day in answer["days"]] == [(1, "2001:db8::9"), (3, "198.51.100.8")]
    assert answer["requests_today"] == 1
    assert [day["day"] for day in answer["days"]] == [str((clock.now() - timedelta(days=n)).date()) for n in (0, 1)]
    assert len(own.client().get(f"{usage}?days=1", headers=headers).json["days"]) == 1
    (shown,) = listed(person, headers)
    assert shown["last_used_from"] == "2001:db8::9"
    assert shown["last_used_at"] == answer["days"][0]["last_used_at"]
    assert_problem(own.client().get(f"{usage}?days=367", headers=headers), 422)


def test_usage_is_forgotten_after_a_while(make_house, engine, clock):
    house = make_house(engine, clock=clock, api_key_max_days=3650)
    person = house.person()
    first, other = make_key(person), make_key(person)
    first.get()
    other.get()

    clock.advance(timedelta(days=400))
    first.get()
    assert house.execute("SELECT count(*) FROM api_key_usage")[0][0] == 3
    clock.advance(timedelta(days=1))
    first.get()

    left = house.execute("SELECT key_id, count(*) AS days FROM api_key_usage GROUP BY key_id ORDER BY 2")
    assert [row.days for row in left] == [1, 2], "what another key was used for is not this one's to sweep"


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def with_mail(make_house, engine, letters):
    return make_house(engine, **letters.settings)


def test_the_owner_is_told_of_a_new_key_and_can_say_that_it_was_not_him(with_mail, letters):
    person = with_mail.person()
    letters.deliver(with_mail)
    key = make_key(person, name="http://evil.example says hello")

    (message,) = letters.deliver(with_mail)

    assert message.to == person.email
    assert "API key" in message.subject
    assert key.value[:16] in message.text
    for said in (message.text, message.html):
        assert key.value[16:] not in said
        assert "evil.example" not in said, "a thief would write to the owner in our name"
    assert with_mail.client().post(f"{API}/auth/not-me", json={"token": message.token}).status_code == 200
    assert_problem(key.get(), 401, "invalid_token")
    (event,) = with_mail.events("auth.account.disowned", subject=person)
    assert event.details["keys"] == 1


def test_the_owner_is_told_that_a_key_was_found_and_revoked(with_mail, letters):
    person = with_mail.person()
    old = make_key(person)
    new = rotate(person, old)
    letters.deliver(with_mail)

    with_mail.service(ApiKeys).revoke_leaked(value=old.value, client=Client.of_command_line())

    assert [old.get().status_code, new.get().status_code] == [401, 401], "a former value is the same key"
    (message,) = letters.deliver(with_mail)
    assert "revoked" in message.subject
    assert old.value[:16] in message.text
    assert old.value[16:] not in message.text + message.html
    (event,) = with_mail.events("auth.api_key.leaked", subject=person)
    assert (event.severity, event.details) == ("CRITICAL", {"revoked_key_id": new.id, "was_living": True})
    with_mail.service(ApiKeys).revoke_leaked(value=new.value, client=Client.of_command_line())
    assert letters.deliver(with_mail) == []
    assert with_mail.events("auth.api_key.leaked", subject=person)[1].details["was_living"] is False


def test_no_value_lies_in_any_table_event_or_line_of_log(make_house, engine, letters, capfd):
    house = make_house(engine, log_level="DEBUG", **letters.settings)
    person = house.person()
    old = make_key(person)
    new = rotate(person, old)
    for key in (old, new):
        key.get()
        key.get(f"/users/me?api_key={key.value}")
        key.get(f"/users/{key.value}")
        house.client().get(f"{API}/users/me", headers={"Authorization": f"Bearer {key.value}", "X-API-Key": key.value})
        house.client().get(f"{API}/users/me?access_token={key.value}&X-API-Key={key.value}")
    letters.deliver(house)

    kept = []
    with house.service(Database).reading() as connection:
        for table in Base.metadata.sorted_tables:
            kept.extend(str(tuple(row)) for row in connection.execute(table.select()))
    written = "".join(capfd.readouterr())

    assert len(kept) > 20
    assert '"path": "/api/v1/users/me"' in written
    for key in (old, new):
        assert not any(key.value[16:] in row for row in kept)
        assert not any(key.value[16:40] in row for row in kept)
        assert key.value[16:] not in written
        assert not any(key.value[8:16] in event for event in kept if "auth.api_key" in event), "nor the hint in an event"


def test_each_change_leaves_an_event(house):
    person = house.person()
    key = make_key(person, scopes=["self:read", "content:read"])
    rotate(person, key, overlap_hours=3)
    house.client().delete(f"{KEYS}/{key.id}", headers=person.headers)

    (made,) = house.events("auth.api_key.created", subject=person)
    (rotated,) = house.events("auth.api_key.rotated", subject=person)
    (revoked,) = house.events("auth.api_key.revoked", subject=person)
    assert {event.actor_id for event in (made, rotated, revoked)} == {person.id}
    assert made.details == {"made_key_id": key.id, "scopes": "content:read self:read"}
    assert rotated.details == {"rotated_key_id": key.id, "overlap_hours": 3}
    assert revoked.details == {"revoked_key_id": key.id}
