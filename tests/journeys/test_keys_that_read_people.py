"""Programs that read accounts: with `users:read` everybody's, with `self:read` that of whoever owns the key."""

from journeys.answers import assert_problem
from journeys.with_keys import make_key
from secureapi.core.identifiers import new_id
from secureapi.users.visibility import VISIBLE, Viewer


def visible(by):
    return {field for field, viewers in VISIBLE.items() if by in viewers}


def test_a_key_reads_whom_its_scopes_let_it_read(house):
    owner, other = house.person(role="moderator"), house.register()
    own_key, reader = make_key(owner, scopes=["self:read"]), make_key(owner, scopes=["users:read"])

    mine = own_key.get(f"/users/{owner.id}")
    assert (mine.status_code, mine.json.keys()) == (200, visible(Viewer.ITSELF))
    assert_problem(own_key.get(f"/users/{other.id}"), 404, "user_not_found")
    assert_problem(own_key.get(f"/users/{new_id()}"), 404, "user_not_found")

    theirs = reader.get(f"/users/{other.id}")
    assert (theirs.status_code, theirs.json.keys()) == (200, visible(Viewer.READER))
    assert theirs.json["email"] != other.email
    of_owner = reader.get(f"/users/{owner.id}")
    assert of_owner.json.keys() == visible(Viewer.READER), "it may not read as its owner does"
    assert of_owner.json["email"] != owner.email
    (event,) = house.events("users.record.read", subject=other)
    assert event.details["api_key_id"] == reader.id


def test_a_key_with_neither_scope_reads_nobody(house):
    owner = house.person(role="moderator")
    key = make_key(owner, scopes=["content:read"])

    assert_problem(key.get(f"/users/{owner.id}"), 403, "insufficient_permission")
