"""Public libraries through a change of keys: what they take before, during and after it, and whether they have to ask again."""

import jwt
import pytest

from verifiers.libraries import LIBRARIES, PAIRS, Refused

# joserfc warns of the name EdDSA, for which RFC 9864 has others; the tokens are good.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")


@pytest.mark.parametrize(("issuer", "library"), PAIRS, indirect=True)
def test_a_library_goes_through_a_rotation(issuer, make_verifier):
    old = issuer.sign_in().access
    veteran = make_verifier()
    assert veteran.claims(old)["sub"]
    fetched = issuer.fetches
    assert fetched

    issuer.rotate()
    new = issuer.sign_in().access

    assert kid_of(new) != kid_of(old)
    assert veteran.claims(old)["sub"] == veteran.claims(new)["sub"]
    assert issuer.fetches == fetched, "the next key was published before it signed, so nobody has to ask for it"
    newcomer = make_verifier()
    assert newcomer.claims(old)["sub"] == newcomer.claims(new)["sub"]
    assert {kid_of(old), kid_of(new)} < issuer.kids()

    issuer.end_the_overlap()

    assert kid_of(old) not in issuer.kids()
    assert refuses(make_verifier(), old)
    assert veteran.claims(old)["sub"], "it goes by what it remembers, for as long as it does"
    veteran.forget()
    assert refuses(veteran, old)
    assert veteran.claims(new)["sub"]


@pytest.mark.parametrize(("issuer", "library"), [("ES256", library) for library in LIBRARIES], indirect=True)
def test_a_key_that_was_made_after_the_last_look_is_learnt_at_the_next(issuer, make_verifier):
    """Two rotations in a row, as after a theft: the second key was not published yet when the verifier looked."""
    veteran = make_verifier()
    veteran.claims(issuer.sign_in().access)

    issuer.rotate()
    issuer.rotate()
    new = issuer.sign_in().access

    assert refuses(veteran, new), "it has looked a moment ago, and does not look again for everybody's made-up key id"
    veteran.forget()
    assert veteran.claims(new)["sub"]


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def refuses(verifier, token):
    with pytest.raises(Refused):
        verifier.claims(token)
    return True
