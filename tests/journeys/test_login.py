"""Signing in: every way that is meant, one answer for all that fail, and tokens that are looked for in one place only."""

import base64
import hashlib
import json

from sqlalchemy import event

from journeys.answers import as_seen, assert_headers, assert_problem, faults
from secureapi.core.database import Database
from secureapi.security.passwords import PasswordHasher
from support.browser import cookies_of
from support.cases import Cases

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/users/me"


def part(token, number):
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_somebody_signs_in_by_name_or_address_with_json_or_a_form(house, base):
    person = house.register()

    with Cases() as case:
        for way in ("json", "data"):
            for name in ("username", "email"):
                with case(way, name):
                    answer = house.client().post(f"{base}/auth/login", **{way: {name: getattr(person, name), "password": person.password}})

                    assert answer.status_code == 200, answer.text
                    assert_headers(answer)
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert answer.json.keys() == {
                        "access_token",
                        "token_type",
                        "expires_in",
                        "refresh_token",
                        "refresh_expires_in",
                        "device_token",
                    }
                    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
                    assert 7 * 86400 - 60 < answer.json["refresh_expires_in"] <= 7 * 86400
                    assert cookies_of(answer).keys() == {"__Host-secureapi_device"}, "no token that lets anybody in"
                    me = house.client().get(f"{base}/users/me", headers={"Authorization": f"Bearer {answer.json['access_token']}"})
                    assert me.json["id"] == person.id


def test_the_username_field_of_a_form_takes_an_address_too(house):
    person = house.register()

    answer = house.client().post("/auth/login", data={"username": person.email.upper(), "password": person.password})

    assert answer.status_code == 200


def test_a_username_is_recognised_in_any_case(house):
    person = house.register()

    with Cases() as case:
        for name, spelling in zip(["upper", "title", "spaces around"], (str.upper, str.title, lambda name: f" {name} "), strict=True):
            with case(name):
                answer = house.client().post(LOGIN, json={"username": spelling(person.username), "password": person.password})

                assert answer.status_code == 200


def test_an_access_token_says_who_for_whom_and_how_and_nothing_personal(house):
    person = house.register()
    token = person.tokens.access

    header, claims = part(token, 0), part(token, 1)

    assert header.keys() == {"typ", "alg", "kid"}
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert (claims["sub"], claims["iss"], claims["aud"]) == (person.id, house.settings.public_url, house.settings.token_audience)
    assert (claims["role"], claims["amr"], claims["exp"] - claims["iat"]) == ("user", ["pwd"], 900)
    assert claims.keys() >= {"sid", "jti", "auth_time", "exp", "iat", "nbf"}
    assert person.email not in json.dumps(claims)
    assert person.username not in json.dumps(claims)


def test_a_thief_of_the_database_finds_no_token_in_it(house):
    person = house.register()
    refresh = person.tokens.refresh
    raw = base64.urlsafe_b64decode(refresh.removeprefix("sar_"))

    stored = [
        row for row in house.execute("SELECT * FROM sessions") if hashlib.sha256(raw).digest() in [bytes(v) for v in row if is_bytes(v)]
    ]

    assert len(stored) == 1
    assert raw not in [bytes(value) for value in stored[0] if is_bytes(value)]
    for table in ("sessions", "users", "throttles"):
        dump = str(house.execute(f"SELECT * FROM {table}"))
        assert refresh not in dump
        assert person.tokens.access not in dump


def is_bytes(value):
    return isinstance(value, bytes | memoryview)


