import json
import sqlite3
from ipaddress import ip_network

import pytest
from flask import Flask

from secureapi.cli import surroundings
from secureapi.cli.diagnosis import State
from secureapi.cli.diagnosis.finding import clock_finding
from secureapi.cli.diagnosis.surroundings import examine_surroundings
from support.each import each


@pytest.fixture
def examine(flask):
    """`examine()`: the exit status, and each check by its name."""

    def run():
        result = flask("doctor", "--json")
        assert "Traceback" not in result.output
        answer = json.loads(result.stdout)
        return result.exit_code, answer["status"], {check["name"]: check for check in answer["checks"]}

    return run


A_LETTER = (
    "INSERT INTO outbox (id, topic, details, created_at, due_at, attempts, dead_at) "
    "VALUES ('01890000000070008000000000000000', 'mail.x', '{{}}', '2026-11-01 00:00:00.000000', '2026-11-01 00:00:00.000000', 0, {dead})"
)


def change(statement):
    connection = sqlite3.connect("var/secureapi.db")
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_fresh_installation_is_well(examine, installed):
    status, overall, checks = examine()

    assert status == 0, checks
    assert overall == "ok"
    assert set(checks) == {
        "settings", "dotenv", "hosts", "proxies", "cookies", "workers", "database", "database TLS", "database clock",
        "application", "migrations", "signing key", "administrator", "changed settings", "outbox", "redis",
    }  # fmt: skip


def test_people_get_a_line_a_check_and_the_remedy_below(flask, installed):
    (installed / ".env").chmod(0o604)

    result = flask("doctor")

    assert result.exit_code == 1
    (number,) = [n for n, line in enumerate(result.stdout.splitlines()) if line.startswith("  failing  dotenv")]
    assert result.stdout.splitlines()[number + 1].strip() == "-> Run: chmod 600 .env"


def test_it_works_where_there_are_no_settings_at_all_and_makes_nothing(examine, folder):
    status, _, checks = examine()

    assert status == 1
    assert checks["settings"]["status"] == "failing"
    assert list(folder.iterdir()) == []


