"""A mail server for tests: real SMTP with STARTTLS and a login, on a free port of this machine. It keeps what it is given.

`reply` and `content_reply` are what it says to a recipient and to a message; `hold` makes it keep silent about messages until
`release` is called. Who was refused at the door (no TLS, no login) never gets so far.
"""

import asyncio
import email.policy
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Self

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from support.processes import free_port, until

USER, PASSWORD = "secureapi", "p@ss/word:1"
IN_URL = "secureapi:p%40ss%2Fword%3A1"


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came in."""

    sender: str
    recipient: str
    content: bytes
    is_encrypted: bool
    login: str | None
    peer: object

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def key(self) -> str:
        """The one idempotency header that it must have."""
        (key,) = self.message.get_all("Idempotency-Key")
        return str(key)


class MailSink:
    """`with MailSink(folder) as sink:`; options are those of aiosmtpd's SMTP."""

    def __init__(
        self, folder: Path, *, port: int = 0, offers_tls: bool = True, has_login: bool = True, dies_in_content: int = 0, **options: object
    ) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "mail-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.port = port or free_port()
        self.received: list[Received] = []
        self.seen = 0
        """Messages that came in whole, whatever was said about them."""
        self.peers: set[object] = set()
        self.connections: set[SMTP] = set()
        """Those that are open."""
        self.reply: Callable[[str], str] = lambda _recipient: "250 OK"
        self.content_reply: Callable[[Received], str] = lambda _received: "250 OK"
        self.hold: Callable[[Received], bool] = lambda _received: False
        self.dies_in_content = dies_in_content
        """So many messages it cuts off in the middle."""
        self.hangs_up_after_each = False
        self.in_hand: dict[object, Received] = {}
        """By peer: the message that it gets no answer about, while it waits for one."""
        self._released: asyncio.Event | None = None
        self._lock = threading.Lock()
        tls = {"tls_context": context, "require_starttls": True} if offers_tls else {}
        login = {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": offers_tls} if has_login else {}
        self._controller = _Controller(self, hostname="localhost", port=self.port, **({"enable_SMTPUTF8": True} | tls | login | options))

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        # Before the loop ends: what it has not closed by then is closed by nobody.
        self._controller.loop.call_soon_threadsafe(self._hang_up)
        until(lambda: not self.connections)
        self._controller.stop()

    def _hang_up(self) -> None:
        for server in self.connections:
            if server.transport is not None:
                server.transport.abort()

    def url(self, credentials: str = IN_URL) -> str:
        return f"smtp://{credentials}@localhost:{self.port}" if credentials else f"smtp://localhost:{self.port}"

    def settings(self, credentials: str = IN_URL) -> dict[str, object]:
        """What an application is told about it."""
        return {"smtp_url": self.url(credentials), "smtp_ca_file": str(self.ca_file), "mail_from": "Our service <no-reply@example.com>"}

    def release(self) -> None:
        """Answer those who were kept waiting, and keep nobody waiting from now on."""
        self.go_on(lambda _received: False)

    def go_on(self, hold: Callable[[Received], bool]) -> None:
        """Answer those who were kept waiting, and from now on keep others."""

        is_done = threading.Event()

        def answer() -> None:
            self.hold = hold
            self.in_hand.clear()
            if self._released is not None:
                self._released.set()
                self._released = None
            is_done.set()

        self._controller.loop.call_soon_threadsafe(answer)
        is_done.wait()

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, auth_data: object) -> AuthResult:
        is_right = isinstance(auth_data, LoginPassword) and (auth_data.login, auth_data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False, auth_data=auth_data.login if is_right else None)

    # ---- what aiosmtpd asks

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        answer = self.reply(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        (recipient,) = envelope.rcpt_tos
        login = session.auth_data.decode() if session.auth_data else None
        received = Received(envelope.mail_from, recipient, envelope.original_content, session.ssl is not None, login, session.peer)
        with self._lock:
            self.seen += 1
            self.peers.add(session.peer)
        answer = self.content_reply(received)
        if answer.startswith("2"):
            with self._lock:
                self.received.append(received)
        if self.hold(received):
            self._released = self._released or asyncio.Event()
            self.in_hand[session.peer] = received
            try:
                await self._released.wait()
            finally:
                self.in_hand.pop(session.peer, None)
        return answer


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


class _Server(SMTP):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.event_handler.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.connections.discard(self)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        sink: MailSink = self.event_handler
        if sink.dies_in_content:
            sink.dies_in_content -= 1
            await self.push("354 go on")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)
        if sink.hangs_up_after_each:
            self.transport.close()
