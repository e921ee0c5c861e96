"""`flask user export`: who there is, as a file that can be opened without harm and imported again."""

import csv
import io
import json

import pytest

from journeys.importing import Importing
from secureapi.users import bulk


@pytest.fixture
def home(make_house, engine):
    return make_house(engine)


def export(house, *options, expect=0):
    result = house.app.test_cli_runner().invoke(args=["user", "export", *options])
    assert result.exit_code == expect, result.output
    return result.stdout


def test_everybody_is_exported_once_over_many_pages_and_without_a_hash(home, monkeypatch):
    monkeypatch.setattr(bulk, "_PAGE", 3)
    people = {home.register().id for _ in range(8)}

    found = [json.loads(line) for line in export(home).splitlines()]

    assert [person["id"] for person in found] == sorted(people)
    assert all(person.keys().isdisjoint({"password_hash", "email_canonical"}) for person in found)
    assert "hmac-sha256" not in export(home) + export(home, "--format", "csv")


def test_hashes_come_only_when_they_are_asked_for_and_the_trail_says_so(home):
    home.register()

    (person,) = [json.loads(line) for line in export(home, "--with-hashes").splitlines()]
    export(home)

    assert person["password_hash"].startswith("hmac-sha256$")
    assert [event.details["with_hashes"] for event in home.events("users.exported")] == [True, False]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x", "a,b", 'say "x"', "'quoted"])
def test_no_cell_is_a_formula(make_house, name):
    house = make_house("embedded")
    house.register(username="-dash", full_name=name)

    (row,) = csv.DictReader(io.StringIO(export(house, "--format", "csv"), newline=""))

    assert row["username"] == "'-dash"
    assert row["full_name"] == (name if name[0] in "as'" else "'" + name)


def test_what_was_exported_can_be_imported_where_the_pepper_is_the_same(make_house, engine, tmp_path):
    first = make_house(engine, password_pepper="a pepper of more than thirty-two characters")
    people = [first.register(username="-dash", full_name="=1+1"), first.register(full_name="two")]
    first.execute("UPDATE users SET bio = :bio, website = 'https://example.com'", bio="=1+1\n" * 60)
    second = Importing(make_house(engine, password_pepper="a pepper of more than thirty-two characters"), tmp_path)
    third = Importing(make_house(engine), tmp_path)
    third.report = tmp_path / "third.ndjson"
    for kind in ("csv", "ndjson"):
        path = second.write(export(first, "--format", kind, "--with-hashes"), name=f"people.{kind}")

    assert second.run(tmp_path / "people.csv", "csv")["created"] == 2
    for person in people:
        assert second.sign_in(person.email, person.password) == 200
        row = second.person(person.email)
        asked = "SELECT username, full_name, bio, website FROM users WHERE email = :e"
        assert (row.username, row.full_name, row.bio, row.website) == first.execute(asked, e=person.email)[0]
    # Where another pepper is in force nobody's password would ever be right.
    assert third.run(path, "ndjson", expect=3)["created"] == 0


def test_one_role_or_one_status_can_be_asked_for(home):
    home.register()
    admin = home.administrator()

    assert [json.loads(line)["id"] for line in export(home, "--role", "admin").splitlines()] == [admin.id]
    assert export(home, "--status", "disabled") == ""


def test_a_file_is_for_its_owner_only_and_none_is_written_over(home, tmp_path):
    home.register()
    path = tmp_path / "people.ndjson"

    export(home, str(path))

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().splitlines()) == 1
    export(home, str(path), expect=1)
