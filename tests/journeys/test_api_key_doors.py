"""Where a program with an API key may enter, and what it looks like when it may not."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event as listening

from journeys.answers import as_seen, assert_problem
from journeys.with_keys import API, KEYS, Key, make_key, rotate
from secureapi.auth.api_key_values import checksum
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.requests import Client
from support.cases import Cases
from support.races import change_role

TERMINAL = Client.of_command_line()
EVERYTHING = ["self:read", "self:write", "content:read", "users:read", "users:write", "admin:read", "admin:write"]


@pytest.fixture
def clock(shared_clock):
    return shared_clock


@pytest.fixture
def own(shared_house, engine, clock):
    """A house with a clock that the tests move on."""
    return shared_house(engine, clock=clock)


def with_checksum(body):
    return body + checksum(body)


def knock(house, value):
    return house.client().get(f"{API}/users/me", headers={"X-API-Key": value})


# What a key may do


def test_a_key_does_what_its_scopes_say_and_no_more(house):
    administrator = house.administrator()
    reads_itself, reads_events = make_key(administrator), make_key(administrator, scopes=["admin:read"])

    assert [reads_itself.get().status_code, reads_events.get("/security/events").status_code] == [200, 200]
    assert_problem(reads_itself.get("/security/events"), 403, "insufficient_permission")
    assert_problem(reads_events.get(), 403, "insufficient_permission")
    assert_problem(reads_events.get("/users"), 403, "insufficient_permission")


def test_all_permissions_of_an_endpoint_must_be_in_the_scopes(house):
    administrator = house.administrator()

    assert_problem(make_key(administrator, scopes=["admin:read"]).get("/users"), 403, "insufficient_permission")
    assert make_key(administrator, scopes=["users:read"]).get("/users").status_code == 200


OF_THEIR_OWNER = (
    ("GET", "/auth/api-keys", None),
    ("POST", "/auth/api-keys", {"name": "Another", "scopes": ["self:read"]}),
    ("POST", "/auth/api-keys/{key}/rotate", {}),
    ("DELETE", "/auth/api-keys/{key}", None),
    ("GET", "/auth/api-keys/{key}/usage", None),
    ("POST", "/auth/change-password", {"current_password": "{password}", "new_password": "Other-Trees-43!"}),
    ("POST", "/users/me/change-password", {"current_password": "{password}", "new_password": "Other-Trees-43!"}),
    ("POST", "/auth/reauthenticate", {"password": "{password}"}),
    ("POST", "/auth/logout", None),
    ("POST", "/auth/logout-all", None),
    ("GET", "/auth/sessions", None),
    ("DELETE", "/auth/sessions", None),
    ("DELETE", "/auth/sessions/{other}", None),
    ("GET", "/security/health", None),
)


def test_a_key_manages_no_keys_passwords_sessions_or_factors(house):
    with Cases() as case:
        for role, scopes in (("user", EVERYTHING[:3]), ("admin", EVERYTHING)):
            person = house.person(role=role)
            key = make_key(person, scopes=scopes)
            for method, path, body in OF_THEIR_OWNER:
                with case(role, method, path):
                    known = len(house.events("security.access.denied", subject=person))
                    spelled = API + path.format(key=key.id, other="01890000-0000-7000-8000-000000000000")
                    sent = body and {name: person.password if value == "{password}" else value for name, value in body.items()}

                    answer = house.client().open(spelled, method=method, headers=key.headers, json=sent)

                    assert_problem(answer, 403, "key_not_allowed")
                    assert key.get().status_code == 200
                    assert house.client().get(f"{API}/users/me", headers=person.headers).status_code == 200
                    (denied,) = house.events("security.access.denied", subject=person)[known:]
                    assert denied.details["reason"] == "key_not_allowed"
                    assert denied.details["api_key_id"] == key.id
                    assert denied.session_id is None


def test_nor_those_of_others_whatever_its_scopes(house):
    administrator, other = house.administrator(), house.person()
    key = make_key(administrator, scopes=EVERYTHING)

    with Cases() as case:
        for method, path in (("GET", "/users/{id}/sessions"), ("DELETE", "/users/{id}/sessions"), ("DELETE", "/users/{id}/sessions/{id}")):
            with case(method, path):
                answer = house.client().open(API + path.format(id=other.id), method=method, headers=key.headers)

                assert_problem(answer, 403, "key_not_allowed")
                assert house.client().get(f"{API}/users/me", headers=other.headers).status_code == 200


def test_a_key_changes_what_its_owner_wrote_about_himself_and_not_the_address(house):
    person = house.person()
    key = make_key(person, scopes=["self:write"])

    answer = house.client().patch(f"{API}/users/me", headers=key.headers, json={"full_name": "Written by a program"})
    assert answer.status_code == 200, answer.text
    assert answer.json["full_name"] == "Written by a program"
    (event,) = house.events("users.profile.changed", subject=person)
    assert (event.actor_id, event.session_id, event.details["api_key_id"]) == (person.id, None, key.id)

    refused = house.client().patch(f"{API}/users/me", headers=key.headers, json={"email": "thief@example.com"})
    assert_problem(refused, 403, "key_not_allowed")
    assert house.client().get(f"{API}/users/me", headers=person.headers).json["email"] == person.email


# The key shrinks with its owner


@pytest.mark.parametrize("is_told", [True, False])
def test_the_key_of_a_demoted_administrator_is_refused_on_the_very_next_request(own, is_told):
    """Also behind the application's back: nothing is remembered about a key, in this process or in Redis."""
    administrator, _one_more = own.administrator(), own.administrator()
    key = make_key(administrator, scopes=["users:read", "self:read"])
    assert key.get("/users").status_code == 200

    if is_told:
        change_role(own, administrator, "user")
    else:
        own.execute("UPDATE users SET role = 'user' WHERE username = :name", name=administrator.username)

    assert_problem(key.get("/users"), 403, "insufficient_permission")
    assert key.get().status_code == 200, "what he may still do, it may too"
    own.execute("UPDATE users SET role = 'emperor' WHERE username = :name", name=administrator.username)
    assert_problem(key.get(), 403, "insufficient_permission")


