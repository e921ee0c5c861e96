"""How gunicorn serves secureapi. What may differ between installations is a setting; the rest is decided here.

`gunicorn` without arguments, in this folder, is the whole command. A reverse proxy belongs in front of it on an open network:
threads read requests, so that a handful of clients who send half a header and wait can hold all of them.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path

import structlog
from gunicorn import glogging, util
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request
from gunicorn.http.wsgi import Response
from gunicorn.workers.base import Worker

from secureapi.core.database import Database
from secureapi.core.identifiers import new_id
from secureapi.core.services import service
from secureapi.security.metrics import FOLDER, Metrics
from secureapi.settings import SettingsRefused, load_settings

try:
    settings = load_settings()
except SettingsRefused as refused:
    # Here and not in a worker: several workers with SQLite, say, must not be started and restarted, they must not start.
    print(refused, file=sys.stderr)  # noqa: T201 - there is no log yet
    sys.exit(1)


# ---- the address and the processes

wsgi_app = "wsgi:app"
_address = f"[{settings.bind_address}]" if ":" in settings.bind_address else settings.bind_address
bind = f"{_address}:{settings.port}"
worker_class = "gthread"  # gevent stalls behind bcrypt and psycopg2
workers = settings.web_concurrency
threads = settings.web_threads
# Built once and then forked: a fault shows before any worker starts, and four workers start in the time of one. What was opened on
# the way must not be shared: `post_fork` sees to the database, and our Redis connections know in which process they were made.
# The price: SIGHUP does not bring a new version or new settings. Restart for those.
preload_app = True
_memory = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - nothing in it is found by name
worker_tmp_dir = _memory  # heartbeats on a disk that is busy make gunicorn kill healthy workers
control_socket_disable = True
max_requests = 0  # no leak is known that restarts would have to hide
max_requests_jitter = 0


# ---- the figures of all workers together

_PREFIX = "secureapi-metrics-"


def _sweep(folder: Path) -> None:
    """Remove a folder of figures whose server is gone: nobody holds its lock any more."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _make_folder() -> str:
    """A folder for the figures of this run, in memory where possible. Its lock is held until the last process of this run has ended."""
    parent = Path(_memory or tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        _sweep(left)
    made = Path(tempfile.mkdtemp(prefix="secureapi-new-", dir=parent))
    fcntl.flock(os.open(made / "lock", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    # It gets the name by which others find it only now that they find it locked.
    return str(made.rename(made.with_name(f"{_PREFIX}{os.getpid()}-{made.name[-8:]}")))


# This file is read again at a SIGHUP, and by the successor after a SIGUSR2, which inherits the variable and not the folder.
if settings.metrics_token and f"/{_PREFIX}{os.getpid()}-" not in os.environ.get(FOLDER, ""):
    os.environ[FOLDER] = _make_folder()


# ---- time

timeout = 30
graceful_timeout = 30
keepalive = 75  # longer than the 60 s of nginx and most balancers, or they would send into a connection that we just close


# ---- what a request may look like

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
header_map = "refuse"  # `X_Forwarded_For` and `X-Forwarded-For` become the same variable: whoever sends the first wants the second
# Nobody is believed here about addresses, schemes or paths. `TRUSTED_PROXIES` is, later, in secureapi.core.proxies.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
proxy_protocol = False


# ---- the log

accesslog = None  # the application writes one line a request, with its id
errorlog = "-"
# That workers come and go is for those who look closely; one line of ours says that the server is ready.
loglevel = "info" if settings.log_level == "DEBUG" else "error" if settings.log_level == "ERROR" else "warning"


class Log(glogging.Logger):
    """gunicorn's lines take the way of the application's: same format, secrets and control characters taken out."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        # `_problem` writes a line of its own about these, with the request id that the client was told.
        self.error_log.addFilter(lambda record: not str(record.msg).startswith("Invalid request from"))


logger_class = Log


def when_ready(server: Arbiter) -> None:
    """Say that the server is ready: it listens, the application is built, and the workers come now."""
    service(Metrics, server.app.callable).begin_process()
    structlog.get_logger("secureapi.server").info("server.ready", listens=str(server.LISTENERS[0]), workers=workers, threads=threads)


def pre_request(worker: Worker, request: Request) -> None:  # noqa: ARG001 - gunicorn's signature
    """Refuse a request without Host (RFC 9112 section 3.2): Werkzeug would fill in the address it came to, which is trusted."""
    if not any(name == "HOST" for name, _ in request.headers):
        raise InvalidHeader("HOST", req=request)


def post_fork(server: Arbiter, worker: Worker) -> None:  # noqa: ARG001 - gunicorn's signature
    """Forget database connections that the first process may have opened: two processes on one socket read each other's rows."""
    service(Database, server.app.callable).dispose(close=False)
    service(Metrics, server.app.callable).begin_process()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget what a worker was that is no more. What it has counted stays counted."""
    service(Metrics, server.app.callable).end_process(worker.pid)


def on_exit(server: Arbiter) -> None:  # noqa: ARG001 - gunicorn's signature
    """Leave no figures behind."""
    if settings.metrics_token:
        shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


def post_worker_init(worker: Worker) -> None:  # noqa: ARG001 - gunicorn's signature
    """Leave Ctrl-C to the first process, which then ends the workers.

    A terminal sends it to all of them. A worker that is interrupted and, in the middle of that, told to quit waits for a lock of its
    own for ever, and is killed only after `graceful_timeout`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# ---- three things that gunicorn has no setting for; tests/journeys/test_gunicorn.py notices when it changes under them

_CODES = {HTTPStatus.NOT_IMPLEMENTED: "not_implemented", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "headers_too_large"}
_gunicorns_headers = Response.default_headers


def _unbranded_headers(response: Response) -> list[str]:
    """The headers that gunicorn adds, without `Server`: which software answers is nobody's business."""
    return [header for header in _gunicorns_headers(response) if not header.startswith("Server:")]


def _problem(client: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer what gunicorn itself refuses as a problem document (RFC 9457). Its message repeats what was sent: only the log has it."""
    code = _CODES.get(status) or reason.lower().replace(" ", "_")
    request_id = new_id()
    document = {
        "type": f"/problems/{code}",
        "title": reason,
        "status": status,
        "detail": "The request could not be understood.",
        "instance": f"/requests/{request_id}",
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(document)
    structlog.get_logger("secureapi.server").info("server.refused", status=status, reason=message, request_id=request_id)
    head = (
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"X-Request-ID: {request_id}",
    )
    util.write_nonblock(client, "\r\n".join((*head, "", body)).encode())


class _Pieces(list[bytes]):
    """Stands in for a connection, and keeps what is sent."""

    sendall = list.append


def _write_at_once(response: Response, data: bytes) -> None:
    """Send the head together with the first piece of the body: two would be two packets, and let go of the interpreter twice."""
    if response.headers_sent:
        _gunicorns_write(response, data)
        return
    connection, response.sock = response.sock, _Pieces()
    try:
        _gunicorns_write(response, data)
    finally:
        pieces, response.sock = response.sock, connection
    connection.sendall(b"".join(pieces))


_gunicorns_write = Response.write
Response.write = _write_at_once
Response.default_headers = _unbranded_headers
util.write_error = _problem
