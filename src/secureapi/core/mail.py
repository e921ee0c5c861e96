"""Mail: from a note of the outbox to a message, and from there to a server (SMTP) or, in development, to a file.

Nothing of an address, a name or a server's answer gets into a log: whoever delivers hears of failures as classes and numbers.
"""

import os
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Protocol

from email_validator import EmailNotValidError, validate_email
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateNotFound, select_autoescape

from secureapi.core.clock import rfc3339
from secureapi.core.outbox import Note
from secureapi.settings import Settings
from secureapi.settings.mail import MailServer, mail_server, sender_parts

LinkTo = Callable[[str, str], str]
"""`(purpose, id)`: the address of a link. What is secret in it is made when the message is written, and is kept nowhere."""
_LINE_LENGTH = 128
_TOPIC = re.compile(r"mail\.([a-z][a-z0-9_]{0,60})")
_PERMANENT = range(500, 600)
_READY = 250
_NOBODY = "no-reply@secureapi.invalid"
"""Who messages in files come from while MAIL_FROM is not set; no such name can ever be resolved (RFC 6761)."""


class DeliveryFailed(Exception):
    """A message was not handed over. `reason` is a class and perhaps a number, fit for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PutOff(DeliveryFailed):
    """Not this message now: trying again later may help."""


class Hopeless(DeliveryFailed):
    """Never this message: trying again will not help."""


class ServerAway(DeliveryFailed):
    """No message now: the server cannot be reached, refuses us, or does not encrypt. It says nothing about the message in hand."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is for, as the account says at the moment of delivery."""

    address: str
    name: str
    """What the greeting says. A username and not a free text: somebody who registers with a stranger's address must not be able to
    have us send the stranger sentences and links of his own."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and its envelope."""

    id: str
    sender: str
    recipient: str
    """The address in the spelling of the envelope: the domain as an A-label (IDNA)."""
    needs_utf8: bool
    """Whether the server must know SMTPUTF8 (RFC 6531), since the part before the @ is not ASCII."""
    content: bytes


class Post(Protocol):
    """Where letters are handed over."""

    def send(self, letter: Letter) -> None:
        """Hand one over; when this returns, somebody else answers for it. Raises `PutOff`, `Hopeless`, `ServerAway`."""
        ...

    def rest(self) -> None:
        """Nothing to do for a while: let go of what is held open."""
        ...


