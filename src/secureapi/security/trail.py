"""The trail: every security-relevant fact, written in the transaction of the change that it describes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Table, bindparam, event, insert, inspect, literal, select
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock, SystemClock
from secureapi.core.database import Base, table_of
from secureapi.core.many_rows import insert_many
from secureapi.core.requests import Client
from secureapi.security.events import ROW_CHANGED, EventType
from secureapi.security.identity import Identity
from secureapi.security.models import AuditEvent

_COLUMNS = [column for column in table_of(AuditEvent).c if column.name != "id"]
_ABOUT = ("occurred_at", "request_id", "address", "user_agent")
_INSERT = insert(table_of(AuditEvent)).values({column: bindparam(column.name, type_=column.type) for column in _COLUMNS})


def noted(happened: EventType, change: CTE, **known: ColumnElement[Any]) -> CTE:
    """An event for each row of a change, to stand beside it in one statement (PostgreSQL's data-modifying WITH).

    `known` are columns of the event that follow from the change, as `actor_id`. Whoever runs the statement gives what `about`
    gives.
    """
    columns = table_of(AuditEvent).c
    fixed: dict[str, Any] = {
        "type": happened.name,
        "severity": happened.severity.value,
        "outcome": happened.outcome.value,
        "actor_id": None,
        "subject_id": None,
        "session_id": None,
        "details": {},
    }
    values: dict[str, ColumnElement[Any]] = {name: literal(value, columns[name].type) for name, value in fixed.items()}
    values |= {name: bindparam(f"event_{name}", type_=columns[name].type) for name in _ABOUT}
    values |= known
    rows = select(*(value.label(name) for name, value in values.items())).select_from(change)
    return insert(table_of(AuditEvent)).from_select(list(values), rows).cte("noted")


def about(client: Client, now: datetime) -> dict[str, Any]:
    """The values that a statement with `noted` in it asks for."""
    return {
        "event_occurred_at": now,
        "event_request_id": client.request_id,
        "event_address": client.address,
        "event_user_agent": client.user_agent,
    }


class Trail:
    """Writes events. It never commits: an event lives and dies with the change it tells of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(
        self,
        session: Session | Connection,
        happened: EventType,
        *,
        client: Client,
        actor: Identity | str | None = None,
        subject_id: str | None = None,
        session_id: str | None = None,
        **details: Any,
    ) -> None:
        """Add an event. `actor` is the caller or a user's id; `details` are JSON values without secrets or bare addresses."""
        if isinstance(actor, Identity):
            session_id = session_id or actor.session_id or None
            if actor.key_id:
                details["api_key_id"] = actor.key_id
            actor = actor.user_id
        known = {"actor_id": actor, "subject_id": subject_id, "session_id": session_id, "details": details}
        connection = session.connection() if isinstance(session, Session) else session
        connection.execute(_INSERT, _row(self._clock, happened, client) | known)

    def record_each(self, connection: Connection, happened: EventType, *, client: Client, facts: Iterable[Mapping[str, Any]]) -> None:
        """Add an event of one kind for each of many facts, in one statement. A fact is `details`, and may be `subject_id`, `actor_id`
        and `session_id`; all have the same of these.
        """
        rows = list(facts)
        told = rows[0].keys() if rows else ()
        common = {name: value for name, value in _row(self._clock, happened, client).items() if name not in told}
        insert_many(connection, table_of(AuditEvent), rows, common=common)

    def record_inserts(self, connection: Connection, table: str, keys: Iterable[str], *, client: Client) -> None:
        """What `record_row_changes` would have written of these rows, for those who insert them round the unit of work."""
        facts = ({"details": {"table": table, "action": "insert", "key": [key], "columns": []}} for key in keys)
        self.record_each(connection, ROW_CHANGED, client=client, facts=facts)


def _row(clock: Clock, happened: EventType, client: Client) -> dict[str, Any]:
    return {
        "occurred_at": clock.now(),
        "type": happened.name,
        "severity": happened.severity.value,
        "outcome": happened.outcome.value,
        "actor_id": None,
        "subject_id": None,
        "session_id": None,
        "request_id": client.request_id,
        "address": client.address,
        "user_agent": client.user_agent,
    }


def record_row_changes(models: Iterable[type[Base]]) -> None:
    """From now on every insert, update and delete of these models through a unit of work, anybody's, leaves an event of its own.

    Bulk statements on their models are refused, because they would change rows that nobody names. Statements on the bare tables go
    round all this; there are none in this project, and whoever writes one records what he does.
    """
    audited = frozenset(table_of(model) for model in models)
    clock = SystemClock()

    @event.listens_for(Session, "after_flush")
    def _flushed(session: Session, _context: object) -> None:
        client = session.info.get("client") or Client.of_command_line()
        rows = []
        for action, instances in (("insert", session.new), ("update", session.dirty), ("delete", session.deleted)):
            for instance in instances:
                described = _describe(action, instance, audited)
                if described:
                    rows.append(_row(clock, ROW_CHANGED, client) | {"details": described})
        for row in rows:
            session.connection().execute(_INSERT, row)

    @event.listens_for(Session, "do_orm_execute")
    def _executed(state: Any) -> None:
        is_bulk = state.is_insert or state.is_update or state.is_delete
        if is_bulk and state.bind_mapper is not None and state.bind_mapper.local_table in audited:
            raise RuntimeError("rows of audited tables are changed one by one, through the unit of work")


def _describe(action: str, instance: object, audited: frozenset[Table]) -> Mapping[str, Any] | None:
    state = inspect(instance)
    assert state is not None  # noqa: S101 - only mapped instances are flushed
    if state.mapper.local_table not in audited:
        return None
    changed = sorted(a.key for a in state.attrs if a.history.has_changes()) if action == "update" else []
    if action == "update" and not changed:
        return None
    key = state.identity or state.mapper.primary_key_from_instance(instance)
    return {"table": state.mapper.local_table.name, "action": action, "key": [str(k) for k in key], "columns": changed}
