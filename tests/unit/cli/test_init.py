import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from secureapi import create_app
from secureapi.cli.installation import alone
from secureapi.core.database import Database
from secureapi.core.services import service
from secureapi.settings import load_settings

SHOWN = re.compile(r"^      admin@example\.com    (\S{24})$", re.MULTILINE)


def rows(database, query):
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def sign_in(folder, password):
    app = create_app(load_settings({"BCRYPT_ROUNDS": "4"}, dotenv=folder / ".env"))
    try:
        return app.test_client().post("/api/v1/auth/login", data={"username": "admin", "password": password}).status_code
    finally:
        service(Database, app).dispose()


def test_a_first_run_makes_everything_and_shows_a_password_that_works(flask, folder):
    result = flask("init")

    assert result.exit_code == 0, result.output
    steps = ["settings", "folder", "database", "migrations", "signing key", "administrator"]
    assert [line[2:15].strip() for line in result.stdout.splitlines()[:6]] == steps
    assert all(re.search(r" \d+\.\d\d s$", line) for line in result.stdout.splitlines()[:6])
    assert sign_in(folder, SHOWN.search(result.stdout)[1]) == 200
    assert result.stderr == ""


def test_what_it_makes_is_its_owners_alone_even_under_a_careless_umask(flask, folder):
    before = os.umask(0)
    try:
        flask("init")
    finally:
        os.umask(before)

    assert mode(folder / ".env") == 0o600
    assert mode(folder / "var" / "secureapi.db") == 0o600
    assert mode(folder / "var") == 0o700


def test_every_installation_has_secrets_of_its_own(flask, folder):
    flask("init")
    first = load_settings({}, dotenv=folder / ".env")
    (folder / ".env").unlink()
    flask("init")
    second = load_settings({}, dotenv=folder / ".env")

    secrets = {first.secret_key, first.password_pepper, second.secret_key, second.password_pepper}
    assert len(secrets) == 4
    assert min(map(len, secrets)) == 64


def test_a_second_run_changes_nothing_and_shows_no_password(flask, folder):
    password = SHOWN.search(flask("init").stdout)[1]
    before = (
        (folder / ".env").read_bytes(),
        rows("var/secureapi.db", "SELECT * FROM users"),
        rows("var/secureapi.db", "SELECT * FROM audit_events"),
    )

    again = flask("init")

    assert again.exit_code == 0
    assert password not in again.output
    assert "created" not in again.stdout
    assert "ran" not in again.stdout
    assert before == (
        (folder / ".env").read_bytes(),
        rows("var/secureapi.db", "SELECT * FROM users"),
        rows("var/secureapi.db", "SELECT * FROM audit_events"),
    )
    assert "read -rs PASSWORD" in again.stdout


def test_a_dotenv_that_is_there_is_never_overwritten_not_even_an_incomplete_one(flask, folder):
    (folder / ".env").write_text("SECRET_KEY=short\nPORT=none\n")

    result = flask("init")

    assert result.exit_code == 1
    assert (folder / ".env").read_text() == "SECRET_KEY=short\nPORT=none\n"
    assert {"SECRET_KEY:", "PORT:", "DATABASE_URL:"} <= set(result.stderr.split())
    assert "Traceback" not in result.output
    assert not (folder / "var").exists()


def test_the_administrator_may_come_from_the_environment_and_then_nothing_secret_is_shown(flask, folder, monkeypatch):
    (folder / "password").write_text("Tall-Trees-42!\n")
    monkeypatch.setenv("SECUREAPI_ADMIN_EMAIL", "ada@example.org")
    monkeypatch.setenv("SECUREAPI_ADMIN_USERNAME", "ada")
    monkeypatch.setenv("SECUREAPI_ADMIN_PASSWORD_FILE", "password")

    result = flask("init")

    assert result.exit_code == 0, result.output
    assert rows("var/secureapi.db", "SELECT username, email, role FROM users") == [("ada", "ada@example.org", "admin")]
    assert "Tall-Trees" not in result.output
    assert "shown this once" not in result.output
    settings = load_settings({}, dotenv=folder / ".env")
    assert settings.secret_key not in result.output
    assert settings.password_pepper not in result.output


def test_a_weak_password_in_the_file_is_refused_by_its_rules_and_not_repeated(flask, folder, monkeypatch):
    (folder / "password").write_text("letmein")
    monkeypatch.setenv("SECUREAPI_ADMIN_PASSWORD_FILE", "password")

    result = flask("init")

    assert result.exit_code == 1
    assert "at least 8 characters" in result.stderr
    assert "letmein" not in result.output
    assert rows("var/secureapi.db", "SELECT count(*) FROM users") == [(0,)]


def test_a_password_file_that_is_not_there_is_named(flask, monkeypatch):
    monkeypatch.setenv("SECUREAPI_ADMIN_PASSWORD_FILE", "nowhere")

    result = flask("init")

    assert result.exit_code == 1
    assert "SECUREAPI_ADMIN_PASSWORD_FILE" in result.stderr


def test_a_container_that_has_its_settings_gets_no_dotenv(flask, settings_in_the_environment):
    result = flask("init")

    assert result.exit_code == 0, result.output
    assert not (settings_in_the_environment / ".env").exists()
    assert rows("own.db", "SELECT username FROM users") == [("admin",)]


