"""Access tokens: short-lived JWTs (RFC 9068) that anybody with the public key can check, and that we check more strictly.

flask-jwt-extended encodes and decodes, with its claims, audience, issuer and key look-up. A token that was verified once is remembered
by its hash until it expires: the signature cannot become wrong later. Whether its session is still alive is asked every time,
elsewhere.
"""

import hashlib
import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
import structlog
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.utils import base64url_decode, base64url_encode

from secureapi.auth.errors import TokenRefused
from secureapi.auth.keys import KeyRing
from secureapi.core.errors import Refusal, Unavailable
from secureapi.core.identifiers import is_id
from secureapi.core.strict_json import parse_json
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_CHARACTERS = 4096
_REMEMBERED = 16_384
_LEEWAY_SECONDS = 10
_TYPE = "at+jwt"
_HEADER = {"typ", "alg", "kid"}
_CLIENT = "secureapi"
"""The `client_id` of tokens that people get by signing in."""
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_HALF = _P256_ORDER // 2
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good access token says."""

    user_id: str
    session_id: str
    token_id: str
    role: str
    authenticated_at: int
    methods: tuple[str, ...]
    issued_at: int
    not_before: int
    expires_at: int
    key_id: str
    """The key that signed it: what it has signed ends with it."""


class AccessTokens:
    """Issues and reads them, for one application."""

    def __init__(self, app: Flask, settings: Settings, keys: KeyRing) -> None:
        self._keys = keys
        self._lifetime = settings.access_token_lifetime
        self._remembered: dict[bytes, Claims] = {}
        self._lock = threading.Lock()
        self._signing = threading.local()
        app.config.update(
            JWT_ALGORITHM=settings.jwt_algorithm,
            JWT_DECODE_ALGORITHMS=["ES256", "RS256", "EdDSA", "HS256"],  # the key that is found decides which of them
            JWT_ACCESS_TOKEN_EXPIRES=settings.access_token_lifetime,
            JWT_ENCODE_AUDIENCE=settings.token_audience,
            JWT_DECODE_AUDIENCE=settings.token_audience,
            JWT_ENCODE_ISSUER=settings.public_url,
            JWT_DECODE_ISSUER=settings.public_url,
            JWT_DECODE_LEEWAY=_LEEWAY_SECONDS,
            JWT_TOKEN_LOCATION=["headers"],
            JWT_COOKIE_CSRF_PROTECT=False,
        )
        manager = JWTManager(app)
        manager.encode_key_loader(lambda _identity: self._signing.key.signs_with)
        manager.decode_key_loader(self._key_for)

    def issue(self, *, user_id: str, session_id: str, role: str, authenticated_at: datetime, methods: str) -> str:
        """A token for a session, good for `ACCESS_TOKEN_EXPIRE_MINUTES`."""
        # Taken once for header and signature: between two looks the ring may have turned.
        key = self._signing.key = self._keys.signing_key()
        token: str = create_access_token(
            user_id,
            additional_claims={
                "sid": session_id,
                "role": role,
                "auth_time": int(authenticated_at.timestamp()),
                "amr": methods.split(),
                "client_id": _CLIENT,
            },
            additional_headers={"typ": _TYPE, "kid": key.kid},
        )
        return _with_low_s(token) if key.algorithm == "ES256" else token

    def read(self, token: str) -> Claims:
        """What a token says. Raises `TokenRefused` for every token that is not exactly one of ours, good now."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._remembered.get(digest)
        if claims is None:
            claims = self._verified(token)
            self._remember(digest, claims)
        if claims.expires_at + _LEEWAY_SECONDS <= time.time() or self._keys.find(claims.key_id) is None:
            self._remembered.pop(digest, None)
            raise TokenRefused
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        with self._lock:
            if len(self._remembered) >= _REMEMBERED:
                for old in list(self._remembered)[: _REMEMBERED // 4]:
                    self._remembered.pop(old, None)
            self._remembered[digest] = claims

    def _verified(self, token: str) -> Claims:
        if len(token) > _MOST_CHARACTERS or not _COMPACT.fullmatch(token) or not _is_canonical(token):
            raise TokenRefused
        try:
            head, payload, signature = token.split(".")
            header = _strictly(head)
            # What we never write is not read: no `crit`, no `jku`, no key that the token brings along.
            if header.keys() != _HEADER or header["typ"] != _TYPE:
                raise TokenRefused
            if header["alg"] == "ES256" and _s_of(signature) > _P256_HALF:
                raise TokenRefused
            decode_token(token)
            claims = _claims_of(_strictly(payload), key_id=header["kid"], longest=int(self._lifetime.total_seconds()))
        except Unavailable:
            # The keys could not be read: nothing is wrong with the token.
            raise
        except (jwt.PyJWTError, JWTExtendedException, Refusal, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            _log.debug("token.refused", reason=type(error).__name__)
            raise TokenRefused from None
        return claims

    def _key_for(self, header: dict[str, Any], _claims: dict[str, Any]) -> Any:
        """The key that the header names, if it belongs to the algorithm that the header names. Nothing else in it is believed."""
        kid, algorithm = header.get("kid"), header.get("alg")
        key = self._keys.find(kid) if isinstance(kid, str) and len(kid) <= 64 else None  # noqa: PLR2004
        if key is None or key.algorithm != algorithm:
            raise jwt.InvalidKeyError
        return key.verifies_with


def _strictly(part: str) -> dict[str, Any]:
    """A part of a token, read as strictly as a body: a claim that stands there twice could be read differently elsewhere."""
    value = parse_json(base64url_decode(part))
    if not isinstance(value, dict):
        raise TypeError
    return value


def _with_low_s(token: str) -> str:
    """An ES256 token in the one spelling of its signature that we accept: (r, s) and (r, n - s) verify alike."""
    signed, _, signature = token.rpartition(".")
    raw, s = base64url_decode(signature), _s_of(signature)
    if s <= _P256_HALF:
        return token
    return f"{signed}.{base64url_encode(raw[:32] + (_P256_ORDER - s).to_bytes(32, 'big')).decode()}"


def _s_of(signature: str) -> int:
    """The second half of an ES256 signature (RFC 7518 section 3.4)."""
    return int.from_bytes(base64url_decode(signature)[32:], "big")


def _claims_of(payload: dict[str, Any], *, key_id: str, longest: int) -> Claims:
    """The claims, if every one is there, of its type, and for no longer than we ever issue. Raises `ValueError` otherwise."""
    words = {name: payload[name] for name in ("sub", "sid", "jti", "role", "type", "aud", "client_id")}
    moments = {name: payload[name] for name in ("exp", "iat", "nbf", "auth_time")}
    methods = payload["amr"]
    if not all(isinstance(word, str) for word in words.values()) or not (is_id(words["sub"]) and is_id(words["sid"])):
        raise ValueError
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise ValueError
    if not all(type(moment) is int for moment in moments.values()) or words["type"] != "access":
        raise ValueError
    if moments["exp"] - moments["iat"] > longest:
        raise ValueError
    return Claims(
        user_id=words["sub"],
        session_id=words["sid"],
        token_id=words["jti"],
        role=words["role"],
        authenticated_at=moments["auth_time"],
        methods=tuple(methods),
        issued_at=moments["iat"],
        not_before=moments["nbf"],
        expires_at=moments["exp"],
        key_id=key_id,
    )


def _is_canonical(token: str) -> bool:
    """Whether every part is spelled in the one way base64url has for it: spare bits at the end must be zero (RFC 4648 section 3.5)."""
    for part in token.split("."):
        spare = {2: 0b1111, 3: 0b11}.get(len(part) % 4, 0)
        if len(part) % 4 == 1 or _ALPHABET.index(part[-1]) & spare:
            return False
    return True
