"""What public libraries take and refuse when they are set up as docs/verifying-tokens.md says."""

import time

import pytest

from verifiers.forging import tampered, with_the_payload_of
from verifiers.libraries import CLAIMS, Refused

# joserfc warns of the name EdDSA, for which RFC 9864 has others; the tokens are good.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")


@pytest.fixture
def takes_algorithm(issuer, library):
    return (library, issuer.algorithm) != ("Authlib RFC 9068", "EdDSA")


def test_a_token_from_a_login_is_taken_and_says_what_rfc_9068_wants(issuer, make_verifier, takes_algorithm):
    tokens = issuer.sign_in()
    verifier = make_verifier()
    if not takes_algorithm:
        with pytest.raises(Refused, match="UnsupportedAlgorithmError"):
            verifier.claims(tokens.access)
        return

    said = verifier.claims(tokens.access)

    assert set(CLAIMS) <= said.keys()
    assert (said["iss"], said["aud"], said["client_id"], said["role"], said["amr"]) == (
        issuer.url,
        issuer.audience,
        "secureapi",
        "user",
        ["pwd"],
    )
    assert said["sid"]
    assert said["auth_time"] <= said["iat"] == said["nbf"] < said["exp"]


def test_the_forger_in_these_tests_can_make_a_good_one(issuer, make_verifier, takes_algorithm):
    """Otherwise every refusal below would prove nothing."""
    if takes_algorithm:
        assert make_verifier().claims(issuer.forge.token())["iss"] == issuer.url


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
    "not yet good": lambda forge: forge.token(nbf=NOW + 600),
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


def test_bad_tokens_are_refused(issuer, make_verifier, library):
    verifier = make_verifier()

    taken = {name for name, make in BAD.items() if takes(verifier, make(issuer.forge))}

    assert taken == (TAKES_ALL_THE_SAME.get(library, set()) if takes(verifier, issuer.forge.token()) else set())


def takes(verifier, token):
    try:
        verifier.claims(token)
    except Refused:
        return False
    return True
