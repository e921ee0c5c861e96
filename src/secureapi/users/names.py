"""Names and addresses that cannot be had, whoever asks."""

from secureapi.core.errors import Fault, Invalid
from secureapi.users.rules import canonical_email, is_reserved


def refuse_reserved(username: str) -> None:
    """Raise `Invalid` for a username that would be taken for the service itself, or for the id of an account."""
    if is_reserved(username):
        raise Invalid(faults=[Fault("/username", "reserved", "This username is reserved.")])


def canonical_or_refused(email: str) -> str:
    """The canonical form of an address. Raises `Invalid` when it is none."""
    try:
        return canonical_email(email)
    except ValueError:
        raise Invalid(faults=[Fault("/email", "email", "This is not an email address.")]) from None
