"""Public libraries, each used as its own documentation says a resource server should, behind one interface.

A verifier is made with an issuer, fetches the keys once, and keeps them. `claims(token)` gives what the token says, or raises `Refused`
with the library's own word for why; anything else that it raises is an accident and fails the test. `forget()` is what happens when the
time is over for which it remembers the keys.
"""

import itertools
import warnings

import jwt
import requests
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import errors, jwk
from joserfc import jwt as joserfc_jwt

from support.node import NodeError

with warnings.catch_warnings():
    # Authlib keeps its first API until 2.0, and sends everybody who imports it to joserfc. People still use it.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.jose import JsonWebKey, JsonWebToken
    from authlib.jose.errors import JoseError as AuthlibJoseError

ALGORITHMS = ["ES256", "RS256", "EdDSA"]
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "jti")
TYPE = "at+jwt"


class Refused(Exception):
    """The library did not take the token. Says in which words."""


def _known(issuer):
    with requests.get(issuer.jwks_uri, timeout=10) as answer:
        answer.raise_for_status()
        return answer.json()


def _claim_options(issuer):
    return {name: {"essential": True} for name in CLAIMS} | {
        "iss": {"essential": True, "value": issuer.url},
        "aud": {"essential": True, "value": issuer.audience},
    }


class PyJWT:
    """PyJWT with its own JWKS client."""

    def __init__(self, issuer, programs):
        self._issuer = issuer
        self._keys = jwt.PyJWKClient(issuer.jwks_uri)

    def claims(self, token):
        options = {"require": list(CLAIMS)}
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            checked = jwt.decode_complete(
                token, key, algorithms=ALGORITHMS, issuer=self._issuer.url, audience=self._issuer.audience, options=options
            )
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWTError as error:
            raise Refused(type(error).__name__) from error
        if checked["header"].get("typ") != TYPE:
            raise Refused("typ")
        return checked["payload"]

    def forget(self):
        self._keys.get_jwk_set(refresh=True)


class Joserfc:
    """joserfc, which leaves fetching to its user."""

    def __init__(self, issuer, programs):
        self._issuer = issuer
        self._registry = joserfc_jwt.JWTClaimsRegistry(**_claim_options(issuer))
        self.forget()

    def claims(self, token):
        try:
            read = joserfc_jwt.decode(token, self._keys, algorithms=ALGORITHMS)
            self._registry.validate(read.claims)
        except errors.JoseError as error:
            raise Refused(type(error).__name__) from error
        if read.header.get("typ") != TYPE:
            raise Refused("typ")
        return read.claims

    def forget(self):
        self._keys = jwk.KeySet.import_key_set(_known(self._issuer))


class AuthlibJose:
    """Authlib's first API, deprecated and still there."""

    def __init__(self, issuer, programs):
        self._issuer = issuer
        self._reader = JsonWebToken(ALGORITHMS)
        self.forget()

    def claims(self, token):
        try:
            read = self._reader.decode(token, self._keys, claims_options=_claim_options(self._issuer))
            read.validate()
        except AuthlibJoseError as error:
            raise Refused(type(error).__name__) from error
        except ValueError as error:
            # Its way to say that no key has this id.
            raise Refused(str(error)) from error
        if read.header.get("typ") != TYPE:
            raise Refused("typ")
        return dict(read)

    def forget(self):
        self._keys = JsonWebKey.import_key_set(_known(self._issuer))


class AuthlibResourceServer:
    """Authlib's validator of RFC 9068 tokens. It decides about type and algorithms by itself."""

    def __init__(self, issuer, programs):
        keys = self

        class Validator(JWTBearerTokenValidator):
            def get_jwks(self):
                return keys.known

        self._issuer = issuer
        self._validator = Validator(issuer=issuer.url, resource_server=issuer.audience)
        self.forget()

    def claims(self, token):
        try:
            read = self._validator.authenticate_token(token)
            self._validator.validate_token(read, None, None)
        except InvalidTokenError as error:
            raise Refused(type(error.__cause__).__name__) from error
        return dict(read)

    def forget(self):
        self.known = jwk.KeySet.import_key_set(_known(self._issuer))


class NpmJose:
    """npm jose with its own JWKS client."""

    _numbers = itertools.count()

    def __init__(self, issuer, programs):
        self._program = programs["jose.mjs"]
        self._which = {"verifier": next(self._numbers), "issuer": issuer.url, "audience": issuer.audience}

    def claims(self, token):
        try:
            return self._program.ask(claims=token, **self._which)
        except NodeError as error:
            if not error.code.startswith(("ERR_JW", "ERR_JOSE")):
                raise
            raise Refused(error.code) from error

    def forget(self):
        self._program.ask(reload=True, **self._which)


LIBRARIES = {
    "PyJWT": PyJWT,
    "joserfc": Joserfc,
    "Authlib jose": AuthlibJose,
    "Authlib RFC 9068": AuthlibResourceServer,
    "npm jose": NpmJose,
}
TAKES_NOT = ("EdDSA", "Authlib RFC 9068")
"""It has a list of algorithms of its own, without the name that RFC 9864 has replaced."""
PAIRS = [pair for pair in itertools.product(ALGORITHMS, LIBRARIES) if pair != TAKES_NOT]
"""Every algorithm with every library that takes it."""
