"""What each system says of somebody, and records in which it says something else than it should."""

import json

import pytest

from secureapi.core.errors import Invalid, Malformed
from secureapi.users.importing import FORMATS
from secureapi.users.importing.cells import plain_cell, safe_cell
from secureapi.users.importing.formats.firebase import HashParameters
from secureapi.users.importing.usernames import names_for
from secureapi.users.rules import RESERVED_USERNAMES, USERNAME_PATTERN, is_reserved
from support.each import each

CONFIG = (
    "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: c2lnbmVy,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}"
)


def refused(source, record):
    with pytest.raises(Invalid) as refusal:
        FORMATS[source].understand(record)
    return [(fault.pointer, fault.code) for fault in refusal.value.faults]


@each(
    ("source", "record", "fault"),
    [
        ("ndjson", {"email": 7}, ("/email", "type")),
        ("ndjson", {"email": ["a@b.c"]}, ("/email", "type")),
        ("ndjson", {"email_verified": "perhaps"}, ("/email_verified", "type")),
        ("ndjson", {"email_verified": 1}, ("/email_verified", "type")),
        ("ndjson", {"created_at": "yesterday"}, ("/created_at", "moment")),
        ("ndjson", {"created_at": "0001-01-01T00:00:00+14:00"}, ("/created_at", "moment")),
        ("ndjson", {"status": "asleep"}, ("/status", "one_of")),
        ("ndjson", {"id": "x" * 201}, ("/id", "too_long")),
        ("ndjson", {"is_superuser": True}, ("/?", "unknown_field")),
        ("auth0", {"_id": "text"}, ("/_id", "type")),
        ("auth0", {"_id": {"$oid": []}}, ("/$oid", "type")),
        ("django", {"fields": []}, ("/fields", "type")),
        ("django", {"pk": 1, "fields": {"email": {}}}, ("/email", "type")),
        ("firebase", {"createdAt": "12e3"}, ("/createdAt", "moment")),
        ("firebase", {"createdAt": 2**53}, ("/createdAt", "moment")),
        ("firebase", {"createdAt": "9" * 5000}, ("/createdAt", "moment")),
        ("keycloak", {"enabled": []}, ("/enabled", "type")),
        ("supabase", {"email_confirmed_at": "infinity"}, ("/email_confirmed_at", "moment")),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_place(source, record, fault):
    assert refused(source, record) == [fault]


@each(
    "credentials",
    [
        [{"type": "password"}],
        [{"type": "password", "secretData": 7, "credentialData": 8}],
        [{"type": "password", "secretData": "{", "credentialData": "{"}],
        [{"type": "password", "secretData": '{"salt": 1, "value": 2}', "credentialData": "[]"}],
        [{"type": "password", "secretData": '{"salt": "?", "value": "?"}', "credentialData": "{}"}],
        [
            {
                "type": "password",
                "secretData": '{"salt": "AAAA", "value": "AAAA"}',
                "credentialData": '{"algorithm": "md5", "hashIterations": 1}',
            }
        ],
        [
            {
                "type": "password",
                "secretData": '{"salt": "AAAA", "value": "AAAA"}',
                "credentialData": '{"algorithm": ["x"], "hashIterations": 1}',
            }
        ],
        [
            {
                "type": "password",
                "secretData": '{"salt": "AAAA", "value": "AAAA"}',
                "credentialData": '{"algorithm": "argon2", "hashIterations": 1}',
            }
        ],
        [
            {
                "type": "password",
                "secretData": '{"salt": "AAAA", "value": "AAAA"}',
                "credentialData": json.dumps({"algorithm": "argon2", "hashIterations": 1, "additionalParameters": {"type": []}}),
            }
        ],
    ],
)
def test_a_credential_of_keycloak_that_cannot_be_read_is_a_hash_that_nobody_knows(credentials):
    found = FORMATS["keycloak"].understand({"email": "a@b.c", "credentials": credentials})

    assert found.password_hash == "keycloak"


@each("credentials", [None, [], "x", [{"type": "otp"}], [None], {"type": "password"}])
def test_who_has_no_password_in_keycloak_has_no_hash(credentials):
    assert FORMATS["keycloak"].understand({"credentials": credentials}).password_hash is None


def test_an_address_in_the_place_of_the_username_is_no_username():
    assert FORMATS["ndjson"].understand({"email": "A@b.c", "username": "a@B.C"}).username is None
    assert FORMATS["ndjson"].understand({"email": "A@b.c", "username": "else@b.c"}).username == "else@b.c"


@each(
    "written",
    [
        CONFIG,
        CONFIG.replace(":", " ="),
        json.dumps({"rounds": 8, "mem_cost": 14, "base64_signer_key": "c2lnbmVy", "base64_salt_separator": "Bw=="}),
    ],
)
def test_the_parameters_of_firebase_are_read_as_they_are_shown(written):
    found = HashParameters.of(written)

    assert (found.signer_key, found.salt_separator, found.rounds, found.mem_cost) == (b"signer", b"\x07", 8, 14)
    assert "signer" not in repr(found).replace("signer_key", "")


@each("written", ["", "rounds: 8", CONFIG.replace("c2lnbmVy", "c2lnbm"), CONFIG.replace("8", ""), CONFIG.replace("14", "many")])
def test_what_is_no_set_of_parameters_is_refused_without_repeating_it(written):
    with pytest.raises(Malformed) as refusal:
        HashParameters.of(written)
    assert "c2ln" not in refusal.value.sentence


@each("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\uff1dx", "'=x", "''x", "'", "'t Hooft", "", "plain", "a=b", "'-"])
def test_no_cell_begins_like_a_formula_and_each_can_be_read_back(text):
    cell = safe_cell(text)

    assert plain_cell(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))


@each("local", ["a", "ab", "first.last", "first+tag", "+tag", "---", "\u00fc\u00f6\u00e4", "x" * 64, "a!b#c", *sorted(RESERVED_USERNAMES)])
def test_a_username_that_is_made_is_one_that_could_be_chosen(local):
    import re

    names = names_for(f"{local}@example.com", "01a1ff8e-b963-7000-8000-05579a0b47aa")

    assert len(set(names)) >= 2
    for name in names:
        assert re.fullmatch(USERNAME_PATTERN, name)
        assert not is_reserved(name)
