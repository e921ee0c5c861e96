"""People of another system, with the passwords that they had there."""

from uuid import UUID

import pytest

from journeys.importing import ALL, PASSWORD, SAMPLES, SOME_REFUSED, Importing
from journeys.recovering import FORGOT, PUBLIC, post, reset, token_in
from support.letters import Letters

HASH = "$2b$04$seasaltseasaltseasalteBnlBUAvj.9nJp1UQfO/IyW2LmM7YH2K"


@pytest.fixture
def importing(make_house, engine, tmp_path):
    return Importing(make_house(engine), tmp_path)


FROM = {
    "csv": ("own.csv", [], ["ada@csv.example.com", "Bo.Ek@csv.example.com"], ["cy@csv.example.com"]),
    "ndjson": ("own.ndjson", [], ["dora@ndjson.example.com"], ["emil@ndjson.example.com"]),
    "auth0": ("auth0.ndjson", ["--replace-usernames"], ["fay@auth0.example.com"], ["gus@auth0.example.com"]),
    "firebase": (
        "firebase.json",
        ["--hash-config", str(SAMPLES / "firebase-hash-config.txt")],
        ["hana@firebase.example.com"],
        ["ivo@firebase.example.com"],
    ),
    "django": (
        "django.jsonl",
        [],
        [f"{name}@django.example.com" for name in ("jana", "lea", "mia", "nik", "oda")],
        ["kai@django.example.com"],
    ),
    "keycloak": (
        "keycloak.json",
        [],
        [f"{name}@keycloak.example.com" for name in ("quin", "rosa", "tess")],
        ["sam@keycloak.example.com"],
    ),
    "supabase": ("supabase.csv", [], ["uma@supabase.example.com"], ["vic@supabase.example.com"]),
}


@pytest.mark.parametrize("source", FROM)
def test_people_of_every_system_sign_in_with_the_password_that_they_had(importing, source):
    name, options, active, disabled = FROM[source]

    result = importing.attempt(SAMPLES / name, source, *options)

    assert result.exit_code in {ALL, SOME_REFUSED}, result.output
    for email in active:
        before = importing.person(email).password_hash
        assert not before.startswith("hmac-sha256$")
        assert importing.sign_in(email, PASSWORD + "x") == 401
        assert importing.sign_in(email) == 200
        # The first right password replaces the hash of the other system with ours.
        assert importing.person(email).password_hash.startswith("hmac-sha256$")
        assert importing.sign_in(email) == 200
    for email in disabled:
        assert importing.person(email).status == "disabled"
        assert importing.sign_in(email) == 401


def test_what_a_source_says_of_somebody_is_kept(importing):
    importing.run(SAMPLES / "own.csv", "csv")

    ada, bo = importing.person("ada@csv.example.com"), importing.person("bo.ek@csv.example.com")
    assert (ada.username, ada.full_name, ada.role) == ("ada-l", "Ada Lovelace", "user")
    assert str(ada.created_at).startswith("2023-04-05 06:07:08")
    assert ada.email_verified_at is not None
    # His name is made of his address, which is kept as it was written and of which nobody said that he reads there.
    assert (bo.username, bo.email, bo.full_name, bo.email_verified_at) == ("bo-ek", "Bo.Ek@csv.example.com", "Ek, Bo", None)


def test_roles_are_taken_from_the_source_only_when_that_is_asked_for(importing):
    importing.run(SAMPLES / "own.csv", "csv", "--with-roles")

    assert importing.person("ada@csv.example.com").role == "admin"
    assert importing.person("bo.ek@csv.example.com").role == "user"


def test_everybody_gets_the_role_that_is_named_and_it_must_exist(importing):
    assert importing.attempt(SAMPLES / "own.csv", "csv", "--role", "emperor").exit_code == 2
    importing.run(SAMPLES / "own.csv", "csv", "--role", "viewer")

    assert importing.house.execute("SELECT DISTINCT role FROM users")[0][0] == "viewer"


def test_a_superuser_of_django_is_an_administrator_only_when_roles_are_taken(importing):
    importing.run(SAMPLES / "django.jsonl", "django", "--with-roles", "--without-password")

    assert importing.person("jana@django.example.com").role == "admin"
    assert importing.person("nik@django.example.com").role == "user"


