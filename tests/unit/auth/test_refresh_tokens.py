import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.auth.errors import RefreshRefused
from secureapi.auth.refresh_tokens import RefreshToken, RefreshTokens
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from support.each import each

TOKENS = RefreshTokens(SecretBox("the secret of this installation, long enough"))
OTHERS = RefreshTokens(SecretBox("the secret of another installation, long too"))


def test_what_was_made_is_read_again():
    session_id = new_id()
    token = TOKENS.first(session_id)
    assert TOKENS.read(str(token)) == token
    assert TOKENS.read(str(token)).session_id == session_id


def test_a_token_looks_like_one_and_says_what_it_is():
    text = str(TOKENS.first(new_id()))
    assert text.startswith("sar_")
    assert len(text) == 68
    assert text.isascii()


def test_two_families_share_nothing_but_their_form():
    assert len({TOKENS.first(new_id()).hash for _ in range(100)} | {TOKENS.first(_ONE).hash for _ in range(100)}) == 200


_ONE = new_id()


def test_a_token_has_one_successor_however_often_it_is_asked_for():
    token = TOKENS.first(new_id())
    assert TOKENS.successor(token) == TOKENS.successor(TOKENS.read(str(token)))
    assert TOKENS.successor(token).session_id == token.session_id


def test_a_family_never_comes_back_to_a_token_it_had():
    token, seen = TOKENS.first(new_id()), set()
    for _ in range(200):
        assert token.hash not in seen
        seen.add(token.hash)
        token = TOKENS.read(str(TOKENS.successor(token)))


def test_a_thief_with_an_old_token_cannot_work_out_the_next_one():
    """The nonce of a successor depends on the secret of the installation, not on the token alone."""
    token = TOKENS.first(_ONE)
    assert OTHERS.successor(RefreshToken(_ONE, token.raw)).raw[16:32] != TOKENS.successor(token).raw[16:32]


def test_a_stranger_who_knows_the_id_of_a_session_cannot_make_a_token_for_it():
    """A made-up token must be told from a replayed one: only a replay closes the family."""
    for forged in (
        uuid.UUID(_ONE).bytes + bytes(32),
        uuid.UUID(_ONE).bytes + bytes(16) + OTHERS.first(_ONE).raw[32:],
        OTHERS.first(_ONE).raw,
        TOKENS.first(new_id()).raw[:16] + TOKENS.first(_ONE).raw[16:],
        uuid.UUID(_ONE).bytes + TOKENS.first(new_id()).raw[16:],
        TOKENS.first(_ONE).raw[:32] + TOKENS.first(_ONE).raw[32:][::-1],
    ):
        with pytest.raises(RefreshRefused):
            TOKENS.read("sar_" + base64.urlsafe_b64encode(forged).decode())


def test_a_vandal_who_flips_any_bit_is_noticed():
    raw = TOKENS.first(_ONE).raw
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RefreshRefused):
            TOKENS.read("sar_" + base64.urlsafe_b64encode(changed).decode())


@each(
    "spell",
    [
        str.upper,
        str.lower,
        lambda t: t + "=",
        lambda t: t + "\n",
        lambda t: f" {t}",
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t.replace("sar_", "sa_"),
        lambda t: t.removeprefix("sar_"),
        lambda t: "sar_" + t,
        lambda t: t.replace("_", "/").replace("-", "+"),
        lambda t: t[:10] + "%41" + t[11:],
        lambda t: t[:10] + "\u0410" + t[11:],
        lambda t: t[:10] + "\x00" + t[11:],
        lambda t: "",
        lambda t: "sar_",
        lambda t: "sar_" + "A" * 64,
        lambda t: "sar_" + "A" * 1_000_000,
        lambda t: "\ud800" * 68,
    ],
)
def test_another_spelling_is_no_token(spell):
    with pytest.raises(RefreshRefused):
        TOKENS.read(spell(str(TOKENS.first(_ONE))))


@given(st.text(max_size=80) | st.from_regex(r"sar_[A-Za-z0-9_-]{64}", fullmatch=True))
def test_a_fuzzer_is_refused(text):
    with pytest.raises(RefreshRefused):
        TOKENS.read(text)


def test_the_stored_hash_is_not_the_token():
    token = TOKENS.first(_ONE)
    assert len(token.hash) == 32
    assert token.hash not in token.raw


def test_a_token_does_not_show_itself_in_a_repr():
    token = TOKENS.first(_ONE)
    assert repr(token) == f"<RefreshToken of {_ONE}>"
    assert str(token) not in f"{[token]!r}"


@each("session_id", ["", "not-an-id", "\x00"])
def test_a_session_without_an_id_gets_no_token(session_id):
    with pytest.raises(ValueError, match="UUID"):
        TOKENS.first(session_id)
