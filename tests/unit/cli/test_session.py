import json

import pytest

from secureapi import create_app
from secureapi.core.database import Database
from secureapi.core.services import service
from support.each import each

PASSWORD = "Tall-Trees-42!"


@pytest.fixture
def sessions(flask, installed):
    """`sessions("list", "admin")`: `flask session ...` in a folder with one administrator."""
    return lambda *args, **options: flask("session", *args, **options)


@pytest.fixture
def http(installed):
    """A client of the installed application."""
    app = create_app()
    yield app.test_client()
    service(Database, app).dispose()


@pytest.fixture
def sign_in(http):
    """`sign_in(agent)`: headers of a new session of the administrator's."""

    def open_session(agent="curl/8.5.0"):
        credentials = {"username": "admin", "password": PASSWORD}
        answer = http.post("/api/v1/auth/login", json=credentials, headers={"User-Agent": agent})
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    return open_session


@pytest.fixture
def status(http):
    return lambda headers: http.get("/api/v1/users/me", headers=headers).status_code


def ids(sessions, who="admin"):
    return [session["id"] for session in json.loads(sessions("list", who, "--json").stdout)["sessions"]]


def test_the_list_says_who_is_signed_in_from_where(sessions, sign_in):
    sign_in()
    sign_in("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")

    lines = sessions("list", "admin").stdout.splitlines()

    assert lines[0].split() == ["id", "device", "address", "created_at", "last_used_at", "expires_at"]
    assert "Firefox 128 on Linux" in lines[1]
    assert "curl 8.5" in lines[2]
    assert "127.0.0.1" in lines[1]


def test_an_agent_that_would_move_the_cursor_is_shown_without(sessions, sign_in):
    sign_in("\x1b[2Jevil\x07")

    result = sessions("list", "admin")

    assert "evil" in result.stdout
    assert result.stdout.replace("\n", "").isprintable()


def test_programs_get_the_words_of_the_api(sessions, sign_in):
    sign_in()

    (session,) = json.loads(sessions("list", "admin@example.com", "--json").stdout)["sessions"]

    assert session.keys() == {"id", "device", "address", "created_at", "last_used_at", "expires_at"}


def test_nobody_signed_in_is_a_sentence(sessions):
    assert sessions("list", "admin").stdout == "Nobody is signed in to this account.\n"
    assert json.loads(sessions("list", "admin", "--json").stdout) == {"sessions": []}


def test_one_session_is_ended_and_the_others_go_on(sessions, sign_in, status):
    older, newer = sign_in(), sign_in()
    session_id = ids(sessions)[0]

    result = sessions("revoke", "admin", session_id)

    assert (result.exit_code, result.stdout) == (0, "1 session of admin ended.\n")
    assert [status(older), status(newer)] == [200, 401]
    assert session_id not in ids(sessions)


def test_all_are_ended_at_once(sessions, sign_in, status):
    headers = [sign_in(), sign_in(), sign_in()]

    assert json.loads(sessions("revoke", "admin", "--all", "--json").stdout) == {"sessions_ended": 3}
    assert [status(one) for one in headers] == [401] * 3
    assert sessions("revoke", "admin", "--all").stdout == "0 sessions of admin ended.\n"


@each("session_id", ["01890000-0000-7000-8000-000000000000", "1", "x" * 36, "\x1b[2J"])
def test_a_session_that_is_not_there_is_a_sentence(sessions, sign_in, status, session_id):
    headers = sign_in()

    result = sessions("revoke", "admin", session_id)

    assert (result.exit_code, result.stderr) == (1, "Error: There is no such session.\n")
    assert status(headers) == 200


@each("given", [[], ["01890000-0000-7000-8000-000000000000", "--all"]])
def test_either_one_or_all(sessions, sign_in, status, given):
    headers = sign_in()

    result = sessions("revoke", "admin", *given)

    assert result.exit_code == 2
    assert "--all" in result.stderr
    assert status(headers) == 200


@each("command", [["list", "nobody"], ["revoke", "nobody", "--all"]])
def test_nobody_has_no_sessions(sessions, command):
    result = sessions(*command)

    assert (result.exit_code, result.stderr) == (1, "Error: There is no such user.\n")
