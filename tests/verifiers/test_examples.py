"""The resource servers of examples/, started as their READMEs say, beside a real secureapi, and attacked."""

import os
import re
import shlex
import sys
import time
from pathlib import Path

import pytest
import requests

from secureapi.security.permissions import Role
from support.live import ROOT
from support.processes import Server, free_port
from verifiers.forging import Forge, tampered, with_the_payload_of
from verifiers.issuer import add_client, serving

NOW = int(time.time())
COMMANDS = {
    "resource_server_flask": "flask --app app run --port 5001",
    "resource_server_fastapi": "uvicorn app:app --port 5002",
}
BAD = {
    "tampered": lambda forge: tampered(forge.token()),
    "another payload": lambda forge: with_the_payload_of(forge.token(), forge.token(role="admin")),
    "a stranger's key under our id": lambda forge: forge.by_a_stranger(),
    "an unknown key": lambda forge: forge.by_a_stranger(head={"kid": "A" * 43}),
    "a key id that is no word": lambda forge: forge.token(head={"kid": ["A"]}),
    "no key id": lambda forge: forge.token(head={"kid": ...}),
    "alg none": lambda forge: forge.unsigned(),
    "HS256 with the public key": lambda forge: forge.with_the_public_key("pem"),
    "expired": lambda forge: forge.token(iat=NOW - 900, nbf=NOW - 900, exp=NOW - 60),
    "no end": lambda forge: forge.token(exp=...),
    "another issuer": lambda forge: forge.token(iss="https://auth.example.com"),
    "another audience": lambda forge: forge.token(aud="https://other.example.com"),
    "another type": lambda forge: forge.token(head={"typ": "JWT"}),
    "a type that is no word": lambda forge: forge.token(head={"typ": 7}),
    "no type": lambda forge: forge.token(head={"typ": ...}),
    "no JWT": lambda forge: "rubbish",
    "a refresh token": lambda forge: "sa_rt_c2VjcmV0",
    "nothing": lambda forge: "",
}


@pytest.fixture(scope="module")
def client(live):
    return add_client(live.house, "articles")


