"""Public libraries through a change of keys: what they take before, during and after it, and whether they have to ask again."""

import jwt
import pytest

from verifiers.libraries import Refused

# joserfc warns of the name EdDSA, for which RFC 9864 has others; the tokens are good.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


@pytest.fixture(autouse=True)
def _takes_the_algorithm(issuer, library):
    if (library, issuer.algorithm) == ("Authlib RFC 9068", "EdDSA"):
        pytest.skip("takes no EdDSA: test_good_and_bad_tokens.py says so")


def test_a_verifier_goes_through_a_rotation_without_asking_again(issuer, make_verifier):
    old = issuer.sign_in().access
    verifier = make_verifier()
    assert verifier.claims(old)["sub"]
    fetched = issuer.fetches
    assert fetched

    issuer.rotate()
    new = issuer.sign_in().access

    assert kid_of(new) != kid_of(old)
    assert verifier.claims(old)["sub"] == verifier.claims(new)["sub"]
    assert issuer.fetches == fetched, "the next key was published before it signed"


def test_one_that_comes_during_the_overlap_takes_both(issuer, make_verifier):
    old = issuer.sign_in().access
    issuer.rotate()
    new = issuer.sign_in().access

    verifier = make_verifier()

    assert {kid_of(old), kid_of(new)} < issuer.kids()
    assert verifier.claims(old)["sub"] == verifier.claims(new)["sub"]


def test_after_the_overlap_the_old_key_is_gone(issuer, make_verifier):
    old = issuer.sign_in().access
    veteran = make_verifier()
    veteran.claims(old)
    issuer.rotate()
    issuer.end_the_overlap()
    new = issuer.sign_in().access

    assert kid_of(old) not in issuer.kids()
    with pytest.raises(Refused):
        make_verifier().claims(old)
    assert make_verifier().claims(new)["sub"]
    # It goes on with what it remembers, and no longer.
    assert veteran.claims(old)["sub"] == veteran.claims(new)["sub"]
    veteran.forget()
    with pytest.raises(Refused):
        veteran.claims(old)
    assert veteran.claims(new)["sub"]


def test_two_rotations_in_a_row_are_learnt_at_the_next_look(issuer, make_verifier):
    """The second key was not there yet when the verifier looked: it asks again, or after its cool-down."""
    veteran = make_verifier()
    veteran.claims(issuer.sign_in().access)

    issuer.rotate()
    issuer.rotate()
    new = issuer.sign_in().access
    veteran.forget()

    assert veteran.claims(new)["sub"]
