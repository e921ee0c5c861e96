import json
import shutil
import sqlite3

import pytest
from click.testing import CliRunner

from secureapi import create_app
from secureapi.cli import user as commands
from secureapi.core.database import Database
from secureapi.core.services import service
from support.each import each

PASSWORD = "Tall-Trees-42!"
OTHER = "Wide-Rivers-43!"


@pytest.fixture
def users(flask, installed):
    """`users("list", "--json")`: `flask user ...` in a folder with one administrator."""
    return lambda *args, **options: flask("user", *args, **options)


@pytest.fixture(scope="module")
def with_bob(furnished, run_in, tmp_path_factory):
    """A furnished folder in which Bob was made by the command, and what it said of him. Not to be used itself, only copied."""
    folder = shutil.copytree(furnished, tmp_path_factory.mktemp("bob"), dirs_exist_ok=True)
    wanted = ("--email", "bob@example.com", "--username", "bob")
    made = run_in(folder, "user", "create", *wanted, "--password-stdin", "--json", input=PASSWORD)
    return folder, json.loads(made.stdout)


@pytest.fixture
def bob(with_bob, installed):
    folder, made = with_bob
    shutil.copytree(folder, installed, dirs_exist_ok=True)
    return made


@pytest.fixture
def sign_in(installed):
    """`sign_in("bob", PASSWORD)`: the status of a login over HTTP."""
    app = create_app()

    def status(username, password):
        return app.test_client().post("/api/v1/auth/login", json={"username": username, "password": password}).status_code

    yield status
    service(Database, app).dispose()


def events():
    connection = sqlite3.connect("var/secureapi.db")
    try:
        return [row[0] for row in connection.execute("SELECT type FROM audit_events ORDER BY id")]
    finally:
        connection.close()


def test_somebody_made_at_the_command_line_can_sign_in(users, sign_in):
    made = users(
        "create",
        "--email",
        "mo@example.com",
        "--username",
        "moe",
        "--role",
        "moderator",
        "--full-name",
        "Moe",
        "--password-stdin",
        input=PASSWORD + "\n",
    )
    assert made.exit_code == 0, made.output
    assert sign_in("moe", PASSWORD) == 200
    assert PASSWORD not in made.output


def test_an_account_is_answered_in_the_words_of_the_api(bob):
    assert bob["username"] == "bob"
    assert bob["role"] == "user"
    assert bob["is_email_verified"] is True
    assert bob["is_locked"] is False
    assert "password_hash" not in bob


def test_a_password_is_never_taken_as_an_argument():
    for command in commands.user.commands.values():
        for parameter in command.params:
            assert "password" not in parameter.name or parameter.is_flag


