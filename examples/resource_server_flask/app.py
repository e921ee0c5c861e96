"""A resource server in Flask: it accepts the access tokens of secureapi, and never sees a password.

Configured by the environment: ISSUER is secureapi's PUBLIC_URL, AUDIENCE its JWT_AUDIENCE (PUBLIC_URL, if that is not set).
CLIENT_ID and CLIENT_SECRET, from `flask client add`, are only for endpoints that ask whether a session is still alive.
"""

import os
from functools import wraps

import jwt
import requests
from flask import Flask, abort, g, request

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
CLIENT = os.environ.get("CLIENT_ID", ""), os.environ.get("CLIENT_SECRET", "")

# ---- who is calling: a signature that anybody can check, with keys that are fetched once and remembered for five minutes

KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, timeout=5)
ALGORITHMS = ["ES256", "RS256", "EdDSA"]  # never HS256: whoever could check such a token could also make one
CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"]


def claims_of(token):
    """What the token says, if it is good here and now (RFC 9068 section 4). Raises `jwt.PyJWTError` otherwise."""
    key = KEYS.get_signing_key_from_jwt(token)
    options = {"require": CLAIMS}
    checked = jwt.decode_complete(token, key, algorithms=ALGORITHMS, issuer=ISSUER, audience=AUDIENCE, leeway=10, options=options)
    if checked["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return checked["payload"]


def token_required(*roles):
    """Let only good tokens in and, where roles are named, only theirs."""

    def decorate(view):
        @wraps(view)
        def guarded(**arguments):
            scheme, _, g.token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                return {"detail": "a token is needed"}, 401, {"WWW-Authenticate": "Bearer"}
            try:
                g.claims = claims_of(g.token)
            except jwt.PyJWKClientConnectionError:
                abort(503)  # the keys cannot be had: nothing is wrong with the token
            except jwt.PyJWTError:
                return {"detail": "not a good token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            if roles and g.claims.get("role") not in roles:
                return {"detail": "not for your role"}, 403, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
            return view(**arguments)

        return guarded

    return decorate


app = Flask(__name__)


@app.get("/articles")
@token_required()
def list_articles():
    """Anybody who is signed in."""
    return {"reader": g.claims["sub"], "articles": ["On doors", "On keys"]}


@app.delete("/articles/<int:number>")
@token_required("moderator", "admin")
def remove_article(number):
    """Only some roles."""
    return {"removed": number}


# ---- where a token must die at once: a good signature does not know that its owner has logged out, so secureapi is asked each time


def session_alive(view):
    """Let in only whose session is alive at this moment (RFC 7662). Stands below `token_required`, which refuses rubbish for nothing."""

    @wraps(view)
    def guarded(**arguments):
        try:
            answer = requests.post(f"{ISSUER}/api/v1/auth/introspect", data={"token": g.token}, auth=CLIENT, timeout=5)
            answer.raise_for_status()
            is_alive = answer.json()["active"] is True
        except requests.RequestException:
            abort(503)  # nobody can say, so nobody is let in
        if not is_alive:
            return {"detail": "the session has ended"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return view(**arguments)

    return guarded


@app.post("/payments")
@token_required()
@session_alive
def pay():
    """What must not happen after a logout."""
    return {"payer": g.claims["sub"]}, 201
