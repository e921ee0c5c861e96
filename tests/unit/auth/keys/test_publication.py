"""What verifiers elsewhere get to see."""

import json
from datetime import timedelta

import pytest

from secureapi.auth.keys import thumbprint
from support.key_rows import CLIENT, rows


class TestPublication:
    @pytest.mark.parametrize(
        ("algorithm", "members"), [("ES256", {"crv", "x", "y"}), ("EdDSA", {"crv", "x"}), ("RS256", {"n", "e"})], ids=["ES", "Ed", "RS"]
    )
    def test_public_members_and_no_others(self, ring_with, algorithm, members):
        keys = json.loads(ring_with(jwt_algorithm=algorithm).published().body)["keys"]
        assert len(keys) == 2
        for key in keys:
            assert key.keys() == {"kty", "kid", "use", "alg"} | members
            assert (key["use"], key["alg"], key["kid"]) == ("sig", algorithm, thumbprint(key))

    def test_next_active_and_retiring_but_not_what_is_over(self, ring_with, database, clock):
        ring = ring_with()
        first = ring.signing_key().kid
        with ring.rotation.turn(CLIENT) as turn:
            turn.rotate(reason="command")
        ring.reload()

        def kids():
            return {key["kid"] for key in json.loads(ring.published().body)["keys"]}

        assert kids() == {row.kid for row in rows(database)}
        assert len(kids()) == 3
        before = ring.published().etag
        clock.advance(timedelta(hours=24))
        assert kids() == {row.kid for row in rows(database)} - {first}
        assert ring.published().etag != before

    def test_an_empty_set_is_never_handed_out_before_the_first_key(self, ring_with):
        """Verifiers would keep it for five minutes and refuse the first tokens."""
        ring = ring_with()
        keys = json.loads(ring.published().body)["keys"]
        assert ring.signing_key().kid in {key["kid"] for key in keys}
