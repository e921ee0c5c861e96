"""secureapi on a port of its own, with a clock that the test moves."""

import json
import threading
from contextlib import contextmanager
from datetime import timedelta

from werkzeug.serving import WSGIRequestHandler, make_server

from support.processes import free_port
from verifiers.forging import Forge

JWKS = "/.well-known/jwks.json"


class _Quiet(WSGIRequestHandler):
    """Without a line for every request."""

    def log_request(self, *_arguments):
        pass


class Issuer:
    """One application behind a socket. Counts how often somebody fetches its keys."""

    def __init__(self, house, clock):
        self.house = house
        self.url = house.settings.public_url
        self.audience = house.settings.token_audience
        self.algorithm = house.settings.jwt_algorithm
        self.jwks_uri = self.url + JWKS
        self.forge = Forge(house)
        self.fetches = 0
        self._clock = clock
        self._person = house.person()

    def __call__(self, environ, start_response):
        self.fetches += environ["PATH_INFO"] == JWKS
        return self.house.app(environ, start_response)

    def sign_in(self):
        """The tokens of a new session."""
        return self.house.sign_in(self._person)

    def jwks(self):
        """The published keys, without a fetch that would be counted."""
        answer = self.house.client().get(JWKS)
        assert answer.status_code == 200, answer.text
        return answer.json["keys"]

    def kids(self):
        return {key["kid"] for key in self.jwks()}

    def rotate(self):
        """The next key takes its place, as `flask jwt keys rotate` does it."""
        done = self.house.app.test_cli_runner().invoke(args=["jwt", "keys", "rotate"])
        assert done.exit_code == 0, done.output

    def retire(self, kid):
        """A key ends at once, as `flask jwt keys retire` does it."""
        done = self.house.app.test_cli_runner().invoke(args=["jwt", "keys", "retire", kid, "--yes"])
        assert done.exit_code == 0, done.output

    def end_the_overlap(self):
        """Let so much time pass that retiring keys are over."""
        self._clock.advance(self.house.settings.signing_key_overlap + timedelta(seconds=1))


@contextmanager
def issuing(site, clock, **options):
    """An `Issuer` on SQLite, stopped in the end."""
    port = free_port()
    issuer = Issuer(site.house("embedded", clock=clock, port=port, public_url=f"http://127.0.0.1:{port}", **options), clock)
    with serving(issuer, port):
        yield issuer


@contextmanager
def serving(app, port):
    """A WSGI application behind a socket, in a thread of this process."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def add_client(house, name):
    """Credentials of a service that may ask about tokens: what `flask client add` prints."""
    done = house.app.test_cli_runner().invoke(args=["client", "add", name, "--json"])
    assert done.exit_code == 0, done.output
    return name, json.loads(done.stdout)["client_secret"]
