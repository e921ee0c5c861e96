"""Lists of accounts: that every filter, alone and with every other, finds whom it should, and never goes through the whole table for it.

What is asserted of cost is the way that the database takes. How long that is among a million is in `benchmarks/users.py`.
"""

import itertools
import re
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from secureapi.core.clock import SystemClock
from secureapi.core.database import Database, table_of
from secureapi.core.identifiers import new_id
from secureapi.users.lists import _least_behind, list_people, place_of
from secureapi.users.models import User
from secureapi.users.repository import RECORD

ROLES = ("user", "viewer", "moderator")
LOCKS = (None, "ever", "standing", "fallen")
SORTS = ("created_at", "-created_at", "username", "-username")
STATUSES = (None, "active", "invited", "locked", "disabled")
EVERYTHING = {"page": 1, "per_page": 2000}
INDEXES = {f"ix_users_{by}_{order}" for by in ("listed_as", "listed_under") for order in ("created_at_id", "username", "email")} | {
    "ix_users_locked_until",
    "pk_users",
    "sqlite_autoindex_users_1",
}
PLAIN = {"uq_users_username_canonical", "uq_users_email_canonical", "sqlite_autoindex_users_2", "sqlite_autoindex_users_3"}
OTHER_WAYS = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort")
NOT_ASKED = ("invited", "locked")
"""What moderators cannot ask for."""
_U = table_of(User).c


@pytest.fixture(scope="module")
def words():
    return {}


@pytest.fixture
def crowd(house, words):
    """Everybody whom a filter could mean, in each role, in the shared house: `(connection, word, now)`."""
    database, now = house.service(Database), SystemClock().now()
    if house.is_embedded not in words:
        word = words[house.is_embedded] = f"l{secrets.token_hex(3)}"
        kinds = [
            (role, lock, is_open, is_invited)
            for role in ROLES
            for lock in LOCKS
            for is_open in (True, False)
            for is_invited in (True, False)
        ]
        rows = [_row(f"{word}{number:02}", now, number, kind) for number, kind in enumerate(kinds) if kind[1] is None or not kind[2]]
        with database.writing() as connection:
            connection.execute(table_of(User).insert(), rows)
    with database.reading() as connection:
        yield connection, words[house.is_embedded], now


def _row(name, now, number, kind):
    role, lock, is_open, is_invited = kind
    born = now - timedelta(days=2, seconds=number * 7 % 50)
    return {
        "id": new_id(),
        "username": name,
        "username_canonical": name,
        "email": f"{name[::-1]}@example.com",
        "email_canonical": f"{name[::-1]}@example.com",
        "password_hash": "x",
        "password_changed_at": born,
        "role": role,
        "status": "active" if is_open else "disabled",
        "locked_at": born if lock else None,
        "locked_until": {"standing": now + timedelta(days=1), "fallen": now - timedelta(days=1)}.get(lock),
        "invited_at": born if is_invited else None,
        "created_at": born,
        "updated_at": born,
    }


def expected(connection, now, *, sort, q=None, role=None, status=None, by_address=True, by_status=True):
    """The same, found by looking at everybody. What an account is called comes from where single accounts get it."""

    def fits(one):
        called = one.status if by_status else ("active" if one.is_active else "disabled")
        names = (one.username_canonical, one.email_canonical) if by_address else (one.username_canonical,)
        return (role in (None, one.role)) and (status in (None, called)) and (q is None or any(name.startswith(q) for name in names))

    everybody = connection.execute(select(*RECORD, _U.username_canonical, _U.email_canonical), {"now": now}).all()
    key = (lambda one: one.username_canonical) if sort.endswith("username") else (lambda one: (one.created_at, one.id))
    return [one.username for one in sorted(filter(fits, everybody), key=key, reverse=sort.startswith("-"))]


@pytest.mark.parametrize("role", [None, "viewer", "nobody-has-it"])
def test_every_filter_with_every_other_finds_whom_it_should_in_each_order(crowd, role):
    connection, word, now = crowd
    found = {}

    for status, sort, q, sees in itertools.product(STATUSES, SORTS, (None, word, "0"), (True, False)):
        if not sees and status in NOT_ASKED:
            continue
        wanted = {"role": role, "status": status, "sort": sort, "q": q, "by_address": sees, "by_status": sees}
        page = list_people(connection, now=now, **EVERYTHING, **wanted)
        names = [one.username for one in page.items]
        assert (names, page.total) == (expected(connection, now, **wanted), len(names)), wanted
        found[status] = found.get(status, 0) + len(names)

    assert role == "nobody-has-it" or all(found[status] for status in STATUSES)


@pytest.mark.parametrize("sort", SORTS)
def test_pages_and_places_lead_through_several_stretches_without_a_gap(crowd, sort):
    connection, word, now = crowd
    for wanted in ({"role": "viewer"}, {"status": "active"}, {"status": "locked", "role": "user"}, {"q": word, "status": "invited"}):
        everybody = expected(connection, now, sort=sort, **wanted)
        by_page, by_place, after = [], [], None
        for number in itertools.count(1):
            page = list_people(connection, now=now, page=number, per_page=3, sort=sort, **wanted)
            behind = list_people(connection, now=now, page=1, per_page=3, sort=sort, after=after, **wanted)
            by_page += [one.username for one in page.items]
            by_place += [one.username for one in behind.items]
            if len(behind.items) < 3:
                break
            after = place_of(behind.items[-1], sort)
        assert by_page == by_place == everybody


def test_no_list_goes_through_the_table(crowd, house):
    """Nor along an index, leaving out whomever nobody asked for: all of them are, where those who are asked for come last."""
    connection, _, now = crowd
    seen = []
    if not house.is_embedded:
        # Among so few each way costs the same: so those that a million would make dear are taken away.
        for way in OTHER_WAYS:
            connection.execute(text(f"SET {way} = off"))

    def note(_connection, _cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    for role, status, sort, q in itertools.product((None, "viewer"), STATUSES, SORTS, (None, "u")):
        list_people(connection, now=now, page=1, per_page=20, sort=sort, role=role, status=status, q=q)
    event.remove(connection, "before_cursor_execute", note)

    for statement, parameters in dict(seen).items():
        explain = "EXPLAIN QUERY PLAN" if house.is_embedded else "EXPLAIN"
        plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
        is_narrow = "listed_" in statement
        if house.is_embedded:
            # Without a filter, along the names: that is the list.
            assert "SCAN users" not in plan or not is_narrow, plan
            assert set(re.findall(r"users USING (?:COVERING )?INDEX (\w+)", plan)) <= INDEXES | (set() if is_narrow else PLAIN), plan
        else:
            ways = set(re.findall(r"Index (?:Only )?Scan (?:Backward )?using (\w+) on users", plan))
            assert ways <= INDEXES | (set() if is_narrow else PLAIN), plan
            left_out = re.findall(r"(?<!Join )Filter: (.*)", plan)
            assert all("locked_until" in one for one in left_out), plan
    if not house.is_embedded:
        for way in OTHER_WAYS:
            connection.execute(text(f"RESET {way}"))


@pytest.mark.parametrize(
    ("beginning", "behind"),
    [("a", "b"), ("az", "a{"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("\U0010ffff", None), ("%", "&"), ("", None)],
)
def test_what_stands_behind_a_beginning(beginning, behind):
    assert _least_behind(beginning) == behind
