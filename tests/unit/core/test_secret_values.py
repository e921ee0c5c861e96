import hashlib
import hmac

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from secureapi.core.secret_values import SecretBox
from support.each import each

BOX = SecretBox("a secret of an installation, long enough")


def test_each_purpose_has_a_key_of_its_own_and_so_has_each_installation():
    keys = {BOX.key("a"), BOX.key("b"), SecretBox("another").key("a"), SecretBox("another").key("b")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


def test_a_key_is_the_same_after_a_restart():
    """HKDF-SHA256 (RFC 5869) done by hand: extract with no salt, expand one block."""
    extracted = hmac.digest(bytes(32), b"the secret", "sha256")
    assert SecretBox("the secret").key("p") == hmac.digest(extracted, b"secureapi/p\x01", "sha256")


@given(st.text())
def test_a_fingerprint_takes_any_text_and_is_keyed(text):
    printed = BOX.fingerprint("p", text)
    assert printed == BOX.fingerprint("p", text)
    assert len(printed) == 64
    assert printed not in {
        BOX.fingerprint("q", text),
        SecretBox("another").fingerprint("p", text),
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    }


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_what_was_sealed_comes_out_again(plain, context):
    assert BOX.unseal("p", BOX.seal("p", plain, context=context), context=context) == plain


def test_one_plain_text_is_never_sealed_twice_alike():
    assert len({BOX.seal("p", b"same", context=b"") for _ in range(100)}) == 100


def test_a_thief_with_the_table_cannot_move_a_sealed_value_to_another_place():
    sealed = BOX.seal("p", b"private key", context=b"kid-1")
    for box, purpose, context in ((BOX, "p", b"kid-2"), (BOX, "q", b"kid-1"), (SecretBox("another"), "p", b"kid-1"), (BOX, "p", b"")):
        with pytest.raises(InvalidTag):
            box.unseal(purpose, sealed, context=context)


def test_a_vandal_who_flips_any_bit_is_noticed():
    sealed = BOX.seal("p", b"x", context=b"c")
    for position in range(len(sealed)):
        with pytest.raises(InvalidTag):
            BOX.unseal("p", sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :], context=b"c")


@each("length", [0, 7, 8, 12, 27, 28])
def test_a_vandal_who_cuts_a_value_short_is_noticed_in_the_same_way(length):
    """At any length: a value cut to less than a nonce must not become another kind of error."""
    sealed = BOX.seal("p", b"x", context=b"c")[:length]
    with pytest.raises(InvalidTag):
        BOX.unseal("p", sealed, context=b"c")


def test_a_box_does_not_show_its_secret():
    assert "secret of an installation" not in repr(BOX)
    assert "secret of an installation" not in str(BOX)
