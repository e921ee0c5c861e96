"""Reading what the settings say about mail: the server, and whom messages come from. Nothing here repeats what it was given in an error."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

_SENDER = re.compile(r"(?:(?P<name>[^<>\"\x00-\x1f\x7f]*)<(?P<inside>[^<>\s]+)>|(?P<alone>[^<>\s]+))")
_PORTS = {"smtp": 587, "smtps": 465}
_HOW_TO_WRITE_IT = (
    "write it as smtp://user:password@mail.example.com:587 (STARTTLS) or smtps://user:password@mail.example.com:465, with special "
    "characters in the password percent-encoded"
)


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """Where messages are handed over. Never printed: it holds a password."""

    host: str
    port: int
    is_tls_from_the_start: bool
    """`smtps`; otherwise STARTTLS."""
    username: str
    password: str

    @property
    def is_this_machine(self) -> bool:
        return self.host in {"localhost", "127.0.0.1", "::1"}


def smtp_url(text: str) -> str:
    """`smtp://` or `smtps://` with a host, and either both of user and password or neither."""
    mail_server(text)
    return text


def mail_server(text: str) -> MailServer:
    """The parts of such an address. Raises `ValueError` with the remedy."""
    try:
        parts = urlsplit(text)
        port = parts.port
        username, password = unquote(parts.username or "", errors="strict"), unquote(parts.password or "", errors="strict")
    except ValueError:
        raise ValueError(_HOW_TO_WRITE_IT) from None
    if parts.scheme not in _PORTS or not _is_only_a_server(parts) or port == 0:
        raise ValueError(_HOW_TO_WRITE_IT)
    if bool(username) != bool(password):
        raise ValueError("give both a user and a password, or neither")
    if not (username + password).isascii() or not (username + password).isprintable():
        raise ValueError("user and password must be printable ASCII: SMTP logins know nothing else")
    return MailServer(parts.hostname or "", port or _PORTS[parts.scheme], parts.scheme == "smtps", username, password)


def _is_only_a_server(parts: SplitResult) -> bool:
    """A password with a / ? or # in it that is not percent-encoded ends the address early: the rest of it would be a path."""
    is_host = bool(parts.hostname) and str(parts.hostname).isascii() and "@" not in parts.netloc.rpartition("@")[0]
    return is_host and parts.path in {"", "/"} and not parts.query and not parts.fragment


def mail_sender(text: str) -> str:
    """`no-reply@example.com`, or `Our service <no-reply@example.com>`."""
    name, address = sender_parts(text)
    return f"{name} <{address}>" if name else address


def sender_parts(text: str) -> tuple[str, str]:
    """The name, perhaps empty, and the address in ASCII. Raises `ValueError` with the remedy."""
    found = _SENDER.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        address = validate_email(found["inside"] or found["alone"], check_deliverability=False, test_environment=True).ascii_email
    except (EmailNotValidError, ValueError):
        address = None
    if found is None or not address:
        raise ValueError('write it as "no-reply@example.com" or "Our service <no-reply@example.com>", the part before the @ in ASCII')
    return (found["name"] or "").strip(), address