def test_without_a_terminal_the_password_must_come_from_standard_input(users):
    result = users("create", "--email", "eve@example.com", "--username", "eve")

    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_a_terminal_is_asked_twice_and_shows_nothing(users, monkeypatch, sign_in):
    monkeypatch.setattr(commands, "_is_terminal", lambda: True)
    result = users("create", "--email", "eve@example.com", "--username", "eve", input=f"{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert sign_in("eve", PASSWORD) == 200


def test_a_weak_password_is_refused_with_every_rule_and_without_a_traceback(users):
    result = users("create", "--email", "eve@example.com", "--username", "eve", "--password-stdin", input="abc")

    assert result.exit_code == 1
    assert "at least 8 characters" in result.stderr
    assert "digit" in result.stderr
    assert "Traceback" not in result.output
    assert "abc" not in result.output


def test_bytes_that_are_no_text_are_refused(users):
    result = users("create", "--email", "eve@example.com", "--username", "eve", "--password-stdin", input=b"\xff\xfe\x00")

    assert result.exit_code == 1
    assert "UTF-8" in result.stderr


@each("taken", [("--email", "BOB@example.com", "--username", "other"), ("--email", "other@example.com", "--username", "BOB")])
def test_a_taken_name_is_told_to_those_who_could_look_it_up(users, bob, taken):
    result = users("create", *taken, "--password-stdin", input=OTHER)

    assert result.exit_code == 1
    assert "taken" in result.stderr


@each(("option", "value"), [("--email", "no address"), ("--username", "<script>"), ("--username", "b\x1b[2J"), ("--email", "a@b@c")])
def test_input_must_have_the_shape_that_the_api_asks_for(users, option, value):
    wanted = {"--email": "eve@example.com", "--username": "eve"} | {option: value}

    result = users("create", *(word for pair in wanted.items() for word in pair), "--password-stdin", input=PASSWORD)

    assert result.exit_code == 1
    assert value not in result.output


def test_the_list_is_aligned_text_for_a_pipe(users, bob):
    lines = users("list").stdout.splitlines()

    assert lines[0].split() == ["username", "email", "role", "status", "created_at", "id"]
    assert [line.split()[0] for line in lines[1:]] == ["admin", "bob"]
    assert len({line.index(" user" if "bob" in line else " admin ") for line in lines[1:]}) == 1
    assert not any("\x1b" in line for line in lines)


def test_the_list_can_be_filtered_and_paged(users, bob):
    def names(*options):
        return [person["username"] for person in json.loads(users("list", "--json", *options).stdout)["users"]]

    assert names("--role", "admin") == ["admin"]
    assert names("-q", "BO") == ["bob"]
    assert names("--status", "disabled") == []
    assert names("--sort", "-username") == ["bob", "admin"]
    assert names("--per-page", "1", "--page", "2") == ["bob"]
    assert "page 1 of 2, 2 accounts" in users("list", "--per-page", "1").stdout


@each("key", ["id", "username", "email"])
def test_somebody_is_found_by_any_of_his_names(users, bob, key):
    assert json.loads(users("show", bob[key].upper() if key != "id" else bob[key], "--json").stdout) == bob


def test_a_username_that_looks_like_an_id_does_not_stand_in_for_it(users, bob):
    made = users("create", "--email", "eve@example.com", "--username", bob["id"], "--password-stdin", input=OTHER)
    assert made.exit_code == 0, made.output

    assert json.loads(users("show", bob["id"], "--json").stdout)["username"] == "bob"


def test_nobody_is_said_to_be_nobody(users):
    for command in (["show"], ["unlock"], ["disable"], ["enable"]):
        result = users(*command, "nobody")

        assert result.exit_code == 1
        assert result.stderr == "Error: There is no such user.\n"


def test_a_new_password_replaces_the_old_one_and_lifts_the_lock(users, bob, sign_in):
    for _ in range(5):
        sign_in("bob", "wrong")
    assert json.loads(users("show", "bob", "--json").stdout)["is_locked"] is True

    result = users("passwd", "bob@example.com", "--password-stdin", input=OTHER)

    assert result.exit_code == 0, result.output
    assert sign_in("bob", OTHER) == 200
    assert sign_in("bob", PASSWORD) == 401
    assert "auth.password.set" in events()


def test_unlocking_lets_somebody_try_again(users, bob, sign_in):
    for _ in range(5):
        sign_in("bob", "wrong")
    assert sign_in("bob", PASSWORD) == 401

    assert users("unlock", "bob").stdout == "bob is not locked any more, and every wrong password is forgotten.\n"
    assert sign_in("bob", PASSWORD) == 200
    assert "security.account.unlocked" in events()
    assert events().count("security.account.unlocked") == 1
    users("unlock", "bob")
    assert events().count("security.account.unlocked") == 1, "there was nothing to forget"


def test_a_disabled_account_is_of_no_use_until_it_is_enabled(users, bob, sign_in):
    assert "is disabled" in users("disable", "bob").stdout
    assert sign_in("bob", PASSWORD) == 401
    assert "was already disabled" in users("disable", "bob").stdout
    assert json.loads(users("enable", "bob", "--json").stdout)["is_active"] is True
    assert sign_in("bob", PASSWORD) == 200
    assert [name for name in events() if name in {"users.disabled", "users.enabled"}] == ["users.disabled", "users.enabled"]


def test_the_last_active_administrator_cannot_be_disabled(users, sign_in):
    result = users("disable", "admin")

    assert result.exit_code == 1
    assert "last active administrator" in result.stderr
    assert sign_in("admin", PASSWORD) == 200


def test_an_administrator_can_be_disabled_where_another_is_left(users):
    users("create", "--email", "two@example.com", "--username", "two", "--role", "admin", "--password-stdin", input=OTHER)

    assert users("disable", "admin").exit_code == 0
    assert users("disable", "two").exit_code == 1


def test_log_lines_never_stand_in_the_answer_to_a_program(users, bob, monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SECRET_KEY", "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC")

    assert json.loads(users("show", "admin", "--json").stdout)["username"] == "admin"


def test_a_database_that_is_not_there_is_a_sentence(users, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden-word@127.0.0.1:1/x")

    result = users("list")

    assert result.exit_code == 1
    assert "flask doctor" in result.stderr
    assert "hidden-word" not in result.output
    assert "Traceback" not in result.output


def test_the_group_explains_itself():
    result = CliRunner().invoke(commands.user, ["--help"])

    assert {"create", "list", "show", "passwd", "unlock", "disable", "enable"} <= set(result.stdout.split())
