"""Access tokens that are ours, and how they are remembered."""

import time

import jwt
import pytest

from secureapi.auth.errors import TokenRefused
from secureapi.core.errors import Unavailable
from support.forger import ALICE, MINUTES, Door, claims, header, signed


@pytest.fixture
def door(make_settings):
    return Door(make_settings)


class TestGoodTokens:
    @pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "HS256"])
    def test_what_was_issued_is_read(self, make_settings, algorithm):
        door = Door(make_settings, algorithm)
        token = door.issue()
        read = door.read(token)
        assert (read.user_id, read.role, read.methods) == (ALICE, "user", ("pwd", "otp"))
        assert 0 <= read.expires_at - time.time() <= 60 * MINUTES
        assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "at+jwt", "kid": f"kid-{algorithm}"}

    def test_the_forger_in_these_tests_can_make_a_good_one(self, door):
        """Otherwise every refusal below would prove nothing."""
        assert door.read(signed(header(), claims())).user_id == ALICE

    def test_no_two_tokens_are_the_same(self, door):
        assert len({door.issue() for _ in range(20)}) == 20

    def test_a_token_of_another_key_of_ours_is_good_while_that_key_is(self, door):
        """After a change of algorithm the tokens of before live on until they expire."""
        assert door.read(signed(header(alg="EdDSA", kid="kid-EdDSA"), claims(), algorithm="EdDSA")).user_id == ALICE

    def test_a_token_that_was_read_once_is_not_verified_again(self, door, monkeypatch):
        token = door.issue()
        first = door.read(token)
        monkeypatch.setattr("secureapi.auth.access_tokens.decode_token", None)
        assert door.read(token) is first

    def test_a_remembered_token_expires(self, door, monkeypatch):
        token = door.issue()
        door.read(token)
        moment = time.time() + 60 * MINUTES
        monkeypatch.setattr("secureapi.auth.access_tokens.time.time", lambda: moment + 9)
        door.read(token)
        monkeypatch.setattr("secureapi.auth.access_tokens.time.time", lambda: moment + 10)
        assert door.refuses(token)

    def test_a_remembered_token_ends_with_its_key(self, door):
        """A key is taken away because somebody may have it: whatever it has signed is worth nothing from then on."""
        token = door.issue()
        door.read(token)
        del door.ring.keys["kid-ES256"]
        with pytest.raises(TokenRefused):
            door.read(token)

    def test_a_database_that_is_away_is_not_the_tokens_fault(self, door, monkeypatch):
        """A 401 would sign everybody out because of somebody's cable."""
        token = door.issue()

        def away(_kid):
            raise Unavailable

        monkeypatch.setattr(door.ring, "find", away)
        with pytest.raises(Unavailable):
            door.read(token)

    def test_memory_is_bounded(self, door, monkeypatch):
        monkeypatch.setattr("secureapi.auth.access_tokens._REMEMBERED", 8)
        tokens = [door.issue() for _ in range(30)]
        for token in tokens:
            door.read(token)
            assert len(door.tokens._remembered) <= 8
        assert door.read(tokens[0]).user_id == door.read(tokens[-1]).user_id == ALICE

    def test_two_threads_that_forget_the_same_token_do_not_stumble(self, door, monkeypatch):
        """One makes room while another drops what has expired."""

        class Raced(dict):
            def __iter__(self):
                found = list(super().__iter__())
                self.pop(found[0], None)
                return iter(found)

        monkeypatch.setattr("secureapi.auth.access_tokens._REMEMBERED", 4)
        door.tokens._remembered = Raced()
        for _ in range(6):
            assert door.read(door.issue()).user_id == ALICE
