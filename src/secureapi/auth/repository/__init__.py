"""Every query of this room, a file for each table."""

from secureapi.auth.repository.api_keys import (
    FORGET_USAGE,
    PRESENTED_KEY,
    ApiKeyRepository,
    counting,
    find_shown,
    list_shown,
    list_usage,
    note_refusal,
)
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
    "FORGET_USAGE",
    "PRESENTED_KEY",
    "ROTATE_AND_NOTE",
    "STATE",
    "ApiKeyRepository",
    "ClientRepository",
    "KeyRepository",
    "PasswordHistoryRepository",
    "Rotation",
    "SessionRepository",
    "count_sessions",
    "counting",
    "find_holder",
    "find_presented",
    "find_secret_hash",
    "find_shown",
    "list_living",
    "list_shown",
    "list_usage",
    "look_back",
    "note_refusal",
    "rotate",
]
