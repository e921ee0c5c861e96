"""Public OAuth clients that ask about tokens, behind one interface: `introspect(token)` gives the answer, `revoke(token)` nothing.

Each raises `NotUnderstood` with the library's own word when the answer is an error.
"""

from authlib.integrations.requests_client import OAuth2Session

from support.node import NodeError


class NotUnderstood(Exception):
    """The library was told that it may not ask, or did not understand the answer. Says in which words."""


class OpenidClient:
    """npm openid-client, which is told nothing but the issuer."""

    def __init__(self, issuer, credentials, method, programs):
        self._program = programs["openid_client.mjs"]
        self._as = {"issuer": issuer.url, "id": credentials[0], "secret": credentials[1], "method": method}

    def metadata(self):
        return self._ask("metadata")

    def introspect(self, token):
        return self._ask("introspect", token)

    def revoke(self, token):
        assert self._ask("revoke", token) is None

    def _ask(self, what, token=None):
        try:
            return self._program.ask(ask=what, token=token, **{"as": self._as})
        except NodeError as error:
            raise NotUnderstood(error.code) from error

    def close(self):
        pass


class Authlib:
    """Authlib's OAuth2Session on requests."""

    def __init__(self, issuer, credentials, method, programs):
        self._metadata = issuer.house.client().get("/.well-known/oauth-authorization-server").json
        methods = {"token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method}
        self._session = OAuth2Session(*credentials, **methods)

    def introspect(self, token):
        return self._checked(self._session.introspect_token(self._metadata["introspection_endpoint"], token=token)).json()

    def revoke(self, token):
        self._checked(self._session.revoke_token(self._metadata["revocation_endpoint"], token=token))

    @staticmethod
    def _checked(answer):
        if answer.status_code != 200:
            raise NotUnderstood(answer.json()["error"])
        return answer

    def close(self):
        self._session.close()


CLIENTS = {"npm openid-client": OpenidClient, "Authlib": Authlib}
