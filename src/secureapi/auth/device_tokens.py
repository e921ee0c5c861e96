"""Device tokens: by them a device that signed in before is known again, so that strangers cannot keep it out.

They are no credential. Whoever brings one may try passwords in a lane of his own (see `auth/service/lanes.py`), and nothing more; so
what is wrong with one is never an error, and it is just not there.

A token is good for one account and says which, which device, and since when; a keyed hash behind that (HMAC-SHA256, the first 16
bytes) says that it is ours. Nothing is stored: what ends tokens before their time is `users.devices_since`. A browser that several
people use has a token for each, up to four, joined by dots.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from secureapi.core.clock import Clock
from secureapi.core.identifiers import new_id
from secureapi.core.secret_values import SecretBox
from secureapi.settings import Settings

_KEY = "device-token"
_VERSION = b"\x01"
_MOMENT_BYTES = 8
_TAG_BYTES = 16
_ONE = re.compile(r"[A-Za-z0-9_-]{76}")
"""57 bytes, a multiple of three: there is no other spelling of them."""
_MOST = 4
_LONGEST = _MOST * 77 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """One account that signed in on a device."""

    device_id: str
    user_id: str
    issued_at: datetime
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Presented:
    """What of ours a request has brought: tokens that we made and that are not too old, the newest first."""

    tokens: tuple[DeviceToken, ...] = ()

    @property
    def device_id(self) -> str | None:
        """Which device it is, by its newest token: for whom the guard counts the request."""
        return self.tokens[0].device_id if self.tokens else None

    def find(self, user_id: str, *, since: datetime | None) -> DeviceToken | None:
        """The token of this account, if it was issued after `since`, when its owner had all devices forgotten."""
        mine = (token for token in self.tokens if token.user_id == user_id)
        return next((token for token in mine if since is None or token.issued_at > since), None)


NOTHING = Presented()


class DeviceTokens:
    """Makes and reads them, without the database."""

    def __init__(self, *, settings: Settings, clock: Clock, secret_box: SecretBox) -> None:
        self.lifetime = timedelta(days=settings.device_token_days)
        self._clock = clock
        self._secrets = secret_box

    def read(self, value: str) -> Presented:
        """The good ones among what somebody has sent, which may be anything."""
        if not value or len(value) > _LONGEST:
            return NOTHING
        found = [self._read_one(text) for text in dict.fromkeys(value.split("."))]
        return Presented(tuple(token for token in found if token is not None))

    def issue(self, user_id: str, device_id: str, *, since: datetime | None, beside: Presented = NOTHING) -> str:
        """The value that a device is to bring from now on: a token for this account before those of others that it has.

        `since` is `users.devices_since`. The token is later than that in any case: the clock of whoever set it may be ahead of ours.
        """
        now = self._clock.now()
        issued_at = now if since is None else max(now, since + _TICK)
        others = [token.text for token in beside.tokens if token.user_id != user_id]
        return ".".join([self._made(device_id, user_id, issued_at), *others[: _MOST - 1]])

    def device_for(self, user_id: str, presented: Presented, *, since: datetime | None) -> str:
        """Which device somebody signs in on: the one it says it is, or a new one.

        A new one too where its owner has had it forgotten: whoever made him do so may have a copy of the token, and would otherwise
        go on to use up what is counted for the device.
        """
        has_one = any(token.user_id == user_id for token in presented.tokens)
        if presented.device_id is None or (has_one and presented.find(user_id, since=since) is None):
            return new_id()
        return presented.device_id

    def _made(self, device_id: str, user_id: str, issued_at: datetime) -> str:
        said = _VERSION + UUID(device_id).bytes + UUID(user_id).bytes + ((issued_at - _EPOCH) // _TICK).to_bytes(_MOMENT_BYTES, "big")
        return base64.urlsafe_b64encode(said + self._tag(said)).decode()

    def _read_one(self, text: str) -> DeviceToken | None:
        if not _ONE.fullmatch(text):
            return None
        data = base64.urlsafe_b64decode(text)
        said, tag = data[:-_TAG_BYTES], data[-_TAG_BYTES:]
        if said[:1] != _VERSION or not hmac.compare_digest(tag, self._tag(said)):
            return None
        issued_at = _EPOCH + int.from_bytes(said[-_MOMENT_BYTES:], "big") * _TICK
        if issued_at + self.lifetime <= self._clock.now():
            return None
        return DeviceToken(str(UUID(bytes=said[1:17])), str(UUID(bytes=said[17:33])), issued_at, text)

    def _tag(self, said: bytes) -> bytes:
        return self._secrets.tag(_KEY, said)[:_TAG_BYTES]
