from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

import secureapi.wiring  # noqa: F401 - from here on row changes of the audited tables are recorded
from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.events import ACCESS_DENIED, ROW_CHANGED, EventType, Outcome, Severity, catalogue, declare
from secureapi.security.identity import Identity
from secureapi.security.models import AuditEvent, Throttle
from secureapi.security.permissions import PERMISSIONS_OF, Role
from secureapi.security.trail import Trail
from secureapi.users.models import User

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CLIENT = Client(address="192.0.2.7", user_agent="Mallory/1.0", request_id="request-0001")
TRAIL = Trail(FrozenClock(NOW))
ALICE, SESSION = new_id(), new_id()
CANARY = "canary-7f3a"


def events(database, kind=None):
    with database.reading() as connection:
        rows = connection.execute(select(table_of(AuditEvent)).order_by(table_of(AuditEvent).c.id)).all()
    return [row for row in rows if kind is None or row.type == kind.name]


def user(**changed):
    name = f"u{new_id()[-12:]}"
    usual = {
        "id": new_id(),
        "username": name,
        "username_canonical": name,
        "email": f"{name}@example.com",
        "email_canonical": f"{name}@example.com",
        "password_hash": CANARY,
        "password_changed_at": NOW,
        "role": "user",
        "status": "active",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return User(**(usual | changed))


def test_an_event_says_who_whom_what_when_and_from_where(database):
    caller = Identity(
        user_id=ALICE, session_id=SESSION, role="user", permissions=PERMISSIONS_OF[Role.USER], token_id="t", authenticated_at=0, methods=()
    )
    with database.transaction(CLIENT) as session:
        TRAIL.record(session, ACCESS_DENIED, client=CLIENT, actor=caller, subject_id=ALICE, endpoint="users.list", count=3)
    (event,) = events(database)
    assert (event.type, event.severity, event.outcome) == ("security.access.denied", "WARNING", "denied")
    assert (event.actor_id, event.subject_id, event.session_id) == (ALICE, ALICE, SESSION)
    assert (event.address, event.user_agent, event.request_id) == ("192.0.2.7", "Mallory/1.0", "request-0001")
    assert event.occurred_at == NOW
    assert event.details == {"endpoint": "users.list", "count": 3}


def test_an_event_can_be_without_anybody(database):
    with database.transaction() as session:
        TRAIL.record(session, ACCESS_DENIED, client=Client.of_command_line())
    (event,) = events(database)
    assert (event.actor_id, event.subject_id, event.session_id, event.address, event.details) == (None, None, None, "", {})


def test_an_event_names_the_session_that_it_is_told(database):
    with database.transaction() as session:
        TRAIL.record(session, ACCESS_DENIED, client=CLIENT, actor=ALICE, session_id=SESSION)
    assert events(database)[0].session_id == SESSION


def test_an_event_lives_and_dies_with_the_change_it_tells_of(database):
    def interrupted():
        with database.transaction() as session:
            TRAIL.record(session, ACCESS_DENIED, client=CLIENT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert events(database) == []


def test_an_event_can_be_written_without_a_unit_of_work(database):
    with database.writing() as connection:
        TRAIL.record(connection, ACCESS_DENIED, client=CLIENT)
    assert len(events(database)) == 1


@pytest.mark.parametrize("text", ["\u2028", "\ud800", '"}{"', "\x1b[2J", "\U0001f600", "=HYPERLINK()", "x" * 10_000])
def test_whatever_stands_in_the_details_the_event_is_kept(database, text):
    with database.transaction() as session:
        TRAIL.record(session, ACCESS_DENIED, client=CLIENT, reason=text)
    assert events(database)[0].details == {"reason": text}


class TestRowChanges:
    def changes(self, database):
        return [(row.details["action"], row.details["columns"]) for row in events(database, ROW_CHANGED) if row.details["table"] == "users"]

    def test_every_change_of_a_row_leaves_its_table_its_key_and_the_names_of_its_columns(self, database):
        someone = user()
        with database.transaction(CLIENT) as session:
            session.add(someone)
        with database.transaction(CLIENT) as session:
            found = session.get(User, someone.id)
            found.full_name, found.role = CANARY, "admin"
        with database.transaction(CLIENT) as session:
            session.delete(session.get(User, someone.id))
        assert self.changes(database) == [("insert", []), ("update", ["full_name", "role"]), ("delete", [])]
        found = events(database, ROW_CHANGED)
        assert {tuple(row.details["key"]) for row in found} == {(someone.id,)}
        assert {row.request_id for row in found} == {"request-0001"}

    def test_no_value_is_ever_among_them(self, database):
        with database.transaction(CLIENT) as session:
            someone = user(full_name=CANARY, email=f"{CANARY}@example.com")
            session.add(someone)
            session.flush()
            someone.bio = CANARY
        assert len(events(database)) == 2
        assert CANARY not in str([tuple(row) for row in events(database)])

    def test_a_row_that_was_looked_at_or_set_to_what_it_was_has_not_changed(self, database):
        with database.transaction() as session:
            session.add(someone := user())
        with database.transaction() as session:
            found = session.get(User, someone.id)
            found.role = str(found.role)
        assert self.changes(database) == [("insert", [])]

    def test_a_change_that_is_rolled_back_left_nothing(self, database):
        def interrupted():
            with database.transaction() as session:
                session.add(user())
                session.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            interrupted()
        assert events(database) == []

    def test_without_a_request_it_was_the_command_line(self, database):
        with database.transaction() as session:
            session.add(user())
        assert events(database)[0].user_agent == "command line"

    def test_a_table_that_is_not_audited_leaves_nothing(self, database):
        with database.transaction() as session:
            session.add(Throttle(key="k", attempts=1, expires_at=NOW))
        assert events(database) == []

    @pytest.mark.parametrize(
        "statement", [update(User).values(role="admin"), delete(User), update(User).where(User.username == "x").values(role="admin")]
    )
    def test_many_rows_at_once_are_not_changed_behind_its_back(self, database, statement):
        with pytest.raises(RuntimeError, match="one by one"), database.transaction() as session:
            session.execute(statement)

    def test_many_rows_of_another_table_may_be(self, database):
        with database.transaction() as session:
            session.execute(delete(Throttle))

    def test_a_session_of_somebody_who_builds_on_us_is_watched_too(self, database):
        with Session(database.engine) as session:
            session.add(user())
            session.commit()
        assert self.changes(database) == [("insert", [])]

    def test_a_table_of_somebody_elses_that_is_called_users_is_none_of_our_business(self, database):
        class Other(DeclarativeBase):
            pass

        class Elsewhere(Other):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)

        elsewhere = create_engine("sqlite://", poolclass=StaticPool)
        Other.metadata.create_all(elsewhere)
        with Session(elsewhere) as session:
            session.add(Elsewhere(id=1))
            session.commit()
            session.execute(delete(Elsewhere))
            session.commit()
        elsewhere.dispose()
        assert events(database) == []


def test_a_name_is_declared_once():
    with pytest.raises(ValueError, match="declared twice"):
        declare(ACCESS_DENIED.name, "Something else.")


def test_every_event_has_a_dotted_name_a_meaning_and_fits_its_columns():
    import secureapi.auth.events
    import secureapi.users.events  # noqa: F401 - imported so that every event is declared

    found = catalogue()
    assert len(found) > 10
    for kind in found:
        assert isinstance(kind, EventType)
        assert len(kind.name) <= 64
        assert len(kind.name.split(".")) in {2, 3}
        assert kind.name == kind.name.lower()
        assert kind.meaning.endswith(".")
        assert kind.severity in Severity
        assert kind.outcome in Outcome
