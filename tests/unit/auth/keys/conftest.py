"""Rings of signing keys, and what tests need to see and to move behind their back."""

from types import SimpleNamespace

import pytest

from secureapi.auth.keys import KeyRing, bucket
from secureapi.auth.keys import ring as module
from secureapi.core.clock import FrozenClock
from secureapi.core.errors import Unavailable
from secureapi.core.secret_values import SecretBox
from secureapi.security.trail import Trail
from support.key_rows import BEGINNING, SECRET


@pytest.fixture
def clock():
    return FrozenClock(BEGINNING)


@pytest.fixture
def ring_with(database, make_settings, clock):
    """`ring_with(**settings)`: what one worker knows of the keys; call it twice for two workers."""

    def make(*, secret=SECRET, **overrides):
        settings = make_settings(**{"jwt_secret_key": "", **overrides})
        return KeyRing(settings=settings, database=database, secret_box=SecretBox(secret), clock=clock, trail=Trail(clock))

    return make


@pytest.fixture
def later(monkeypatch):
    """`later(seconds)` moves the clock by which what is known grows old."""
    moved = SimpleNamespace(by=0.0)
    real = module.time.monotonic
    stand_in = SimpleNamespace(monotonic=lambda: real() + moved.by)
    monkeypatch.setattr(module, "time", stand_in)
    monkeypatch.setattr(bucket, "time", stand_in)

    def move(seconds):
        moved.by += seconds

    return move


@pytest.fixture
def loads(monkeypatch):
    """One entry for each time that any ring has looked into the database."""
    counted = []
    real = module.KeyRepository.list_usable

    def look(repository):
        counted.append(repository)
        return real(repository)

    monkeypatch.setattr(module.KeyRepository, "list_usable", look)
    return counted


@pytest.fixture
def away(monkeypatch):
    """`away()`: from now on the database cannot be read."""

    def begin():
        def gone(_repository):
            raise Unavailable

        monkeypatch.setattr(module.KeyRepository, "list_usable", gone)

    return begin
