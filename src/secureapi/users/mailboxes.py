"""Which mailbox an address leads to: another question than whose name it is, which `rules.py` answers.

Two addresses with the same canonical form are one name, and may still be two mailboxes: most mail servers know no ß in `strasse`. So
whoever reads at one of them has not shown that he reads at the other. ASCII letters are the exception: no server in use tells
`Alice@` from `alice@`.
"""

import unicodedata

from secureapi.core.secret_values import SecretBox

_NOWHERE = "no-address.invalid"


def mailbox(address: str) -> str:
    """An address as mail servers take it: composed (NFC, as it is sent), and in small letters where all of it is ASCII."""
    sent = unicodedata.normalize("NFC", address)
    return sent.lower() if sent.isascii() else sent


def no_address(user_id: str) -> str:
    """What an account has that has none. No such name can exist (RFC 6761)."""
    return f"{user_id}@{_NOWHERE}"


def is_no_address(address: str) -> bool:
    """Whether nothing can be sent there, as everybody knows beforehand."""
    return address.endswith(f"@{_NOWHERE}")


def mailbox_hash(secret_box: SecretBox, address: str) -> str:
    """What a link has in the place of the address that it is about."""
    return secret_box.fingerprint("mailbox", mailbox(address))[:32]


def address_hash(secret_box: SecretBox, email_canonical: str) -> str:
    """What the trail has in the place of an address that may be nobody's."""
    return secret_box.fingerprint("address", email_canonical)[:32]


def recipient_hash(secret_box: SecretBox, email_canonical: str) -> str:
    """Whom a budget counts for: `victim+1@` and `victim+2@` are people of their own, and most often one mailbox (RFC 5233)."""
    local_part, _, domain = email_canonical.rpartition("@")
    return secret_box.fingerprint("recipient", f"{local_part.partition('+')[0] or local_part}@{domain}")[:32]
