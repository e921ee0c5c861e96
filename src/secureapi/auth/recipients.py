"""Whom a message of the outbox is for."""

from cryptography.exceptions import InvalidTag

from secureapi.core.database import Database
from secureapi.core.mail import Hopeless, Recipient
from secureapi.core.outbox import Note
from secureapi.core.secret_values import SecretBox
from secureapi.users.repository import CONTACT_BY_ID

_SEALED = "mail-address"


class Recipients:
    """Looks them up at the moment of delivery: the address of an account may have changed meanwhile."""

    def __init__(self, *, database: Database, secret_box: SecretBox) -> None:
        self._database = database
        self._secrets = secret_box

    def seal(self, address: str) -> str:
        """An address for a note or a link, where it must not be looked up later. Whoever reads the tables learns nothing from it."""
        return self._secrets.seal_text(_SEALED, address)

    def unseal(self, sealed: str) -> str | None:
        """The address again; None when SECRET_KEY is another one by now."""
        try:
            return self._secrets.unseal_text(_SEALED, sealed)
        except (InvalidTag, ValueError):
            return None

    def find(self, note: Note) -> Recipient | None:
        """The address that the note itself has, as `sealed_to`, or that of its account. None when there is nobody to tell.

        Raises `Hopeless` where the note's own cannot be read: somebody has to be told, and operators hear of it.
        """
        person = self._database.run(CONTACT_BY_ID, user_id=note.user_id) if note.user_id else None
        sealed = note.details.get("sealed_to")
        if sealed is None:
            return Recipient(person.email, person.username) if person else None
        address = self.unseal(sealed)
        if address is None:
            raise Hopeless("AddressUnreadable")
        name = person.username if person else note.details.get("name")
        return Recipient(address, name) if name else None
