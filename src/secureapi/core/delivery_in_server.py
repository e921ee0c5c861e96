"""Delivery by a thread of the server: for the profile in which one process is everything, so that nobody has to start a worker."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from secureapi.core.delivery import Delivery

_log = structlog.get_logger(__name__)
_PAUSE_AFTER_A_FAULT = 60.0


class DeliveryInServer:
    """A WSGI layer that starts the thread with the first request, and then steps aside.

    Not sooner: gunicorn builds the application and forks afterwards, and no thread lives on in a child. Only in a server that runs
    requests in threads itself (PEP 3333, `wsgi.multithread`): a command or a test that makes one request shall not leave one behind.
    """

    is_asked = False

    def __init__(self, app: Callable[..., Iterable[bytes]], delivery: Delivery) -> None:
        self._app = app
        self._delivery = delivery
        self._starting = threading.Lock()
        self._is_started = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self._is_started and environ.get("wsgi.multithread"):
            self._start()
        return self._app(environ, start_response)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def _start(self) -> None:
        with self._starting:
            if self._is_started:
                return
            self._is_started = True
        if not self._delivery.is_possible:
            _log.warning("mail.not_configured", remedy="set SMTP_URL; messages are kept until then")
            return
        # A daemon: whoever stops the server does not wait for a mail server. What it had in hand is sent again.
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._delivery.run(self)
            except Exception as error:  # noqa: BLE001 - nobody would start another one, and messages would silently stay
                _log.exception("outbox.failing", reason=type(error).__name__, exc_info=False)
            time.sleep(_PAUSE_AFTER_A_FAULT)