def test_the_report_maps_the_ids_of_the_source_to_ours(importing):
    importing.run(SAMPLES / "keycloak.json", "keycloak", expect=SOME_REFUSED)

    made = {line["source_id"]: line["id"] for line in importing.lines() if line["outcome"] == "created"}
    assert len(made) == 4
    assert made["6b1d1c36-0000-4000-8000-000000000001"] == str(UUID(str(importing.person("quin@keycloak.example.com").id)))
    assert importing.reasons()[5] == [("/email", "required"), ("/password_hash", "no_password")]


def test_who_was_deleted_in_supabase_does_not_come(importing):
    importing.run(SAMPLES / "supabase.csv", "supabase", expect=SOME_REFUSED)

    assert importing.person("wes@supabase.example.com") is None
    assert importing.reasons()[3] == [("/deleted_at", "deleted")]
    assert importing.person("uma@supabase.example.com").email_verified_at is not None
    assert importing.person("vic@supabase.example.com").email_verified_at is None


def test_without_its_parameters_a_hash_of_firebase_is_refused(importing):
    importing.run(SAMPLES / "firebase.json", "firebase", expect=SOME_REFUSED)

    assert importing.count() == 0
    assert importing.reasons()[1] == [("/password_hash", "unknown_hash")]


def test_each_account_leaves_its_events_and_the_import_one(importing):
    importing.run(SAMPLES / "own.ndjson", "ndjson")

    made = {line["id"] for line in importing.lines()}
    created = importing.house.events("users.created")
    assert {event.subject_id for event in created} == made
    assert {event.details["role"] for event in created} == {"user"}
    changed = [event.details for event in importing.house.events("data.row.changed")]
    assert {change["key"][0] for change in changed if change["table"] == "users" and change["action"] == "insert"} == made
    ended = importing.house.events("users.imported")
    assert [(event.details["created"], event.details["refused"]) for event in ended] == [(2, 0)]
    assert {event.details["import"] for event in created} == {ended[0].details["import"]}


def test_one_bad_row_never_stops_the_rest(importing):
    path = importing.write(
        "email,username,password_hash\n"
        f"one@example.com,one,{HASH}\n"
        "no address,two,x\n"
        f"three@example.com,admin,{HASH}\n"
        f"four@example.com,ab,{HASH}\n"
        "five@example.com,five,md5$salt$d41d8cd98f00b204e9800998ecf8427e\n"
        "six@example.com,six\n"
        f"ONE@example.com,seven,{HASH}\n"
        f"eight@example.com,One,{HASH}\n"
        "nine@example.com,nine,\n"
        f"ten@example.com,ten,{HASH}\n"
    )

    told = importing.run(path, "csv", expect=SOME_REFUSED)

    assert (told["created"], told["refused"]) == (2, 8)
    assert importing.reasons() == {
        1: [],
        2: [("/email", "email"), ("/password_hash", "unknown_hash")],
        3: [("/username", "reserved")],
        4: [("/username", "username")],
        5: [("/password_hash", "unknown_hash")],
        6: [("", "ragged_row")],
        7: [("/email", "taken")],
        8: [("/username", "taken")],
        9: [("/password_hash", "no_password")],
        10: [],
    }


def test_nothing_that_stands_in_a_row_is_repeated(importing):
    secret = "Sw0rdfish-of-Mallory"
    path = importing.write(
        f"id,email,username,full_name,password_hash,email_verified,created_at,status,password\n"
        f"1,{secret},{secret}!,{secret}\x01,{secret},{secret},,,\n"
        f"2,a@example.com,,,,,{secret},,\n"
        f"3,a@example.com,,,,,,{secret},\n"
        f"4,b@example.com,,,,,,,{secret}\n"
        f'5,"{secret},x\n'
    )

    result = importing.attempt(path, "csv")

    assert result.exit_code == SOME_REFUSED
    assert secret not in result.output + importing.report.read_text()
    assert importing.count() == 0


