"""HS256: one secret that signs and verifies, in no row and never published."""

import json

import pytest

from secureapi.core.errors import Unavailable
from support.key_rows import CLIENT, rows

SHARED = "a shared secret of HS256, longer than thirty-two"


class TestSharedSecret:
    def test_it_signs_and_verifies_and_makes_no_row(self, ring_with, database):
        ring = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED)
        key = ring.signing_key()
        assert (key.algorithm, ring.find(key.kid)) == ("HS256", key)
        assert ring.ensure(CLIENT) is False
        assert ring.maintain(CLIENT) is None
        assert rows(database) == []

    def test_it_is_never_published(self, ring_with):
        assert json.loads(ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).published().body) == {"keys": []}

    def test_it_is_not_in_what_a_key_says_of_itself(self, ring_with):
        assert SHARED not in repr(ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key())

    def test_its_id_says_nothing_about_it_and_is_the_same_everywhere(self, ring_with):
        import hashlib

        kid = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert kid == ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert kid.removeprefix("hs256-") not in hashlib.sha256(SHARED.encode()).hexdigest()
        assert kid != ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED, secret="x" * 40).signing_key().kid

    def test_it_opens_nothing_under_another_algorithm(self, ring_with):
        """`JWT_SECRET_KEY` says of itself that the other algorithms do not use it: who left it in .env must not have left a door open."""
        kid = ring_with(jwt_algorithm="HS256", jwt_secret_key=SHARED).signing_key().kid
        assert ring_with(jwt_algorithm="ES256", jwt_secret_key=SHARED).find(kid) is None

    def test_without_a_secret_there_is_no_key(self, ring_with):
        with pytest.raises(Unavailable):
            ring_with(jwt_algorithm="HS256").signing_key()
