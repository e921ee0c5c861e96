"""Mallory's workshop: access tokens that are nearly ours, and a door to try them at.

The door is a Flask of its own with a ring of keys in memory; nothing of the rest of the application is behind it.
"""

import base64
import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask
from jwt.algorithms import get_default_algorithms

from secureapi.auth.access_tokens import AccessTokens
from secureapi.auth.errors import TokenRefused
from secureapi.auth.keys import Key
from secureapi.core.identifiers import new_id

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
MINUTES = 15
ALICE, MALLORY = str(uuid.uuid4()), str(uuid.uuid4())
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PRIVATE = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, 2048),
}
SHARED = b"a shared secret of more than thirty-two bytes"

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (FIPS 186-5): with (r, s), (r, ORDER - s) fits the same message."""


class Ring:
    """The keys, without a database: one of each algorithm, the first of them signing."""

    def __init__(self, algorithm="ES256"):
        self.algorithm = algorithm
        self.asked = []
        self.keys = {f"kid-{name}": Key(f"kid-{name}", name, key, key.public_key(), is_active=True) for name, key in PRIVATE.items()}
        self.keys["kid-HS256"] = Key("kid-HS256", "HS256", SHARED, SHARED, is_active=True)

    def signing_key(self):
        return self.keys[f"kid-{self.algorithm}"]

    def find(self, kid):
        self.asked.append(kid)
        return self.keys.get(kid)


class Door:
    """A reader of tokens, and everything that Mallory needs to make one."""

    def __init__(self, make_settings, algorithm="ES256"):
        self.ring = Ring(algorithm)
        self.app = Flask("door")
        settings = make_settings(jwt_algorithm=algorithm, public_url=ISSUER, jwt_audience=AUDIENCE, access_token_expire_minutes=MINUTES)
        self.tokens = AccessTokens(self.app, settings, self.ring)

    def issue(self):
        with self.app.app_context():
            return self.tokens.issue(user_id=ALICE, session_id=new_id(), role="user", authenticated_at=datetime.now(UTC), methods="pwd otp")

    def read(self, token):
        with self.app.app_context():
            return self.tokens.read(token)

    def refuses(self, token):
        began = time.perf_counter()
        with pytest.raises(TokenRefused):
            self.read(token)
        assert time.perf_counter() - began < 2, "a refusal must be cheap"
        assert not self.tokens._remembered
        return True


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims(**changed):
    """What a good token says, with some of it changed; a value of `...` leaves the claim out."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": ALICE,
        "sid": new_id(),
        "jti": new_id(),
        "type": "access",
        "client_id": "secureapi",
        "role": "user",
        "amr": ["pwd"],
        "iat": now,
        "nbf": now,
        "exp": now + 60 * MINUTES,
        "auth_time": now,
    }
    return {name: value for name, value in (usual | changed).items() if value is not ...}


def header(**changed):
    usual = {"alg": "ES256", "typ": "at+jwt", "kid": "kid-ES256"}
    return {name: value for name, value in (usual | changed).items() if value is not ...}


def signed(head, payload, *, key=None, algorithm="ES256"):
    """A token with this header and payload, as objects or as text, signed as `algorithm` says, whatever the header says."""
    key = PRIVATE[algorithm] if key is None else key
    parts = [b64(part if isinstance(part, str | bytes) else json.dumps(part)) for part in (head, payload)]
    signature = get_default_algorithms()[algorithm].sign(".".join(parts).encode(), key)
    if algorithm == "ES256":
        signature = with_low_s(signature)
    return ".".join([*parts, b64(signature)])


def with_low_s(signature):
    """The one of the two signatures that we would have written."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, ORDER - s).to_bytes(32, "big")


def as_secret(public, spelling):
    """A public key as bytes, in one of the spellings in which it is published."""
    encoding, formats = serialization.Encoding, serialization.PublicFormat
    name = "RS256" if isinstance(public, rsa.RSAPublicKey) else "ES256" if isinstance(public, ec.EllipticCurvePublicKey) else "EdDSA"
    pem = public.public_bytes(encoding.PEM, formats.SubjectPublicKeyInfo)
    jwk = get_default_algorithms()[name].to_jwk(public, as_dict=True)
    coordinate = jwk.get("x", jwk.get("n")).encode()
    return {
        "pem": pem,
        "pem without its last line break": pem.strip(),
        "der": public.public_bytes(encoding.DER, formats.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(encoding.OpenSSH, formats.OpenSSH),
        "jwk": json.dumps(jwk).encode(),
        "jwk sorted": json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode(),
        "point": public.public_bytes(encoding.X962, formats.UncompressedPoint) if name == "ES256" else coordinate,
        "x": coordinate,
    }[spelling]
