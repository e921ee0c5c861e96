"""Every query of this room, a file for each table."""

from secureapi.auth.repository.clients import ClientRepository, find_secret_hash
from secureapi.auth.repository.holders import find_holder
from secureapi.auth.repository.keys import KeyRepository
from secureapi.auth.repository.password_history import PasswordHistoryRepository
from secureapi.auth.repository.past_sessions import look_back
from secureapi.auth.repository.sessions import (
    ROTATE_AND_NOTE,
    STATE,
    Rotation,
    SessionRepository,
    count_sessions,
    find_presented,
    list_living,
    rotate,
)

__all__ = [
    "ROTATE_AND_NOTE",
    "STATE",
    "ClientRepository",
    "KeyRepository",
    "PasswordHistoryRepository",
    "Rotation",
    "SessionRepository",
    "count_sessions",
    "find_holder",
    "find_presented",
    "find_secret_hash",
    "list_living",
    "look_back",
    "rotate",
]