def test_every_fault_of_the_settings_is_named_and_no_value(flask, installed, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hidden-word")
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    result = flask("doctor", "--json")

    said = [check["detail"].partition(":")[0] for check in json.loads(result.stdout)["checks"] if check["name"] == "settings"]
    assert said == ["SECRET_KEY", "WEB_CONCURRENCY", "WEB_CONCURRENCY"]
    assert all(check["remedy"] for check in json.loads(result.stdout)["checks"] if check["name"] == "settings")
    assert "hidden-word" not in result.output


def test_a_missing_database_is_named_and_not_made(examine, installed):
    (installed / "var" / "secureapi.db").unlink()

    status, _, checks = examine()

    assert status == 1
    assert checks["database"]["remedy"] == "Run: flask init"
    assert "migrations" not in checks
    assert not (installed / "var" / "secureapi.db").exists()


def test_a_file_that_is_no_database_is_said_to_be_none(examine, installed):
    (installed / "var" / "secureapi.db").write_bytes(b"something else entirely" * 100)

    status, _, checks = examine()

    assert status == 1
    assert "not an SQLite database" in checks["database"]["detail"]


@pytest.mark.parametrize(
    ("statement", "check", "expected"),
    [
        ("DELETE FROM alembic_version", "migrations", ("failing", "flask init")),
        ("UPDATE alembic_version SET version_num = '9999'", "migrations", ("failing", "newer")),
        ("DELETE FROM signing_keys", "signing key", ("warning", "flask init")),
        ("UPDATE signing_keys SET private_key = x'00112233445566778899aabbccddeeff'", "signing key", ("failing", "SECRET_KEY")),
        ("UPDATE users SET status = 'disabled'", "administrator", ("warning", "flask user enable")),
        (A_LETTER.format(dead="'2026-11-01'"), "outbox", ("warning", "flask outbox list --dead")),
        (A_LETTER.format(dead="NULL"), "outbox", ("warning", "Let the server run")),
    ],
)
def test_what_is_wrong_inside_the_database_is_found(examine, installed, statement, check, expected):
    state, remedy = expected
    change(statement)

    status, _, checks = examine()

    assert checks[check]["status"] == state
    assert remedy in checks[check]["remedy"]
    assert status == (1 if state == "failing" else 0)


def test_mail_that_waits_for_a_server_nobody_has_named_is_found(examine, installed, monkeypatch):
    for name, value in {"ENVIRONMENT": "production", "BCRYPT_ROUNDS": "10", "SECURE_COOKIES": "true"}.items():
        monkeypatch.setenv(name, value)
    change(A_LETTER.format(dead="NULL"))

    _, _, checks = examine()

    assert checks["outbox"]["status"] == "warning"
    assert checks["outbox"]["detail"] == "1 message waits, the first for more than 15 minutes"
    assert "SMTP_URL" in checks["outbox"]["remedy"]


def test_looking_changes_nothing(examine, installed):
    change("DELETE FROM signing_keys")

    examine()

    connection = sqlite3.connect("var/secureapi.db")
    assert connection.execute("SELECT count(*) FROM signing_keys").fetchone() == (0,)
    connection.close()


@each(
    "address",
    ["postgresql://app:hidden-word@127.0.0.1:1/app", "postgresql://hidden-word@hidden-word@no-such-host.invalid/app?sslmode=require"],
)
def test_a_server_that_does_not_answer_is_reported_without_its_password(flask, installed, monkeypatch, address):
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("REDIS_URL", "rediss://:hidden-word@127.0.0.1:1/0")

    result = flask("doctor", "--json")

    checks = {check["name"]: check["status"] for check in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 1
    assert checks["database"] == checks["redis"] == "failing"
    assert checks["application"] == "ok"
    assert "hidden-word" not in result.output


def test_an_application_that_cannot_be_built_is_a_finding(examine, installed, monkeypatch):
    def build(_settings) -> Flask:
        raise RuntimeError("a defect")

    monkeypatch.setattr(surroundings, "build", build)

    status, _, checks = examine()

    assert status == 1
    assert checks["application"]["detail"] == "cannot be built (RuntimeError)"
    assert checks["database"]["status"] == "ok"


@each(
    ("settings", "check", "state"),
    [
        ({"public_url": "https://auth.example.com"}, "hosts", State.FAILING),
        ({"public_url": "https://auth.example.com", "allowed_hosts": ".example.com", "trusted_proxies": "10.0.0.5"}, "hosts", State.OK),
        ({"environment": "production"}, "hosts", State.WARNING),
        ({"port": 8001}, "hosts", State.WARNING),
        ({"trusted_proxies": (ip_network("0.0.0.0/0"),)}, "proxies", State.FAILING),
        ({"trusted_proxies": (ip_network("::/0"),)}, "proxies", State.FAILING),
        ({"trusted_proxies": "8.0.0.0/8"}, "proxies", State.WARNING),
        ({"trusted_proxies": "10.0.0.0/8,fd00::/48"}, "proxies", State.OK),
        ({"public_url": "https://auth.example.com", "allowed_hosts": "auth.example.com"}, "proxies", State.WARNING),
        ({}, "proxies", State.OK),
        ({"secure_cookies": False}, "cookies", State.WARNING),
        ({"public_url": "http://auth.example.com", "allowed_hosts": "auth.example.com"}, "cookies", State.WARNING),
        ({"web_concurrency": 256}, "workers", State.WARNING),
        ({}, "workers", State.OK),
    ],
)
def test_what_the_settings_say_about_the_world_is_judged(make_settings, settings, check, state):
    findings = {finding.name: finding for finding in examine_surroundings(make_settings(**settings))}

    assert findings[check].state is state
    assert bool(findings[check].remedy) is (state is not State.OK)


@each(
    ("skew", "state"),
    [(0.3, State.OK), (-2.0, State.OK), (5, State.WARNING), (-5, State.WARNING), (11, State.FAILING), (-300, State.FAILING)],
)
def test_clocks_may_differ_by_less_than_a_token_forgives(skew, state):
    assert clock_finding("database clock", "the database", skew).state is state


def test_a_dotenv_further_up_is_not_taken_for_this_one(examine, installed, monkeypatch):
    below = installed / "below"
    below.mkdir()
    monkeypatch.chdir(below)

    status, _, checks = examine()

    assert status == 1
    assert checks["settings"]["status"] == "failing"
