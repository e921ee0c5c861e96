import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, insert, select

from secureapi.core.database import Database, engine_options, reading_engine, table_of
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import OutboxMessage
from secureapi.security.models import AuditEvent
from secureapi.settings import load_settings
from support.each import each

_TABLE = table_of(OutboxMessage)


@pytest.fixture
def database(installed):
    """The database of the folder, for looking into it behind the commands' back."""
    chosen = load_settings()
    opened = Database(create_engine(chosen.database_url, **engine_options(chosen)), reading_engine(chosen))
    yield opened
    opened.dispose()


@pytest.fixture
def add(database):
    """`add(dead_at=..., ...)`: a message to the administrator; its id."""
    with database.reading() as connection:
        admin = connection.exec_driver_sql("SELECT id FROM users").scalar_one()
    admin = f"{admin[:8]}-{admin[8:12]}-{admin[12:16]}-{admin[16:20]}-{admin[20:]}"

    def add_message(**columns):
        now = datetime.now(UTC)
        note = {"id": new_id(), "topic": "mail.refresh_reused", "user_id": admin, "details": {"address": "203.0.113.9"}}
        row = note | {"created_at": now, "due_at": now, "attempts": 0} | columns
        with database.writing() as connection:
            connection.execute(insert(_TABLE).values(row))
        return row["id"]

    return add_message


@pytest.fixture
def rows(database):
    def look():
        with database.reading() as connection:
            return connection.execute(select(_TABLE).order_by(_TABLE.c.created_at)).all()

    return look


@pytest.fixture
def dead(add):
    return add(dead_at=datetime.now(UTC), attempts=12, last_error="SMTPRecipientsRefused 550")


def test_in_development_messages_become_files(flask, folder, add, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "development")
    identifier = add()

    result = flask("worker", "--once")

    assert (result.exit_code, result.stdout) == (0, "1 delivered, 0 put off, 0 dead, 0 dropped.\n")
    (file,) = (folder / "var" / "mail").iterdir()
    assert file.name == f"{identifier}.eml"
    assert "To: admin@example.com" in file.read_text()


@each("options", [[], ["--once"]])
def test_in_production_a_worker_without_a_server_says_so_and_keeps_the_messages(flask, add, rows, monkeypatch, options):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("BCRYPT_ROUNDS", "10")
    monkeypatch.setenv("SECURE_COOKIES", "true")
    if not rows():
        add()

    result = flask("worker", *options)

    assert result.exit_code == 1
    assert "SMTP_URL is not set" in result.stderr
    assert "1 wait" in result.stderr
    ((delivered_at, attempts),) = [(row.delivered_at, row.attempts) for row in rows()]
    assert (delivered_at, attempts) == (None, 0)


def test_dead_letters_are_visible_and_tell_no_address(flask, add, dead):
    waiting = add()

    listed = flask("outbox", "list").stdout

    for word in (waiting, dead, "waiting", "SMTPRecipientsRefused 550", "mail.refresh_reused"):
        assert word in listed
    assert "@" not in listed
    only_dead = flask("outbox", "list", "--dead").stdout
    assert dead in only_dead
    assert waiting not in only_dead


def test_programs_get_json(flask, dead):
    (message,) = json.loads(flask("outbox", "list", "--json").stdout)["messages"]

    assert (message["id"], message["state"], message["attempts"]) == (dead, "dead", 12)
    assert message["dead_at"].endswith("Z")
    assert "@" not in json.dumps(message)


def test_nothing_to_list_is_a_sentence(flask, database):
    assert flask("outbox", "list").stdout == "There are no undelivered messages.\n"
    assert flask("outbox", "list", "--dead").stdout == "There are no dead messages.\n"
    assert json.loads(flask("outbox", "list", "--json").stdout) == {"messages": []}


def test_a_dead_message_that_is_retried_is_delivered(flask, dead, rows, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "development")

    assert flask("outbox", "retry", dead).stdout == "1 is due now.\n"

    assert flask("worker", "--once").stdout.startswith("1 delivered")
    assert rows()[0].delivered_at


def test_all_dead_messages_can_be_retried_at_once(flask, add, dead):
    add(dead_at=datetime.now(UTC))
    add()

    assert json.loads(flask("outbox", "retry", "--dead", "--json").stdout) == {"retried": 2}
    assert flask("outbox", "list", "--dead").stdout == "There are no dead messages.\n"


@each("args", [[], ["01a1ff02-f909-7f72-89d4-1538a3a205a2", "--dead"]])
def test_retry_wants_one_message_or_all_dead(flask, database, args):
    assert flask("outbox", "retry", *args).exit_code == 2


def test_a_message_that_is_dropped_is_gone_and_that_is_remembered(flask, dead, rows, database):
    assert flask("outbox", "drop", dead).stdout == "The message is removed.\n"

    assert not rows()
    table = table_of(AuditEvent)
    with database.reading() as connection:
        (event,) = connection.execute(select(table).where(table.c.type == "mail.dropped")).all()
    assert event.details == {"message_id": dead, "topic": "mail.refresh_reused", "reason": "command"}
    assert event.subject_id


@each("command", ["retry", "drop"])
@each("identifier", ["01a1ff02-f909-7f72-89d4-1538a3a205a2", "x", "\x1b[2J", "' OR 1=1 --"])
def test_a_message_that_is_not_there_is_a_sentence(flask, dead, rows, command, identifier):
    result = flask("outbox", command, identifier)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no such message")
    assert identifier not in result.output
    assert len(rows()) == 1


def test_what_was_delivered_is_neither_listed_nor_dropped(flask, add, rows):
    identifier = add(delivered_at=datetime.now(UTC))

    assert flask("outbox", "list").stdout == "There are no undelivered messages.\n"
    assert flask("outbox", "drop", identifier).exit_code == 1
    assert flask("outbox", "retry", identifier).exit_code == 1
    assert len(rows()) == 1
