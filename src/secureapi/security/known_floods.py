"""Credentials that were refused to an address that is over its limit: while it is, they are refused again, with a look every ten seconds.

A program that goes on with a key that was revoked would have a query of the database for each request, and so would whoever floods us with
one. Only what was refused is remembered, by the process that refused it: somebody with a good key behind the same address gets in. So
values that are made up anew each time cost a look each, as good ones do: nothing else tells them apart.
"""

import threading
import time
from collections import OrderedDict
from hashlib import blake2b
from os import urandom

from flask import request

from secureapi.core.requests import current_client

_MOST = 4096
"""What is remembered of a flood: 16 bytes and two moments for each."""
_LOOK_AGAIN_SECONDS = 10.0
"""After that there is one more look: it may be good again by then, since a lock has ended, or the limit may be another one."""


class KnownFloods:
    """Remembers until when what the request at hand has brought is not worth another look."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        """When to look again, and when the address has something left, by what was brought."""
        self._lock = threading.Lock()
        self._key = urandom(32)

    def left(self) -> float:
        """For how many seconds it is still refused; 0 where that is to be found out."""
        if not self._until:
            return 0.0
        mark, now = self._mark(), time.monotonic()
        look_again, until = self._until.get(mark, (0.0, 0.0)) if mark else (0.0, 0.0)
        return until - now if now < look_again else 0.0

    def remember(self, seconds: float) -> None:
        """It was refused, and the address has nothing left for so many seconds."""
        mark = self._mark()
        if mark is None:
            return
        with self._lock:
            now = time.monotonic()
            self._until[mark] = (now + min(seconds, _LOOK_AGAIN_SECONDS), now + seconds)
            self._until.move_to_end(mark)
            if len(self._until) > _MOST:
                self._until.popitem(last=False)

    def _mark(self) -> bytes | None:
        """What stands in the headers, and whose it is; None where it is not only that which decides.

        None for the secrets of services as well: wrong ones have a limit of their own, and are written down as far as it goes.
        """
        brought = [request.environ.get(name, "") for name in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY")]
        if "HTTP_COOKIE" in request.environ or not any(brought) or brought[0][:6].lower() == "basic ":
            return None
        whole = "\n".join((current_client().address, *brought))
        return blake2b(whole.encode("utf-8", "surrogateescape"), digest_size=16, key=self._key).digest()