def test_the_key_of_a_disabled_owner_is_refused_on_the_very_next_request(house):
    person = house.person()
    key = make_key(person)
    assert key.get().status_code == 200

    house.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL)

    assert_problem(key.get(), 401, "invalid_token")
    house.service(Administration).enable(user_id=person.id, caller=None, client=TERMINAL)
    assert key.get().status_code == 200, "it was suspended, and not revoked"


def test_whoever_has_to_choose_another_password_has_no_keys_any_more(house):
    """Enabling or unlocking the account does not bring them back: whoever knew the password may have made one."""
    person, administrator = house.person(), house.administrator()
    key = make_key(person)
    administration = house.service(Administration)

    administration.require_password_change(user_id=person.id, caller=None, client=TERMINAL)

    assert_problem(key.get(), 401, "invalid_token")
    administration.unlock(user_id=person.id, caller=None, client=TERMINAL)
    administration.enable(user_id=person.id, caller=None, client=TERMINAL)
    assert_problem(key.get(), 401, "invalid_token")
    assert house.client().get(f"{API}/users/me", headers=administrator.headers).status_code == 200


@pytest.mark.parametrize("name", ["administrator", "owner"])
def test_a_key_of_somebody_who_was_disabled_behind_our_back_is_refused(own, name):
    person = own.administrator() if name == "administrator" else own.person()
    key = make_key(person)
    assert key.get().status_code == 200

    own.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=person.username)

    assert_problem(key.get(), 401, "invalid_token")


def test_the_key_of_somebody_who_was_deleted_is_nobodys(make_house, engine):
    own = make_house(engine)
    person = own.person()
    key = make_key(person)
    assert key.get().status_code == 200

    own.execute("DELETE FROM users WHERE username = :name", name=person.username)

    assert_problem(key.get(), 401, "invalid_token")
    assert own.execute("SELECT count(*) FROM api_key_values")[0][0] == 0
    assert own.execute("SELECT count(*) FROM api_key_usage")[0][0] == 0


# Whatever is wrong looks the same


def test_whatever_is_wrong_with_a_key_is_the_same_answer(own, clock):
    person = own.person()
    short, gone, walled, key = (
        make_key(person, expires_in_days=1),
        make_key(person),
        make_key(person, allowed_networks=["192.0.2.0/24"]),
        make_key(person),
    )
    newest = rotate(person, key, overlap_hours=0)
    own.client().delete(f"{KEYS}/{gone.id}", headers=person.headers)
    clock.advance(timedelta(days=1))
    good = newest.value
    assert knock(own, good).status_code == 200
    wrong = [
        "",
        "x",
        "sa_live_",
        good[:16],
        good[:-1],
        good + "0",
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        with_checksum(good[:39] + ("0" if good[39] != "0" else "1")),
        with_checksum("sa_live_" + "0" * 32),
        good.upper(),
        good.lower(),
        good.swapcase(),
        f"Bearer {good}",
        f'"{good}"',
        good.replace("sa_live_", "sa_test_"),
        good.replace("_", "-"),
        "sa_live_" + "\u00e9" * 38,
        good[:20] + "\u00aa" + good[21:],
        "sa_live_" + "' OR 1=1 --".ljust(38),
        "x" * 8000,
        short.value,
        gone.value,
        walled.value,
        key.value,
    ]

    # The budget of the address tells how often it was asked; all else is the same to the letter.
    answers = [knock(own, value) for value in wrong]
    seen = [
        (status, [pair for pair in headers if not pair[0].startswith(("RateLimit", "X-Request-ID"))], json.loads(body) | {"request_id": ""})
        for status, headers, body in map(as_seen, answers)
    ]

    assert_problem(answers[0], 401, "invalid_token")
    assert [one for one in seen if one != seen[0]] == []


