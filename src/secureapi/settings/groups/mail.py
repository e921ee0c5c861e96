"""Mail: the server, and how often a message is tried."""

from dataclasses import dataclass

from secureapi.settings import mail
from secureapi.settings.fields import setting


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Fields of `Settings`."""

    smtp_url: str = setting(
        "",
        "The mail server: `smtp://user:password@host:587` (encrypted with STARTTLS) or `smtps://user:password@host:465`. Special "
        "characters in the password are percent-encoded. Empty: in development messages go to MAIL_FOLDER as files, elsewhere they "
        "are kept until this is set.",
        group="Mail",
        secret=True,
        parse=mail.smtp_url,
        example="smtp://user:password@mail.example.com:587",
    )
    smtp_require_tls: bool = setting(
        True,
        "Hand over nothing to a server that does not encrypt. Say false aloud for a server on the same host: it is then spoken to in the "
        "open.",
        group="Mail",
    )
    smtp_ca_file: str = setting(
        "", "The certificate authority that signed the mail server's certificate. Empty: the system's.", group="Mail"
    )
    mail_from: str = setting(
        "",
        "Whom messages come from: an address, or a name and an address. Empty: nobody, which will do for files only. The name: APP_NAME.",
        group="Mail",
        parse=mail.mail_sender,
        example="Our service <no-reply@example.com>",
    )
    mail_timeout_seconds: float = setting(
        10.0, "How long the mail server may take for each of its answers.", group="Mail", least=0.1, most=120
    )
    mail_folder: str = setting("var/mail", "Where messages go as files in development, while SMTP_URL is not set.", group="Mail")
    outbox_in_server: str = setting(
        "auto",
        "Whether a thread of the server delivers messages. `auto`: where it is the only worker and has SQLite. Everywhere else "
        "`flask worker` does it.",
        group="Mail",
        choices=("auto", "on", "off"),
    )
    outbox_max_attempts: int = setting(
        12,
        "So many refusals, over about four hours, and nobody tries a message any more: `flask outbox list` shows it.",
        group="Mail",
        least=1,
        most=100,
    )
    outbox_keep_days: int = setting(7, "How long it is remembered that a message was delivered, in days.", group="Mail", least=1, most=3650)
