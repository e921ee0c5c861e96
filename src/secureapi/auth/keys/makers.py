"""Making key pairs, and writing down their public halves."""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_RSA_BITS = 3072
_PUBLIC_MEMBERS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e"), "OKP": ("kty", "crv", "x")}
_REQUIRED_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_WRITERS: dict[str, Any] = {"ES256": ECAlgorithm, "EdDSA": OKPAlgorithm, "RS256": RSAAlgorithm}


def make_private_key(algorithm: str) -> Any:
    """A new private key for this algorithm. RSA takes a few tenths of a second, the others no time."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, _RSA_BITS)


def public_jwk(private: Any, algorithm: str) -> dict[str, str]:
    """The public half as a JWK (RFC 7517) with `kid`, `use` and `alg`.

    Its members are picked one by one: whatever else a library may write down about a key, it does not get out.
    """
    written = json.loads(_WRITERS[algorithm].to_jwk(private.public_key()))
    jwk = {name: written[name] for name in _PUBLIC_MEMBERS[written["kty"]]}
    return jwk | {"kid": thumbprint(jwk), "use": "sig", "alg": algorithm}


def thumbprint(jwk: dict[str, str]) -> str:
    """The id of a public key: SHA-256 over its required members in order (RFC 7638 section 3)."""
    canonical = json.dumps({name: jwk[name] for name in _REQUIRED_MEMBERS[jwk["kty"]]}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