def test_who_comes_without_a_password_follows_a_reset_link(make_house, engine, tmp_path):
    letters = Letters(tmp_path / "mail")
    importing = Importing(make_house(engine, **letters.settings, public_url=PUBLIC), tmp_path)
    path = importing.write("email,password_hash\nlost@example.com,\nodd@example.com,crypt$1$xyz\n")

    importing.run(path, "csv", expect=SOME_REFUSED)
    told = importing.run(path, "csv", "--retry", "--without-password")

    assert told["created"] == 2
    for password in ("!", "x", PASSWORD):
        assert importing.sign_in("lost@example.com", password) == 401
    post(importing.house, FORGOT, email="lost@example.com")
    (message,) = letters.deliver(importing.house)
    assert reset(importing.house, token_in(message, "reset-password"), "Other-Trees-43!").status_code == 200
    assert importing.sign_in("lost@example.com", "Other-Trees-43!") == 200


def test_passwords_in_plain_text_are_hashed_only_when_that_is_asked_for(importing):
    path = importing.write(f"email,password\nplain@example.com,{PASSWORD}\nweak@example.com,password\n")

    importing.run(path, "csv", expect=SOME_REFUSED)
    assert importing.reasons()[1] == [("/password", "plaintext")]
    told = importing.run(path, "csv", "--hash-plaintext", "--retry", expect=SOME_REFUSED)

    assert (told["created"], told["refused"]) == (1, 1)
    assert importing.sign_in("plain@example.com") == 200
    assert importing.person("plain@example.com").password_hash.startswith("hmac-sha256$")
    assert importing.person("weak@example.com") is None
    assert PASSWORD not in importing.report.read_text()


def test_usernames_are_made_where_there_are_none_and_nobody_shares_one(importing):
    rows = "".join(f"info@shop{number}.example.com,{HASH}\n" for number in range(30))
    path = importing.write("email,password_hash\n" + rows + f"admin@example.com,{HASH}\nx@example.com,{HASH}\n")

    importing.run(path, "csv")

    names = [row[0] for row in importing.house.execute("SELECT username FROM users")]
    assert len(names) == len(set(names)) == 32
    assert "info" in names
    assert "user-x" in names
    assert "admin" not in names
    assert sum(name.startswith("info-") for name in names) == 29


def test_a_name_that_is_taken_is_replaced_when_that_is_asked_for(importing):
    importing.house.register(username="zoe", email="zoe@elsewhere.example.com")
    path = importing.write(f"email,username,password_hash\nzoe@example.com,zoe,{HASH}\n")

    importing.run(path, "csv", expect=SOME_REFUSED)
    importing.run(path, "csv", "--retry", "--replace-usernames")

    assert importing.person("zoe@example.com").username.startswith("zoe-")


def test_whoever_has_an_account_already_stays_as_he_is(importing):
    alice = importing.house.register(email="alice@example.com")
    before = importing.person("alice@example.com")
    path = importing.write(f"email,username,password_hash,role\nALICE@example.com,mallory,{HASH},admin\n")

    importing.run(path, "csv", "--with-roles", expect=SOME_REFUSED)

    assert importing.person("alice@example.com") == before
    assert importing.sign_in("alice@example.com", alice.password) == 200


def test_a_dry_run_says_what_would_be_and_changes_nothing(importing):
    importing.house.register(username="taken", email="taken@example.com")
    path = importing.write(
        f"email,username,password_hash\ntaken@example.com,,{HASH}\nnew@example.com,Taken,{HASH}\n"
        f"twice@example.com,,{HASH}\nTWICE@example.com,,{HASH}\na@example.com,same,{HASH}\nb@example.com,SAME,{HASH}\n"
    )
    before = importing.count()

    told = importing.run(path, "csv", "--dry-run", expect=SOME_REFUSED)

    assert (told["would_create"], told["would_refuse"], importing.count()) == (2, 4, before)
    assert importing.house.events("users.imported") == []
    said = importing.report.read_text()
    assert '"id"' not in said
    importing.report.unlink()
    # And that is what comes of it.
    assert importing.run(path, "csv", expect=SOME_REFUSED)["created"] == 2


def test_a_role_that_administrators_defined_can_be_given(importing):
    importing.house.execute(
        "INSERT INTO roles (name, description, rank, permissions, created_at, updated_at) "
        "VALUES ('editor', '', 15, 'content:write', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00')"
    )
    path = importing.write(f"email,role,password_hash\na@example.com,editor,{HASH}\nb@example.com,emperor,{HASH}\n")

    importing.run(path, "csv", "--with-roles", expect=SOME_REFUSED)

    assert importing.person("a@example.com").role == "editor"
    assert importing.reasons()[2] == [("/role", "unknown_role")]
