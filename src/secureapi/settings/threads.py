"""How the threads of a worker are shared out among those who wait in one."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Threads:
    """So many of the threads of one worker may be taken at the same time by what waits. Together they leave some to readers."""

    for_readers: int
    """A sixth, rounded up, that nobody may wait in: whatever storms, a request that only reads finds a thread."""
    held: int
    """A quarter for answers that are held while Redis is away, until a copy of what has ended is believed nowhere: seldom, but for long."""
    delayed: int
    """An eighth for whoever is wrong again and again. Few: waiting is his punishment, and others must not pay for it."""
    hashing: int
    """All others for passwords that are hashed or wait for it: the one wait that everybody has who signs in."""

    @classmethod
    def of(cls, threads: int) -> Self:
        """The shares of a worker with so many threads. With fewer than four each still has one, and nothing is left to readers."""
        for_readers, held, delayed = -(-threads // 6), max(1, threads // 4), max(1, threads // 8)
        return cls(for_readers, held, delayed, max(1, threads - for_readers - held - delayed))