def test_a_sign_in_leaves_an_event_with_the_session_and_where_it_came_from(house):
    person = house.register()

    answer = house.client().post(
        LOGIN,
        json={"username": person.username, "password": person.password},
        headers={"User-Agent": "Journeys/1.0"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.44"},
    )

    (event,) = house.events("auth.login.succeeded", subject=person)
    claims = part(answer.json["access_token"], 1)
    assert (event.actor_id, event.session_id) == (person.id, claims["sid"])
    assert (event.address, event.user_agent, event.request_id) == ("192.0.2.44", "Journeys/1.0", answer.headers["X-Request-ID"])
    assert event.outcome == "success"


def test_a_prober_gets_one_answer_for_unknown_wrong_locked_disabled_and_disowned(make_house, engine, from_elsewhere):
    house = make_house(engine)
    wrong, locked, disabled, disowned = (house.register() for _ in range(4))
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=disabled.username)
    house.execute("UPDATE users SET password_refused_since = created_at WHERE username = :name", name=disowned.username)

    def attempt(name, password="Not-this-one-1!"):
        return house.client().post(LOGIN, json={"username": name, "password": password}, **from_elsewhere())

    for _ in range(house.settings.max_login_attempts):
        attempt(locked.username)
    answers = {
        "unknown name": attempt("nobody-at-all"),
        "unknown address": attempt("nobody@example.com"),
        "no name at all": attempt("'; DROP TABLE users; --"),
        "wrong": attempt(wrong.username),
        "locked, wrong": attempt(locked.username),
        "locked, right": attempt(locked.username, locked.password),
        "disabled, wrong": attempt(disabled.username),
        "disabled, right": attempt(disabled.username, disabled.password),
        "disowned, wrong": attempt(disowned.username),
        "disowned, right": attempt(disowned.username, disowned.password),
    }

    problem = assert_problem(answers["wrong"], 401, "invalid_credentials")
    assert problem["detail"] == "Invalid email or password"
    assert {name: as_seen(answer) for name, answer in answers.items()} == dict.fromkeys(answers, as_seen(answers["wrong"]))


def test_a_prober_with_a_clock_finds_the_same_work_behind_every_refusal(make_house, engine, from_elsewhere, monkeypatch):
    """A clock is noisy, and would be here too; what takes time is the statements and the hashes."""
    house = make_house(engine)
    wrong, locked, disabled, disowned = (house.register() for _ in range(4))
    for person in (wrong, locked, disabled, disowned):
        assert person.tokens
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=disabled.username)
    house.execute("UPDATE users SET password_refused_since = created_at WHERE username = :name", name=disowned.username)
    done, hasher = [], house.service(PasswordHasher)
    verify = hasher.verify
    monkeypatch.setattr(hasher, "verify", lambda *args, **rank: done.append("hash") or verify(*args, **rank))

    def work_of(name, password):
        done.clear()
        listener = (house.service(Database).engine, "before_cursor_execute", lambda *seen: done.append(seen[2]))
        event.listen(*listener)
        answer = house.client().post(LOGIN, json={"username": name, "password": password}, **from_elsewhere())
        event.remove(*listener)
        assert answer.status_code == 401
        return list(done)

    for _ in range(house.settings.max_login_attempts):
        work_of(locked.username, "wrong")
    asked = {
        "wrong": (wrong.username, "wrong"),
        "unknown": ("nobody-at-all", "wrong"),
        "disabled": (disabled.username, disabled.password),
        "disowned": (disowned.username, disowned.password),
    }
    first = {kind: work_of(*of) for kind, of in asked.items()}
    again = {kind: work_of(*of) for kind, of in (asked | {"locked": (locked.username, locked.password)}).items()}

    assert first == dict.fromkeys(first, first["wrong"])
    assert again == dict.fromkeys(again, again["wrong"])
    assert again["wrong"].count("hash") == 1


def test_every_refused_sign_in_is_remembered_with_its_reason(make_house, engine):
    house = make_house(engine)
    person, disabled = house.register(), house.register()
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=disabled.username)

    for name, password in [("nobody-here", "x"), (person.username, "x"), (disabled.username, disabled.password)]:
        house.client().post(LOGIN, json={"username": name, "password": password}, headers={"X-Request-ID": f"refused-{name}"[:64]})

    events = house.events("auth.login.refused")
    assert [event.details["reason"] for event in events] == ["unknown", "wrong_password", "disabled"]
    assert [event.subject_id for event in events] == [None, person.id, disabled.id]
    assert [event.request_id for event in events] == [f"refused-{n}"[:64] for n in ("nobody-here", person.username, disabled.username)]
    assert {event.outcome for event in events} == {"failure"}
    assert "nobody-here" not in events[0].details["login"]
    assert len(events[0].details["login"]) >= 32


