"""Keys that another secret has encrypted, and rows that somebody damaged."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import delete

from secureapi.auth.keys import vault
from secureapi.core.errors import Unavailable
from support.key_rows import BEGINNING, CLIENT, KEYS, SECRET, change, made_up, rows


class TestKeysThatCannotBeRead:
    OTHER = "another secret of this installation, also long"

    def test_with_another_secret_the_old_keys_verify_nothing_and_new_ones_sign(self, ring_with):
        kid = ring_with().signing_key().kid
        moved = ring_with(secret=self.OTHER)
        assert moved.find(kid) is None
        made = moved.signing_key()
        assert made.kid != kid
        assert made.signs_with

    def test_a_worker_with_the_wrong_secret_ends_no_token_of_the_others(self, ring_with, database, clock, later):
        """It takes their place, since after a change of SECRET_KEY somebody must; but what they have signed is good for the overlap."""
        good = ring_with()
        kid = good.signing_key().kid
        assert ring_with(secret=self.OTHER).ensure(CLIENT) is True
        (row,) = [row for row in rows(database) if row.kid == kid]
        assert (row.phase, row.verifies_until) == ("retiring", BEGINNING + timedelta(hours=24))
        assert row.private_key, "whoever has the right key must still be able to read it"
        later(60)
        assert good.find(kid).kid == kid
        assert good.signing_key().kid != kid

    def test_two_groups_of_workers_do_not_take_the_place_from_one_another_all_day(self, ring_with, database, later):
        good, bad = ring_with(), ring_with(secret=self.OTHER)
        good.signing_key()
        refused = 0
        for _ in range(20):
            for ring in (bad, good):
                later(11)
                try:
                    ring.signing_key()
                except Unavailable:
                    refused += 1
        assert refused > 0
        # 440 seconds: each of the two may once in 300.
        assert len(rows(database, "active")) == 1
        assert len(rows(database, "retiring")) <= 4
        assert len(rows(database)) <= 10

    def test_whoever_lost_makes_no_key_at_every_sign_in(self, ring_with, database, later, monkeypatch):
        good, bad = ring_with(), ring_with(secret=self.OTHER)
        good.signing_key()
        bad.signing_key()
        later(11)
        good.signing_key()
        later(11)
        before = rows(database)
        monkeypatch.setattr(bad._vault, "make", None)
        for _ in range(3):
            with pytest.raises(Unavailable):
                bad.signing_key()
        assert rows(database) == before

    def test_a_key_of_its_own_lets_the_secret_change_without_losing_the_signing_keys(self, ring_with):
        own = "a key-encryption key of its own, long enough"
        kid = ring_with(key_encryption_key=own).signing_key().kid
        assert ring_with(secret=self.OTHER, key_encryption_key=own).signing_key().kid == kid
        assert ring_with(secret=SECRET).find(kid) is None

    @pytest.mark.parametrize("damaged", [b"", b"x", b"x" * 11, b"x" * 27, b"x" * 200])
    def test_a_row_that_was_damaged_spoils_no_other(self, ring_with, database, damaged):
        kid = ring_with().signing_key().kid
        other = ring_with(jwt_algorithm="EdDSA").signing_key().kid
        change(database, kid, private_key=damaged)
        fresh = ring_with(jwt_algorithm="EdDSA")
        assert fresh.find(kid) is None
        assert fresh.signing_key().kid == other

    def test_a_row_that_was_mended_is_read_again(self, ring_with, database, later):
        kid = ring_with().signing_key().kid
        (whole,) = rows(database, "active")
        change(database, kid, private_key=b"x" * 50)
        ring = ring_with(jwt_algorithm="EdDSA")
        assert ring.find(kid) is None
        change(database, kid, private_key=whole.private_key)
        later(11)
        assert ring.find(kid).kid == kid

    def test_it_is_said_once_and_not_every_ten_seconds(self, ring_with, database, later, monkeypatch):
        said = []
        ring_with().signing_key()
        monkeypatch.setattr(vault, "_log", SimpleNamespace(error=lambda event, **about: said.append((event, about["kid"]))))
        moved = ring_with(secret=self.OTHER)
        for _ in range(5):
            later(11)
            moved.reload()
        assert sorted(said) == sorted(("keys.unreadable", row.kid) for row in rows(database))

    def test_a_vandal_who_moves_a_private_key_to_another_row_is_noticed(self, ring_with, database):
        """The key is sealed to its id and its algorithm."""
        ring_with().signing_key()
        (row,) = rows(database, "active")
        with database.writing() as connection:
            connection.execute(delete(KEYS))
            connection.execute(KEYS.insert().values(dict(row._mapping) | {"kid": made_up(7)}))
            connection.execute(KEYS.insert().values(dict(row._mapping) | {"phase": "retiring", "algorithm": "RS256"}))
        ring = ring_with()
        assert ring.find(made_up(7)) is None
        assert ring.find(row.kid) is None

    def test_a_vandal_who_writes_his_own_public_key_into_a_row_is_not_published(self, ring_with, database):
        ring = ring_with()
        kid = ring.signing_key().kid
        mallorys = ring_with(jwt_algorithm="EdDSA").signing_key()
        change(database, kid, public_jwk=json.dumps(mallorys.jwk | {"kid": kid}))
        fresh = ring_with()
        published = {key["kid"]: key for key in json.loads(fresh.published().body)["keys"]}
        assert published[kid] == fresh.find(kid).jwk
        assert published[kid]["kty"] == "EC"