def test_a_key_that_is_not_in_its_header_is_not_looked_at(house):
    key = make_key(house.person())

    for path in (f"/users/me?api_key={key.value}", f"/users/me?access_token={key.value}", f"/users/me?X-API-Key={key.value}"):
        assert_problem(house.client().get(API + path), 401, "unauthenticated")
    client = house.client()
    client.set_cookie("X-API-Key", key.value)
    client.set_cookie("__Host-secureapi_access", key.value)
    assert client.get(f"{API}/users/me").status_code == 401
    assert_problem(house.client().get(f"{API}/users/me", headers={"Authorization": f"Basic {key.value}"}), 401, "invalid_token")
    assert_problem(house.client().get(f"{API}/users/me", headers={"Authorization": f"ApiKey {key.value}"}), 401, "invalid_token")
    assert_problem(house.client().get(f"{API}/users/me?api_key={key.value}", headers=key.headers), 422)


def test_a_key_beside_another_credential_is_refused(house):
    person = house.person()
    key, other = make_key(person), make_key(person)

    with Cases() as case:
        for number in (1, 2):
            with case(number):
                beside = [("Authorization", person.headers["Authorization"]), ("X-API-Key", other.value)][number - 1]

                answer = house.client().get(f"{API}/users/me", headers=[("X-API-Key", key.value), beside])

                assert_problem(answer, 400, "ambiguous_credentials")


def test_a_key_beside_the_cookies_of_a_session_is_refused(house):
    person = house.person()
    key = make_key(person)
    client = house.client()
    credentials = {"username": person.username, "password": person.password, "delivery": "cookie"}
    client.post(f"{API}/auth/login", json=credentials, base_url="https://localhost")

    answer = client.get(f"{API}/users/me", headers=key.headers, base_url="https://localhost")

    assert_problem(answer, 400, "ambiguous_credentials")


def test_a_key_is_no_client_and_no_refresh_token(house):
    key = make_key(house.person())

    assert_problem(house.client().post(f"{API}/auth/introspect", headers=key.headers, data={"token": "x"}), 400, "invalid_request")
    assert_problem(house.client().post(f"{API}/auth/refresh", json={"refresh_token": key.value}), 401, "invalid_refresh_token")


def statements_of(house, act):
    """What is asked of the database meanwhile, by the ways that can be watched here: the driver's own cursors."""
    asked = []
    database = house.service(Database)
    original = type(database).run

    def run(self, statement, **values):
        asked.append(statement.on(self.reader.dialect).sql.split()[0])
        return original(self, statement, **values)

    def seen(_connection, _cursor, statement, *_rest):
        asked.append(statement.split()[0])

    for engine in (database.engine, database.reader):
        listening.listen(engine, "before_cursor_execute", seen)
    type(database).run = run
    try:
        act()
    finally:
        type(database).run = original
        for engine in (database.engine, database.reader):
            listening.remove(engine, "before_cursor_execute", seen)
    return asked


def test_a_wrong_checksum_costs_no_query_and_a_good_key_costs_one_look_and_one_count(house):
    key = make_key(house.person(), scopes=["content:read", "self:read"])
    value = key.value
    assert key.get().status_code == 200

    assert statements_of(house, lambda: knock(house, value[:-1] + ("0" if value[-1] != "0" else "1"))) == []
    assert statements_of(house, lambda: knock(house, with_checksum(value[:16] + "0" * 24))) == ["SELECT"]
    assert statements_of(house, lambda: knock(house, with_checksum("sa_live_" + "0" * 32))) == ["SELECT"]
    # The last is what the endpoint itself asks for.
    assert statements_of(house, key.get) == ["SELECT", "INSERT", "SELECT"]


# From where


NETWORKS = ["192.0.2.0/24", "2001:db8:7::/48", "198.51.100.7"]


def test_a_key_is_used_from_its_networks_only(shared_houses):
    house = shared_houses("embedded")
    key = make_key(house.person(), allowed_networks=NETWORKS)

    with Cases() as case:
        for address, status in (
            ("192.0.2.1", 200),
            ("192.0.2.255", 200),
            ("192.0.3.0", 401),
            ("198.51.100.7", 200),
            ("198.51.100.8", 401),
            ("2001:db8:7::1", 200),
            ("2001:db8:7:ffff::", 200),
            ("2001:db8:8::1", 401),
            ("::ffff:192.0.2.1", 200),
            ("::ffff:192.0.3.1", 401),
            ("::", 401),
            ("", 401),
            ("nonsense", 401),
        ):
            with case(address, status):
                assert key.get(environ_overrides={"REMOTE_ADDR": address}).status_code == status