def test_what_has_not_the_shape_of_a_sign_in_is_422(house):
    with Cases() as case:
        for body, expected in (
            ({}, {"/password": "required", "": "one_of"}),
            ({"username": "a"}, {"/password": "required"}),
            ({"password": "a"}, {"": "one_of"}),
            ({"username": "a", "email": "a", "password": "a"}, {"": "one_of"}),
            ({"username": "a" * 10_000, "password": "a"}, {"/username": "too_long"}),
            ({"username": "a", "password": "a" * 129}, {"/password": "too_long"}),
            ({"username": "a", "password": "a", "code": "1"}, {"/code": "unknown_field"}),
            ({"username": "a\u0000b", "password": "a"}, {"/username": "unstorable_text"}),
        ):
            with case(body, expected):
                answer = house.client().post(LOGIN, json=body)

                assert_problem(answer, 422, "invalid_input")
                assert faults(answer).items() <= expected.items()
                assert faults(answer)


def test_an_injector_is_just_somebody_who_is_not_known(house):
    with Cases() as case:
        for payload in ("' OR '1'='1", "'; DROP TABLE users; --", "admin'--", "%", "_", "\\", "${7*7}", "{{7*7}}", "a\r\nb", "\u001b[2J"):
            for suffix in ("", "@example.com"):
                with case(payload, suffix):
                    answer = house.client().post(LOGIN, json={"email": payload + suffix, "password": payload})

                    assert_problem(answer, 401, "invalid_credentials")
                    assert house.execute("SELECT count(*) FROM users")


def test_a_token_is_looked_for_in_one_header_and_nowhere_else(house):
    person = house.register()
    token = person.tokens.access
    client = house.client()

    assert_problem(client.get(ME), 401, "unauthenticated")
    assert_problem(client.get(f"{ME}?access_token={token}"), 401, "unauthenticated")
    assert_problem(client.get(ME, data={"access_token": token}), 401, "unauthenticated")
    for header in ("X-Access-Token", "X-Authorization", "Proxy-Authorization"):
        assert_problem(client.get(ME, headers={header: f"Bearer {token}"}), 401, "unauthenticated")
    for value in (token, f"Bearer {token}"):
        assert_problem(client.get(ME, headers={"X-API-Key": value}), 401, "invalid_token")
    for name in ("access_token_cookie", "access_token", "Authorization"):
        client.set_cookie(name, token)
    assert_problem(client.get(ME), 401, "unauthenticated")


def test_a_header_that_two_programs_could_read_differently_is_refused(house):
    person = house.register()

    with Cases() as case:
        for value in (
            "Bearer  {}",
            "Bearer {} ",
            "Bearer {}, Bearer {}",
            "Bearer {},Basic eDp5",
            "Basic {}",
            "JWT {}",
            "{}",
            "Bearer\t{}",
            "Bearer {}\t",
        ):
            with case(value):
                answer = house.client().get(ME, headers={"Authorization": value.replace("{}", person.tokens.access)})

                assert_problem(answer, 401, "invalid_token")
                assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_the_scheme_is_read_in_any_case(house):
    person = house.register()

    with Cases() as case:
        for scheme in ("Bearer", "bearer", "BEARER"):
            with case(scheme):
                assert house.client().get(ME, headers={"Authorization": f"{scheme} {person.tokens.access}"}).status_code == 200


def test_a_password_hashed_cheaper_than_the_policy_is_hashed_anew_at_the_next_sign_in(make_house):
    house = make_house(bcrypt_rounds=4)
    person = house.register()
    stored = house.execute("SELECT password_hash FROM users")[0][0]
    dearer = make_house(
        bcrypt_rounds=5, **{name: getattr(house.settings, name) for name in ("database_url", "secret_key", "password_pepper")}
    )

    answer = dearer.client().post(LOGIN, json={"username": person.username, "password": person.password})

    assert answer.status_code == 200
    renewed = house.execute("SELECT password_hash FROM users")[0][0]
    assert ("$2b$04$" in stored, "$2b$05$" in renewed) == (True, True)
    assert [event.subject_id for event in house.events("auth.password.rehashed")] == [person.id]
