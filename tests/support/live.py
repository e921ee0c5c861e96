"""The real server: gunicorn with its configuration file, its workers, and a socket to talk to."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from secureapi.settings import Settings
from support.house import House, Person
from support.processes import Server
from support.sample_settings import as_environment

ROOT = Path(__file__).resolve().parents[2]
KEPT = {"PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
"""What a server of the tests inherits of the environment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: http.client.HTTPMessage
    """Looked up in any case; `get_all` for those that come more than once."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Live:
    """gunicorn on a port of its own. Safe for threads: every request has a connection of its own."""

    def __init__(self, settings: Settings, *, house: House, log: Path, environment: dict[str, str]) -> None:
        self.settings = settings
        self.house = house
        """The same database, store and secrets, in this process: for making people and reading events."""
        self.port = settings.port
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        self.environment = kept | as_environment(settings) | {"SECUREAPI_DOTENV": os.devnull} | environment
        """What its processes see."""
        self.server = Server(
            [sys.executable, "-m", "gunicorn"],
            log=log,
            is_up=self._is_up,
            cwd=ROOT,
            env=self.environment,
        )

    def start(self) -> "Live":
        self.server.start()
        return self

    def stop(self) -> int | None:
        """Ask it to stop gracefully; its exit status."""
        return self.server.stop(signal.SIGTERM)

    def log(self) -> str:
        """All that it has written so far, standard output and error together."""
        return self.server.log()

    def close(self) -> None:
        self.server.kill()
        self.house.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: dict[str, str] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        person: Person | None = None,
    ) -> Answer:
        """One request on a new connection. `person` adds the token of that person's first session."""
        sent = dict(headers or {})
        if person is not None:
            sent |= person.headers
        if json is not None:
            body = _json(json)
            sent.setdefault("Content-Type", "application/json")
        if form is not None:
            body = urlencode(form).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body=body, headers=sent)
            with connection.getresponse() as response:
                return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def speak(self, *pieces: bytes, timeout: float = 30) -> bytes:
        """Send bytes as they are, and give back all that is answered until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            # A server that refuses half-way may close before it has read everything.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    connection.sendall(piece)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    answer += piece
            return answer

    def _is_up(self) -> bool:
        try:
            return self.get("/livez").status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
