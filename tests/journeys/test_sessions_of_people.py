"""Other people's sessions, for administrators and nobody else."""

import pytest

from journeys.answers import assert_headers, assert_problem
from secureapi.core.identifiers import new_id

USERS = "/api/v1/users"
ME = f"{USERS}/me"


@pytest.fixture
def ask(house):
    """`ask(somebody, "GET", person, session_id)`: a request on the sessions of a person."""

    def send(who, method, person, session_id=None, base="/api/v1"):
        path = f"{base}/users/{getattr(person, 'id', person)}/sessions" + (f"/{session_id}" if session_id else "")
        return house.client().open(path, method=method, headers=who.headers)

    return send


def is_alive(house, tokens):
    return house.client().get(ME, headers=tokens.headers).status_code == 200


def test_an_administrator_sees_somebodys_sessions_and_leaves_an_event(house, ask, base):
    admin, person = house.administrator(), house.register()
    assert person.tokens
    assert house.sign_in(person)

    answer = ask(admin, "GET", person, base=base)

    assert answer.status_code == 200
    assert_headers(answer)
    assert [session["is_current"] for session in answer.json["sessions"]] == [False, False]
    assert all(session["device"].startswith("Werkzeug/") for session in answer.json["sessions"])
    (event,) = house.events("auth.sessions.read", subject=person)
    assert (event.actor_id, event.details) == (admin.id, {"count": 2})


def test_his_own_current_session_is_marked_there_too(house, ask):
    admin = house.administrator()

    assert [session["is_current"] for session in ask(admin, "GET", admin).json["sessions"]] == [True]


def test_an_administrator_ends_one_session_of_somebody_at_once(house, ask, base):
    admin, person = house.administrator(), house.register()
    kept, ended = person.tokens, house.sign_in(person)
    assert is_alive(house, ended)
    session_id = ask(admin, "GET", person).json["sessions"][0]["id"]

    answer = ask(admin, "DELETE", person, session_id, base=base)

    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert [is_alive(house, tokens) for tokens in (kept, ended)] == [True, False]
    assert house.client().post("/api/v1/auth/refresh", json={"refresh_token": ended.refresh}).status_code == 401
    (event,) = house.events("auth.session.revoked", subject=person)
    assert (event.actor_id, event.session_id) == (admin.id, session_id)
    assert_problem(ask(admin, "DELETE", person, session_id), 404, "no_such_session")


def test_an_administrator_ends_all_of_them_and_nobody_elses(house, ask, base):
    admin, person, neighbour = house.administrator(), house.register(), house.register()
    tokens = [person.tokens, house.sign_in(person), house.sign_in(person)]
    assert all(is_alive(house, one) for one in (*tokens, neighbour.tokens))

    answer = ask(admin, "DELETE", person, base=base)

    assert (answer.status_code, answer.json) == (200, {"sessions_ended": 3})
    assert not any(is_alive(house, one) for one in tokens)
    assert is_alive(house, neighbour.tokens)
    assert is_alive(house, admin.tokens)
    (event,) = house.events("auth.sessions.revoked", subject=person)
    assert (event.actor_id, event.details) == (admin.id, {"ended": 3})
    assert ask(admin, "DELETE", person).json == {"sessions_ended": 0}


def test_an_administrator_who_ends_all_of_his_own_is_signed_out_too(house, ask):
    admin = house.administrator()
    house.sign_in(admin)

    assert ask(admin, "DELETE", admin).json == {"sessions_ended": 2}
    assert not is_alive(house, admin.tokens)


def test_a_session_is_looked_for_under_its_owner_only(house, ask):
    admin, person, neighbour = house.administrator(), house.register(), house.register()
    assert person.tokens
    assert neighbour.tokens
    theirs = ask(admin, "GET", neighbour).json["sessions"][0]["id"]

    assert_problem(ask(admin, "DELETE", person, theirs), 404, "no_such_session")
    assert is_alive(house, neighbour.tokens)


@pytest.mark.parametrize(("method", "with_session"), [("GET", False), ("DELETE", False), ("DELETE", True)])
def test_nobody_has_no_sessions(house, ask, method, with_session):
    admin = house.administrator()

    assert_problem(ask(admin, method, new_id(), new_id() if with_session else None), 404, "user_not_found")


@pytest.mark.parametrize("role", ["moderator", "user", "viewer"])
def test_whoever_is_no_administrator_neither_sees_nor_ends_other_peoples_sessions(house, ask, role):
    admin, person, curious = house.administrator(), house.register(), house.person(role=role)
    assert person.tokens
    session_id = ask(admin, "GET", person).json["sessions"][0]["id"]

    for target, one in ((person, session_id), (new_id(), new_id()), (curious, new_id())):
        for method, wanted in (("GET", None), ("DELETE", None), ("DELETE", one)):
            assert_problem(ask(curious, method, target, wanted), 403, "insufficient_permission")

    assert is_alive(house, person.tokens)
    denied = house.events("security.access.denied", subject=curious)
    assert len(denied) == 9
    assert house.events("auth.sessions.revoked", subject=person) == []


def test_on_four_workers_a_revoked_account_is_refused_everywhere_at_once(live):
    admin, person = live.house.administrator(), live.house.register()
    assert {live.get(ME, person=person).status for _ in range(12)} == {200}

    assert live.delete(f"{USERS}/{person.id}/sessions", person=admin).status == 200

    assert {live.get(ME, person=person).status for _ in range(24)} == {401}
