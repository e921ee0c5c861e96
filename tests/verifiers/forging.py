"""Tokens that an attacker would like to have: made with the key that really signs, which no attacker has."""

import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from secureapi.auth.keys import KeyRing
from support.forger import as_secret, b64, claims, signed

STRANGERS = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
"""Keys that are nobody's."""


class Forge:
    """The keys of one installation in Mallory's dreams."""

    def __init__(self, house):
        self._house = house

    @property
    def key(self):
        """What signs at this moment."""
        return self._house.service(KeyRing).signing_key()

    def token(self, *, head=None, key=None, algorithm=None, **changed):
        """A token like a good one but for what is said (`...` leaves it out), signed with the real key unless another is given."""
        real, settings = self.key, self._house.settings
        usual = {"alg": real.algorithm, "typ": "at+jwt", "kid": real.kid} | (head or {})
        said = {"iss": settings.public_url, "aud": settings.token_audience, "client_id": "secureapi"} | changed
        written = {name: value for name, value in usual.items() if value is not ...}
        return signed(written, claims(**said), key=real.signs_with if key is None else key, algorithm=algorithm or real.algorithm)

    def by_a_stranger(self, **options):
        """A good token but for the key."""
        algorithm = self.key.algorithm
        return self.token(key=STRANGERS[algorithm], algorithm=algorithm, **options)

    def with_the_public_key(self, spelling):
        """HS256 with what everybody knows: the oldest trick."""
        return self.token(head={"alg": "HS256"}, key=as_secret(self.key.verifies_with, spelling), algorithm="HS256")

    def unsigned(self):
        """A good token but for `alg: none` and no signature."""
        _, payload, _ = self.token().split(".")
        return f"{b64(json.dumps({'alg': 'none', 'typ': 'at+jwt', 'kid': self.key.kid}))}.{payload}."


def tampered(token):
    """Another signature, just as long."""
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{signature[:-9]}{'A' if signature[-9] != 'A' else 'B'}{signature[-8:]}"


def with_the_payload_of(token, other):
    """A good header and a good signature around what somebody else may do."""
    head, _, signature = token.split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"
