"""What public libraries take and refuse when they are set up as docs/verifying-tokens.md says."""

import time

import pytest

from verifiers.forging import tampered, with_the_payload_of
from verifiers.libraries import CLAIMS, PAIRS, TAKES_NOT, Refused

# joserfc warns of the name EdDSA, for which RFC 9864 has others; the tokens are good.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
NOW = int(time.time())
BAD = {
    "tampered": lambda forge: tampered(forge.token()),
    "another payload": lambda forge: with_the_payload_of(forge.token(), forge.token(role="admin")),
    "a stranger's key under our id": lambda forge: forge.by_a_stranger(),
    "an unknown key": lambda forge: forge.by_a_stranger(head={"kid": "A" * 43}),
    "alg none": lambda forge: forge.unsigned(),
    "HS256 with the public key as PEM": lambda forge: forge.with_the_public_key("pem"),
    "HS256 with the public key as JWK": lambda forge: forge.with_the_public_key("jwk"),
    "a header that names another algorithm": lambda forge: forge.token(head={"alg": "ES384"}),
    "expired": lambda forge: forge.token(iat=NOW - 900, nbf=NOW - 900, exp=NOW - 60),
    "not yet good": lambda forge: forge.token(nbf=NOW + 86_400, exp=NOW + 172_800),
    "another issuer": lambda forge: forge.token(iss="https://auth.example.com"),
    "another audience": lambda forge: forge.token(aud="https://other.example.com"),
    "no audience": lambda forge: forge.token(aud=...),
    "no end": lambda forge: forge.token(exp=...),
    "another type": lambda forge: forge.token(head={"typ": "JWT"}),
    "no type at all": lambda forge: forge.token(head={"typ": ...}),
    "no JWT": lambda forge: "c2FfcnQtbm90LWEtand0",
}
TAKES_ALL_THE_SAME = {"Authlib RFC 9068": {"no type at all"}}
"""What a library lets in that it should not, so that whoever uses it knows."""


@pytest.mark.parametrize(("issuer", "library"), PAIRS, indirect=True)
def test_a_token_from_a_login_is_taken_and_says_what_rfc_9068_wants(issuer, make_verifier):
    said = make_verifier().claims(issuer.sign_in().access)

    assert set(CLAIMS) <= said.keys()
    assert (said["iss"], said["aud"], said["client_id"]) == (issuer.url, issuer.audience, "secureapi")
    assert (said["role"], said["amr"], len(said["sid"])) == ("user", ["pwd"], 36)
    assert said["iat"] == said["nbf"] == said["exp"] - issuer.house.settings.access_token_lifetime.total_seconds()
    assert type(said["auth_time"]) is int


@pytest.mark.parametrize(("issuer", "library"), [TAKES_NOT], indirect=True)
def test_one_library_does_not_know_the_name_eddsa(issuer, make_verifier):
    with pytest.raises(Refused, match="UnsupportedAlgorithmError"):
        make_verifier().claims(issuer.sign_in().access)


@pytest.mark.parametrize(("issuer", "library"), PAIRS, indirect=True)
def test_bad_tokens_are_refused(issuer, make_verifier, library):
    verifier = make_verifier()
    assert takes(verifier, issuer.forge.token()), "otherwise the refusals below would prove nothing"

    taken = {name for name, make in BAD.items() if takes(verifier, make(issuer.forge))}

    assert taken == TAKES_ALL_THE_SAME.get(library, set())


def takes(verifier, token):
    try:
        verifier.claims(token)
    except Refused:
        return False
    return True