def test_what_the_environment_says_is_left_out_of_the_dotenv(flask, folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite:///elsewhere.db")

    flask("init")

    assert "\nDATABASE_URL=" not in (folder / ".env").read_text()
    assert "\nSECRET_KEY=" in (folder / ".env").read_text()
    assert (folder / "elsewhere.db").exists()


def test_a_dotenv_further_up_does_not_mix_in(flask, folder, monkeypatch):
    (folder / ".env").write_text("PORT=8009\nSECRET_KEY=of-somebody-else-entirely-0123456789\n")
    below = folder / "below"
    below.mkdir()
    monkeypatch.chdir(below)

    result = flask("init")

    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:8000/docs" in result.stdout
    assert (below / "var" / "secureapi.db").exists()


def test_the_addresses_follow_the_port_and_the_public_address(flask, monkeypatch):
    monkeypatch.setenv("PORT", "8123")
    assert "http://127.0.0.1:8123/health" in flask("init").stdout

    monkeypatch.setenv("PUBLIC_URL", "https://auth.example.com")
    monkeypatch.setenv("DOCS_ACCESS", "off")
    result = flask("init")

    assert "https://auth.example.com/health" in result.stdout
    assert "/docs" not in result.stdout


def test_the_two_lines_are_one_command_for_a_shell_and_quote_what_they_carry(flask, folder, monkeypatch):
    monkeypatch.setenv("SECUREAPI_ADMIN_USERNAME", "ada_lovelace")
    lines = flask("init").stdout.splitlines()
    (first,) = [line for line in lines if "TOKEN=$(curl" in line]
    second = lines[lines.index(first) + 1]
    # Instead of curl: what would be sent, and then what a server would answer.
    curl = 'curl() { printf "%s\\n" "$@" >>sent; echo \'{"access_token":"a.b.c","token_type":"Bearer"}\'; }\n'

    subprocess.run(["bash", "-euc", f"{curl}{first}\n{second}\n"], check=True, cwd=folder, stdout=subprocess.PIPE)

    sent = (folder / "sent").read_text().splitlines()
    assert "username=ada_lovelace" in sent
    assert sent[-3:] == ["http://127.0.0.1:8000/api/v1/users/me", "-H", "Authorization: Bearer a.b.c"]


def test_a_database_of_a_newer_version_is_left_alone(flask, installed):
    connection = sqlite3.connect("var/secureapi.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    result = flask("init")

    assert result.exit_code == 1
    assert "newer version" in result.stderr


def test_after_a_change_of_the_secret_key_there_is_a_new_key_to_sign_with(flask, installed, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC")

    assert flask("init").exit_code == 0
    assert sorted(rows("var/secureapi.db", "SELECT phase FROM signing_keys")) == [
        ("active",),
        ("next",),
        ("retired",),
        ("retiring",),
    ]


def test_an_administrators_name_that_somebody_else_has_is_refused_with_the_way_out(flask, installed):
    connection = sqlite3.connect("var/secureapi.db")
    with connection:
        connection.execute("UPDATE users SET status = 'disabled'")
    connection.close()

    result = flask("init")

    assert result.exit_code == 1
    assert "flask user enable" in result.stderr
    assert rows("var/secureapi.db", "SELECT count(*) FROM users") == [(1,)]


def test_two_never_set_up_one_database_at_the_same_time(make_settings, tmp_path):
    settings = make_settings(database_url=f"sqlite:///{tmp_path}/shared.db")
    meeting = threading.Barrier(2)

    def go_in():
        with alone(settings):
            try:
                # Whoever is alone in there waits for the other in vain.
                meeting.wait(timeout=0.3)
            except threading.BrokenBarrierError:
                return "alone"
            return "together"

    with ThreadPoolExecutor(2) as pool:
        assert [turn.result() for turn in [pool.submit(go_in), pool.submit(go_in)]] == ["alone", "alone"]


THREE_AT_ONCE = """
import os, sys
from importlib.metadata import entry_points
from flask.cli import main
import secureapi
for command in entry_points(group="flask.commands"):
    command.load()
files, sys.argv = sys.argv[1:], ["flask", "init"]
children = []
for name in files:
    children.append(os.fork())
    if not children[-1]:
        said = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        main()
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_three_at_once_make_one_administrator_and_one_pair_of_keys(folder, tmp_path_factory):
    """Three processes that have loaded everything before they begin: nothing but the work itself keeps them apart."""
    files = [tmp_path_factory.mktemp("said") / "output" for _ in range(3)]
    done = subprocess.run([sys.executable, "-c", THREE_AT_ONCE, *files], timeout=120, check=False)
    outputs = [file.read_text() for file in files]

    assert done.returncode == 0, outputs
    assert rows("var/secureapi.db", "SELECT count(*) FROM users") == [(1,)]
    assert rows("var/secureapi.db", "SELECT count(*) FROM signing_keys") == [(2,)]
    assert sum(bool(SHOWN.search(output)) for output in outputs) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".env", "var"]


def test_every_line_of_the_dotenv_has_its_reason_above(installed):
    lines = (installed / ".env").read_text().splitlines()

    for line in ("ENVIRONMENT=development", "LOG_FORMAT=console", "LOGIN_RATE_LIMIT=60/minute", "RATE_LIMIT_PER_MINUTE=600"):
        assert lines[lines.index(line) - 1].startswith("# "), line
