import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def shown(flask):
    """`shown()`: `flask config show --json`."""

    def run():
        result = flask("config", "show", "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_complete_settings_are_said_to_be_so(flask, installed):
    result = flask("config", "check")

    assert result.exit_code == 0
    assert "complete" in result.stdout


def test_every_fault_is_named_at_once_and_no_value(flask, folder, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "testing")
    monkeypatch.setenv("SECRET_KEY", "hidden-word")
    monkeypatch.setenv("PORT", "hidden-word")

    result = flask("config", "check")

    assert result.exit_code == 1
    assert [line.split()[1] for line in result.stderr.splitlines()[1:]] == ["PORT:", "DATABASE_URL:", "SECRET_KEY:"]
    assert "hidden-word" not in result.output


def test_faults_can_be_read_by_programs(flask, folder, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "testing")
    result = flask("config", "check", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["is_complete"] is False
    assert len(json.loads(result.stdout)["faults"]) == 2


def test_each_value_is_shown_with_where_it_is_from(shown, installed, monkeypatch):
    (installed / "proxies").write_text("10.0.0.0/8\n")
    monkeypatch.setenv("TRUSTED_PROXIES_FILE", str(installed / "proxies"))
    monkeypatch.setenv("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "10")
    monkeypatch.setenv("LOG_FORMAT", "json")

    settings = shown()

    assert settings["TRUSTED_PROXIES"] == {"value": "10.0.0.0/8", "source": "file", "read_from": "TRUSTED_PROXIES_FILE"}
    assert settings["ACCESS_TOKEN_EXPIRE_MINUTES"] == {
        "value": "10",
        "source": "environment",
        "read_from": "JWT_ACCESS_TOKEN_EXPIRE_MINUTES",
    }
    assert settings["LOG_FORMAT"] == {"value": "json", "source": "environment", "read_from": "LOG_FORMAT"}
    assert settings["ENVIRONMENT"] == {"value": "development", "source": ".env", "read_from": "ENVIRONMENT"}
    assert settings["LOGIN_RATE_LIMIT"]["value"] == "60/minute"
    assert settings["PORT"] == {"value": "8000", "source": "default", "read_from": ""}
    assert settings["ALLOWED_HOSTS"]["value"] == "localhost,127.0.0.1"


def test_secrets_are_only_said_to_be_set(flask, installed, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "rediss://:hidden-word@redis.example.com:6379/0")
    secrets = [line.partition("=")[2] for line in (installed / ".env").read_text().splitlines() if line.startswith(("SECRET", "PASSWORD"))]
    assert len(secrets) == 2

    for command in (["show"], ["show", "--json"]):
        result = flask("config", *command)
        assert result.exit_code == 0
        assert not any(secret in result.output for secret in [*secrets, "hidden-word"])
    assert {line.split()[0]: line.split()[1] for line in flask("config", "show").stdout.splitlines()}["REDIS_URL"] == "(set)"
    assert ["JWT_SECRET_KEY", "(not", "set)"] in [line.split()[:3] for line in flask("config", "show").stdout.splitlines()]


def test_the_file_that_secureapi_dotenv_names_is_read_and_not_the_one_that_flask_finds(shown, installed, monkeypatch):
    other = (installed / ".env").read_text().replace("ENVIRONMENT=development", "ENVIRONMENT=staging")
    (installed / "other.env").write_text(other.replace("BCRYPT", "#"))
    monkeypatch.setenv("BCRYPT_ROUNDS", "12")
    monkeypatch.setenv("SECUREAPI_DOTENV", "other.env")

    assert shown()["ENVIRONMENT"] == {"value": "staging", "source": "other.env", "read_from": "ENVIRONMENT"}


def test_pages_are_written_and_then_up_to_date(flask, folder):
    assert flask("config", "docs", "--check").exit_code == 1
    assert list(folder.iterdir()) == []

    assert flask("config", "docs").exit_code == 0
    assert flask("config", "docs", "--check").exit_code == 0
    (folder / "docs" / "settings.md").write_text("something else")
    stale = flask("config", "docs", "--check")

    assert stale.exit_code == 1
    assert "docs/settings.md" in stale.stderr
    assert "events.md" not in stale.stderr


def test_the_pages_in_the_project_say_what_the_code_says():
    # In a process of its own: tests declare events and refusals too.
    checked = subprocess.run(
        [sys.executable, "-m", "flask", "config", "docs", "--check", "--folder", str(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
