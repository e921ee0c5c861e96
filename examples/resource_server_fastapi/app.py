"""A resource server in FastAPI: it accepts the access tokens of secureapi, and never sees a password.

Configured by the environment: ISSUER is secureapi's PUBLIC_URL, AUDIENCE its JWT_AUDIENCE (PUBLIC_URL, if that is not set).
CLIENT_ID and CLIENT_SECRET, from `flask client add`, are only for endpoints that ask whether a session is still alive.
"""

import os
from typing import Annotated, Any

import jwt
import requests
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
CLIENT = os.environ.get("CLIENT_ID", ""), os.environ.get("CLIENT_SECRET", "")

# ---- who is calling: a signature that anybody can check, with keys that are fetched once and remembered for five minutes

KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, timeout=5)
ALGORITHMS = ["ES256", "RS256", "EdDSA"]  # never HS256: whoever could check such a token could also make one
CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def claims_of(bearer: Bearer) -> dict[str, Any]:
    """What the token says, if it is good here and now (RFC 9068 section 4). A plain function: FastAPI runs it in a thread."""
    if bearer is None:
        raise HTTPException(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    token, options = bearer.credentials, {"require": CLAIMS}
    try:
        key = KEYS.get_signing_key_from_jwt(token)
        checked = jwt.decode_complete(token, key, algorithms=ALGORITHMS, issuer=ISSUER, audience=AUDIENCE, leeway=10, options=options)
        if checked["header"].get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503) from None  # the keys cannot be had: nothing is wrong with the token
    except jwt.PyJWTError:
        raise HTTPException(401, "not a good token", {"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
    return checked["payload"]


Claims = Annotated[dict[str, Any], Depends(claims_of)]


def needs_role(*roles: str) -> Any:
    """A dependency that lets only these roles in."""

    def check(claims: Claims) -> None:
        if claims.get("role") not in roles:
            raise HTTPException(403, "not for your role", {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})

    return Depends(check)


app = FastAPI()


@app.get("/articles")
def list_articles(claims: Claims) -> dict[str, Any]:
    """Anybody who is signed in."""
    return {"reader": claims["sub"], "articles": ["On doors", "On keys"]}


@app.delete("/articles/{number}", dependencies=[needs_role("moderator", "admin")])
def remove_article(number: int) -> dict[str, int]:
    """Only some roles."""
    return {"removed": number}


# ---- where a token must die at once: a good signature does not know that its owner has logged out, so secureapi is asked each time


def claims_of_a_live_session(bearer: Bearer, claims: Claims) -> dict[str, Any]:
    """What the token says, if its session is alive at this moment (RFC 7662). `Claims` has refused rubbish for nothing before."""
    try:
        answer = requests.post(f"{ISSUER}/api/v1/auth/introspect", data={"token": bearer.credentials}, auth=CLIENT, timeout=5)
        answer.raise_for_status()
        is_alive = answer.json()["active"] is True
    except requests.RequestException:
        raise HTTPException(503) from None  # nobody can say, so nobody is let in
    if not is_alive:
        raise HTTPException(401, "the session has ended", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return claims


@app.post("/payments", status_code=201)
def pay(claims: Annotated[dict[str, Any], Depends(claims_of_a_live_session)]) -> dict[str, Any]:
    """What must not happen after a logout."""
    return {"payer": claims["sub"]}