class Example:
    """One of the resource servers, running."""

    def __init__(self, name, *, issuer, audience, client, log):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = shlex.split(re.sub(r"--port \d+", f"--port {port}", COMMANDS[name]))
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        told = {"ISSUER": issuer, "AUDIENCE": audience, "CLIENT_ID": client[0], "CLIENT_SECRET": client[1]}
        self.server = Server(
            [sys.executable, "-W", "error", "-m", *command],
            log=log / f"{name}-{port}.log",
            is_up=self._is_up,
            cwd=ROOT / "examples" / name,
            env=kept | told | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.server.start()

    def ask(self, method, path, token=None, *, scheme="Bearer"):
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        with requests.request(method, self.url + path, headers=headers, timeout=30) as answer:
            return answer.status_code, answer.headers.get("WWW-Authenticate"), answer.json() if answer.ok else answer.content

    def _is_up(self):
        try:
            return self.ask("GET", "/articles")[0] == 401
        except requests.ConnectionError:
            return False


@pytest.fixture(scope="module")
def start_example(site):
    """`start_example(name, issuer=…, …)`: a resource server that is stopped in the end."""
    started = []

    def start(name, **options):
        started.append(Example(name, log=Path(site.addresses.folder), **options))
        return started[-1]

    yield start
    for example in started:
        example.server.stop()


@pytest.fixture(scope="module", params=COMMANDS)
def example(request, live, client, start_example):
    """Each resource server in turn."""
    return start_example(request.param, issuer=live.url, audience=live.settings.token_audience, client=client)


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_they_are_started_as_their_readme_says(name, command):
    readme = (ROOT / "examples" / name / "README.md").read_text()

    assert f"\n{command}\n" in readme


def test_a_token_from_a_login_opens_the_door(example, live):
    person = live.house.person()
    answer = live.post("/api/v1/auth/login", json={"username": person.username, "password": person.password})

    status, _, body = example.ask("GET", "/articles", answer.json["access_token"])

    assert (status, body["reader"]) == (200, person.id)


def test_without_a_token_the_door_says_what_it_wants(example, live):
    assert example.ask("GET", "/articles")[:2] == (401, "Bearer")
    assert example.ask("GET", "/articles", live.house.person().tokens.access, scheme="Basic")[:2] == (401, "Bearer")


def test_a_bad_token_is_refused_everywhere(example, live):
    forge = Forge(live.house)
    assert example.ask("GET", "/articles", forge.token())[0] == 200, "otherwise the refusals below would prove nothing"

    answers = {
        (name, path): example.ask(method, path, make(forge))[:2]
        for name, make in BAD.items()
        for method, path in (("GET", "/articles"), ("DELETE", "/articles/1"), ("POST", "/payments"))
    }

    assert {said for said, answer in answers.items() if answer != (401, 'Bearer error="invalid_token"')} <= {
        ("nothing", "/articles"),
        ("nothing", "/articles/1"),
        ("nothing", "/payments"),
    }
    assert {status for status, _ in answers.values()} == {401}


def test_only_some_roles_may_remove(example, live):
    answers = {role: example.ask("DELETE", "/articles/1", live.house.person(role=role).tokens.access)[:2] for role in Role}

    refused = (403, 'Bearer error="insufficient_scope"')
    assert answers == {Role.VIEWER: refused, Role.USER: refused, Role.MODERATOR: (200, None), Role.ADMIN: (200, None)}


def test_after_a_logout_the_signature_is_still_good_and_the_session_is_not(example, live):
    """What docs/verifying-tokens.md warns of."""
    person = live.house.person()
    tokens = person.tokens
    assert example.ask("GET", "/articles", tokens.access)[0] == 200
    status, _, body = example.ask("POST", "/payments", tokens.access)
    assert (status, body["payer"]) == (201, person.id)

    assert live.post("/api/v1/auth/logout", headers=tokens.headers).status in {200, 204}

    assert example.ask("GET", "/articles", tokens.access)[0] == 200
    assert example.ask("POST", "/payments", tokens.access)[:2] == (401, 'Bearer error="invalid_token"')


class Troubled:
    """An issuer whose keys and answers are what the test says: a status and a body for each path."""

    def __init__(self, **answers):
        self.answers = answers

    def __call__(self, environ, start_response):
        status, body = self.answers[environ["PATH_INFO"].rpartition("/")[2].partition(".")[0]]
        start_response(status, [("Content-Type", "application/json")])
        return [body]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_issuer_in_trouble_opens_no_door(start_example, name, live):
    """Nothing is wrong with the token, so it is no 401; but what cannot be checked is not believed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    keys = live.get("/.well-known/jwks.json").body
    token = Forge(live.house).token(iss=url)
    example = start_example(name, issuer=url, audience=live.settings.token_audience, client=("articles", "secret"))

    assert example.ask("GET", "/articles", token)[:2] == (503, None)
    with serving(trouble := Troubled(jwks=("500 Oh", b"{}")), port):
        assert example.ask("GET", "/articles", token)[:2] == (503, None)
        trouble.answers["jwks"] = ("200 OK", keys)
        assert example.ask("GET", "/articles", token)[0] == 200
        for answer in (("401 Who", b"{}"), ("500 Oh", b"{}"), ("200 OK", b"<html>"), ("429 Slowly", b"{}")):
            trouble.answers["introspect"] = answer
            assert example.ask("POST", "/payments", token)[:2] == (503, None)
        trouble.answers["introspect"] = ("200 OK", b'{"active": "true"}')
        assert example.ask("POST", "/payments", token)[0] == 401
        trouble.answers["introspect"] = ("200 OK", b'{"active": true}')
        assert example.ask("POST", "/payments", token)[0] == 201
    assert example.ask("GET", "/articles", token)[0] == 200, "the keys are remembered"
    assert example.ask("POST", "/payments", token)[0] == 503


def test_the_documentation_shows_what_the_example_does():
    text = (ROOT / "docs/verifying-tokens.md").read_text()
    example = (ROOT / "examples/resource_server_flask/app.py").read_text()

    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

    assert len(snippets) == 3
    assert [snippet for snippet in snippets if snippet not in example] == []
