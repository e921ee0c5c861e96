"""Lanes: for whom the wrong passwords of an account are counted.

Strangers share one lane for each account. A device that signed in before has a lane of its own, and so has an address from which
somebody signed in lately. Each lane has a count, a delay and a lock of its own: a stranger who floods an account closes the strangers'
lane, and the owner goes past him. Whoever steals a device token gets the few attempts of that one lane, and no password.

Locks follow the account, delays of strangers what they have typed: an account has two names and one lock, and if its delay were one as
well, two wrong passwords with an address and a third with a username would tell by the clock that both are of one account.
"""

import base64
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from secureapi.auth.device_tokens import DeviceToken, Presented
from secureapi.auth.repository import look_back
from secureapi.core.clock import Clock
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.attempts import Kind
from secureapi.users.models import User

STRANGERS, DEVICE, ADDRESS = "strangers", "device", "address"
"""What a lane is called in the trail."""
_KNOWN_FOR = timedelta(days=30)
"""So long an address is known after somebody signed in from it."""
_NOBODY = "00000000-0000-0000-0000-000000000000"
_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Lane:
    """Where one attempt to sign in is counted."""

    kind: str
    key: str
    typed_key: str = ""
    """Where a stranger's attempt is counted besides, for the delay; of nobody else."""
    token: DeviceToken | None = None
    """By which the device is known."""
    is_first_sign_in: bool = False
    """Whether nobody has ever signed in to this account."""

    @property
    def is_known(self) -> bool:
        """Whether it is not that of strangers."""
        return self.kind != STRANGERS


class Lanes:
    """Chooses them."""

    def __init__(self, *, clock: Clock, secret_box: SecretBox, kind: Kind, typed: Kind) -> None:
        """`kind` counts for an account, `typed` for what strangers type."""
        self._clock = clock
        self._secrets = secret_box
        self._kind = kind
        self._typed = typed

    def strangers_of(self, user_id: str) -> str:
        """The key of the lane that everybody has."""
        return self._kind.key(user_id)

    def choose(self, session: Session, user: User | None, typed: str, *, presented: Presented, client: Client) -> Lane:
        """The lane of somebody who names this account, or none; `typed` is a keyed hash of what he typed."""
        since = user.devices_since if user else None
        token = presented.find(user.id, since=since) if user else None
        if user and token:
            device = base64.urlsafe_b64encode(UUID(token.device_id).bytes).rstrip(b"=").decode()
            return Lane(DEVICE, self._kind.key(user.id, "device", device), token=token)
        # Looked for where there is nobody, too: the answer must not come back sooner.
        earliest = self._clock.now() - _KNOWN_FOR
        past = look_back(
            session.connection(), user.id if user else _NOBODY, address=client.address, since=max(earliest, since) if since else earliest
        )
        if user is None:
            return Lane(STRANGERS, self._kind.key(typed[:32]), self._typed.key(typed[:32]))
        if past.was_here and client.address:
            hashed = self._secrets.fingerprint("lane-address", client.address)[:_FINGERPRINT_LENGTH]
            return Lane(ADDRESS, self._kind.key(user.id, "from", hashed))
        return Lane(STRANGERS, self.strangers_of(user.id), self._typed.key(typed[:32]), is_first_sign_in=not past.was_anywhere)