def test_nobody_says_himself_where_he_comes_from(house):
    key = make_key(house.person(), allowed_networks=["192.0.2.0/24"])

    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"):
        answer = house.client().get(f"{API}/users/me", headers=key.headers | {name: "192.0.2.1"})
        assert_problem(answer, 401, "invalid_token")


def test_the_right_value_from_the_wrong_network_leaves_one_event_a_minute(own, clock):
    person = own.person()
    key = make_key(person, allowed_networks=["192.0.2.0/24"])

    for _ in range(5):
        key.get()
    (event,) = own.events("auth.api_key.refused", subject=person)
    assert event.details == {"api_key_id": key.id, "reason": "network"}
    assert (event.severity, event.outcome, event.actor_id, event.address) == ("WARNING", "denied", None, "127.0.0.1")
    clock.advance(timedelta(minutes=1))
    key.get()
    assert len(own.events("auth.api_key.refused", subject=person)) == 2


def test_a_value_that_was_made_up_fills_no_trail(own):
    key = make_key(own.person())
    before = len(own.events())

    for body in (key.value[:16] + "0" * 24, "sa_live_" + "0" * 32):
        knock(own, with_checksum(body))

    assert len(own.events()) == before


@pytest.mark.parametrize("reason", ["revoked", "expired", "disabled"])
def test_whoever_still_uses_a_key_that_is_over_is_noticed(own, clock, reason):
    person = own.person()
    key = make_key(person)
    if reason == "revoked":
        own.client().delete(f"{KEYS}/{key.id}", headers=person.headers)
    elif reason == "expired":
        clock.advance(timedelta(days=366))
    else:
        own.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=person.username)

    knock(own, key.value)

    (event,) = own.events("auth.api_key.refused", subject=person)
    assert event.details["reason"] == reason


# How often


def test_a_key_has_a_limit_of_its_own(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=5)
    person = house.person()
    slow, usual, quick = make_key(person, requests_per_minute=2), make_key(person), make_key(person, requests_per_minute=8)

    assert [slow.get().status_code for _ in range(3)] == [200, 200, 429]
    assert [usual.get().status_code for _ in range(6)] == [200] * 5 + [429]
    assert [quick.get().status_code for _ in range(9)] == [200] * 8 + [429]
    assert house.client().get(f"{API}/users/me", headers=person.headers).status_code == 200
    refused = slow.get()
    assert_problem(refused, 429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Policy"] == '"api";q=2;w=60'
    for key, used in ((slow, 2), (usual, 5), (quick, 8)):
        usage = house.client().get(f"{KEYS}/{key.id}/usage", headers=house.sign_in(person).headers).json
        assert usage["requests_today"] == used, "what the limit refuses is not counted"


def test_a_quota_is_for_a_day_and_the_waiting_time_is_true(make_house, engine, clock):
    house = make_house(engine, clock=clock)
    clock.advance(datetime.combine(clock.now().date() + timedelta(days=1), datetime.min.time(), UTC) - clock.now() + timedelta(hours=22))
    person = house.person()
    key = make_key(person, daily_quota=2, expires_in_days=30)
    assert [key.get().status_code for _ in range(2)] == [200, 200]

    refused = key.get()

    assert_problem(refused, 429, "rate_limited")
    assert int(refused.headers["Retry-After"]) == 2 * 3600
    assert refused.headers["RateLimit-Policy"] == '"daily_quota";q=2;w=86400'
    assert refused.headers["RateLimit"] == '"daily_quota";r=0;t=7200'
    clock.advance(timedelta(hours=2, seconds=-1))
    assert key.get().status_code == 429
    clock.advance(timedelta(seconds=1))
    assert [key.get().status_code for _ in range(3)] == [200, 200, 429]


def test_wrong_keys_cost_the_address_its_budget_and_not_the_owner_his(make_house, engine, from_elsewhere):
    house = make_house(engine, rate_limit_per_minute=5)
    key = make_key(house.person(), allowed_networks=["127.0.0.1"])
    thief = from_elsewhere()

    assert [key.get(**thief).status_code for _ in range(6)] == [401] * 5 + [429]
    assert [key.get().status_code for _ in range(5)] == [200] * 5


def test_the_limit_of_a_key_holds_without_redis(make_house):
    house = make_house("scaled", redis_url="rediss://127.0.0.1:1/0", redis_timeout_seconds=0.2)
    person = house.person()
    key: Key = make_key(person, requests_per_minute=4)

    statuses = [key.get().status_code for _ in range(5)]

    assert statuses[0] == 200
    assert 429 in statuses
    house.client().delete(f"{KEYS}/{key.id}", headers=person.headers)
    assert key.get().status_code == 401