class Composer:
    """Writes messages. Each topic has three templates: `refresh_reused.subject`, `.txt` and `.html`."""

    def __init__(self, settings: Settings, link_to: LinkTo) -> None:
        self._link_to = link_to
        name, address = sender_parts(settings.mail_from) if settings.mail_from else ("", _NOBODY)
        self._sender = Address(one_line(name or settings.app_name), addr_spec=address)
        self._about_us = {"app_name": one_line(settings.app_name), "public_url": settings.public_url}
        self._templates = Environment(
            loader=PackageLoader("secureapi", "templates/mail"),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def compose(self, note: Note, recipient: Recipient) -> Letter:
        """The message of a note. Raises `Hopeless` when there is no template for its topic, or nothing to write to.

        The same note gives the same bytes: whoever gets a message twice can tell by its Message-ID.
        """
        envelope, needs_utf8 = _deliverable(recipient.address)
        name = one_line(recipient.name)
        links = {kind: self._link_to(purpose, link_id) for kind, (purpose, link_id) in note.details.get("links", {}).items()}
        happened_at = note.details.get("happened_at") or rfc3339(note.created_at)
        known = {**self._about_us, **_clean(note.details), "name": name, "happened_at": happened_at, "links": links}
        subject, text, html = self._rendered(note.topic, known)
        message = EmailMessage(policy=SMTP.clone(utf8=needs_utf8))
        message["From"] = self._sender
        local_part, _, domain = envelope.rpartition("@")
        message["To"] = Address(username=local_part, domain=domain)
        message["Subject"] = one_line(subject)
        message["Date"] = note.created_at
        message["Message-ID"] = f"<{note.id}@{self._sender.domain}>"
        # RFC 3834: holiday notes and other machines must not answer.
        message["Auto-Submitted"] = "auto-generated"
        message["Idempotency-Key"] = note.id
        # Quoted-printable: lines of any length, and servers that know only seven bits.
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        message.set_boundary(f"=_{note.id}")
        return Letter(note.id, self._sender.addr_spec, envelope, needs_utf8, _written(message))

    def _rendered(self, topic: str, known: Mapping[str, Any]) -> tuple[str, str, str]:
        found = _TOPIC.fullmatch(topic)
        if not found:
            raise Hopeless("NoTemplate")
        try:
            subject, text, html = (self._templates.get_template(f"{found[1]}.{kind}").render(known) for kind in ("subject", "txt", "html"))
        except TemplateNotFound:
            raise Hopeless("NoTemplate") from None
        return subject, text, html


def one_line(text: str) -> str:
    """Fit for a header: one line of printable characters, of a length that any program shows.

    A line end in a name or a subject would begin a header of its own, as Bcc. Other control characters, direction marks and the
    separators of Unicode are no better: programs differ about what they mean. An encoded word (RFC 2047) hides all of these: the
    library would decode it and write the line ends as they are (CVE-2024-6923).
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("=?", "= ?")[:_LINE_LENGTH]


def _clean(value: Any) -> Any:
    """Details of a note without characters that are none: some come from requests."""
    if isinstance(value, str):
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _written(message: EmailMessage) -> bytes:
    """The message as it is sent. Raises `Hopeless` when its head has other headers than were put into it, however they came there."""
    try:
        content = message.as_bytes()
    except MessageError:
        # Newer versions of the library look for themselves.
        raise Hopeless("ForeignHeader") from None
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    names = [line.partition(b":")[0].decode("ascii", "replace") for line in head.splitlines()]
    if names != list(message.keys()):
        raise Hopeless("ForeignHeader")
    return content


def _deliverable(address: str) -> tuple[str, bool]:
    """The address for the envelope, and whether it needs SMTPUTF8. Raises `Hopeless`."""
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        raise Hopeless("AddressUnusable") from None
    if found.ascii_email:
        return found.ascii_email, False
    return f"{found.local_part}@{found.ascii_domain}", True


class SmtpPost:
    """Hands letters over to a mail server, encrypted and with a login. Holds one connection for as long as there is something to do.

    Not for several threads at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._server: MailServer = mail_server(settings.smtp_url)
        self._must_encrypt = settings.smtp_require_tls
        self._timeout = settings.mail_timeout_seconds
        self._ca_file = settings.smtp_ca_file or None
        # What we say in EHLO. The library would ask the name service who we are, which may take longer than everything else.
        self._name = sender_parts(settings.mail_from)[1].rpartition("@")[2] if settings.mail_from else "localhost"
        self._open: smtplib.SMTP | None = None

    def send(self, letter: Letter) -> None:
        connection = self._connection()
        options = ["SMTPUTF8", "BODY=8BITMIME"] if letter.needs_utf8 else []
        try:
            if letter.needs_utf8 and not connection.has_extn("smtputf8"):
                raise Hopeless("SmtpUtf8Missing")
            connection.sendmail(letter.sender, [letter.recipient], letter.content, mail_options=options)
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
            raise _refusal(error, code) from None
        except smtplib.SMTPSenderRefused as error:
            # The sender is ours, the same in every message: that is mended by an operator, and then the message can go.
            raise PutOff(f"SMTPSenderRefused {error.smtp_code}") from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(error, error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            # The connection broke in the middle. Whether the server has the message nobody knows, so it is sent again.
            self._hang_up()
            raise PutOff(type(error).__name__) from None

    def rest(self) -> None:
        if self._open is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._open.quit()
            self._hang_up()

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connection(self) -> smtplib.SMTP:
        """One that answers: servers close those that were idle, or have carried enough."""
        if self._open is not None:
            with suppress(smtplib.SMTPException, OSError):
                if self._open.rset()[0] == _READY:
                    return self._open
            self._hang_up()
        try:
            self._open = self._connected()
        except smtplib.SMTPResponseException as error:
            raise ServerAway(f"{type(error).__name__} {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise ServerAway(type(error).__name__) from None
        return self._open

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        connection: smtplib.SMTP
        if server.is_tls_from_the_start:
            connection = smtplib.SMTP_SSL(server.host, server.port, self._name, timeout=self._timeout, context=self._tls())
        else:
            connection = smtplib.SMTP(server.host, server.port, self._name, timeout=self._timeout)
        try:
            connection.ehlo_or_helo_if_needed()
            if self._must_encrypt and not server.is_tls_from_the_start:
                # A server, or somebody between us, that does not offer it raises here: nothing is sent in the open instead.
                connection.starttls(context=self._tls())
                connection.ehlo_or_helo_if_needed()
            if server.username:
                connection.login(server.username, server.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca_file)


def _refusal(error: Exception, code: int) -> DeliveryFailed:
    reason = f"{type(error).__name__} {code}"
    return Hopeless(reason) if code in _PERMANENT else PutOff(reason)


class FilePost:
    """Puts letters into a folder, for development. A letter that is sent twice is one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, letter: Letter) -> None:
        target = self._folder / f"{letter.id}.eml"
        draft = target.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What is in a message is for its recipient: nobody else on this machine reads it.
            draft.touch(mode=0o600)
            draft.write_bytes(letter.content)
            draft.replace(target)
        except OSError as error:
            raise ServerAway(type(error).__name__) from None

    def rest(self) -> None:
        """Nothing is held open."""


def post_of(settings: Settings) -> Post | None:
    """Where this installation hands letters over. None where nobody has said: then they are kept."""
    if settings.smtp_url:
        return SmtpPost(settings)
    return FilePost(Path(settings.mail_folder)) if settings.environment in {"development", "testing"} else None
