"""Public OAuth clients find out where to ask, ask about tokens and end them: before, during and after a rotation of the keys."""

import jwt
import pytest
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from verifiers.asking import CLIENTS, NotUnderstood
from verifiers.issuer import add_client, issuing

METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def issuer(site):
    """secureapi with the machine's own time: what is expired is not active."""
    with issuing(site, None) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def credentials(issuer):
    return add_client(issuer.house, "articles-1.x")


@pytest.fixture(params=CLIENTS)
def make_client(request, issuer, credentials):
    """`make_client(secret=…, method=…)`: a client of each library in turn."""
    made = []

    def make(*, method="client_secret_basic", secret=credentials[1]):
        programs = request.getfixturevalue("programs") if request.param.startswith("npm") else None
        made.append(CLIENTS[request.param](issuer, (credentials[0], secret), method, programs))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
def method(request):
    """Both ways in which a client may prove who it is."""
    return request.param


def is_let_in(issuer, tokens):
    return issuer.house.client().get("/api/v1/users/me", headers=tokens.headers).status_code == 200


def test_openid_client_needs_nothing_but_the_issuer(issuer, credentials, programs):
    found = CLIENTS["npm openid-client"](issuer, credentials, "client_secret_basic", programs).metadata()

    assert (found["issuer"], found["jwks_uri"]) == (issuer.url, issuer.jwks_uri)
    for endpoint in ("introspection_endpoint", "revocation_endpoint"):
        assert found[endpoint].startswith(f"{issuer.url}/")
        assert set(found[f"{endpoint}_auth_methods_supported"]) == {"client_secret_basic", "client_secret_post"}


def test_authlib_finds_the_metadata_well_formed_but_for_what_we_do_not_offer(issuer, make_settings, site):
    """Over https, as it would be in earnest. We have no token endpoint, which its check of the whole document insists on."""
    house = site.house("embedded", public_url="https://auth.example.com", allowed_hosts=("localhost",))
    metadata = AuthorizationServerMetadata(house.client().get(METADATA).json)
    wrong = {}

    for key in AuthorizationServerMetadata.REGISTRY_KEYS:
        try:
            getattr(metadata, f"validate_{key}")()
        except ValueError as error:
            wrong[key] = str(error)

    assert wrong.keys() == {"token_endpoint", "response_types_supported"}


def test_a_good_token_is_active_and_told_about(issuer, make_client, method):
    tokens = issuer.sign_in()

    client = make_client(method=method)
    access, refresh = client.introspect(tokens.access), client.introspect(tokens.refresh)

    assert (access["active"], access["token_type"], access["iss"], access["aud"]) == (True, "Bearer", issuer.url, issuer.audience)
    assert (refresh["active"], refresh["token_type"]) == (True, "refresh_token")
    assert access["auth_time"] <= access["iat"] < access["exp"] < refresh["exp"]
    assert (access["sub"], access["sid"]) == (refresh["sub"], refresh["sid"])


def test_what_is_revoked_is_over_at_once_and_its_session_with_it(issuer, make_client, method):
    client = make_client(method=method)
    for revoked in ("access", "refresh"):
        tokens = issuer.sign_in()
        assert is_let_in(issuer, tokens)

        client.revoke(getattr(tokens, revoked))

        assert client.introspect(tokens.access) == client.introspect(tokens.refresh) == {"active": False}
        assert not is_let_in(issuer, tokens)


def test_a_bad_token_is_not_active_and_revoking_it_is_no_error(issuer, make_client):
    client = make_client()
    bad = [issuer.forge.by_a_stranger(), issuer.forge.token(iss="https://auth.example.com"), issuer.forge.unsigned(), "rubbish"]

    for token in bad:
        client.revoke(token)

    assert [client.introspect(token) for token in bad] == [{"active": False}] * len(bad)


def test_a_client_with_a_wrong_secret_learns_nothing(issuer, make_client, method):
    client = make_client(method=method, secret="sac_" + "x" * 43)
    tokens = issuer.sign_in()

    with pytest.raises(NotUnderstood, match=r"invalid_client|OAUTH_WWW_AUTHENTICATE_CHALLENGE"):
        client.introspect(tokens.access)
    with pytest.raises(NotUnderstood, match=r"invalid_client|OAUTH_WWW_AUTHENTICATE_CHALLENGE"):
        client.revoke(tokens.access)
    assert is_let_in(issuer, tokens)


def test_authlibs_introspecting_validator_lets_in_the_living_only(issuer, make_client):
    client = make_client()

    class Validator(IntrospectTokenValidator):
        def introspect_token(self, token_string):
            return client.introspect(token_string)

    validator, tokens = Validator(), issuer.sign_in()
    validator.validate_token(validator.authenticate_token(tokens.access), None, None)

    client.revoke(tokens.access)

    with pytest.raises(InvalidTokenError):
        validator.validate_token(validator.authenticate_token(tokens.access), None, None)


def test_a_rotation_of_the_keys_is_nothing_to_who_asks(issuer, make_client):
    client = make_client()
    before = issuer.sign_in()
    assert client.introspect(before.access)["active"]

    issuer.rotate()
    after = issuer.sign_in()
    assert client.introspect(before.access)["active"]
    assert client.introspect(after.access)["active"]

    issuer.retire(jwt.get_unverified_header(before.access)["kid"])
    assert client.introspect(before.access) == {"active": False}
    assert client.introspect(after.access)["active"]
    client.revoke(after.access)
    assert client.introspect(after.access) == {"active": False}
