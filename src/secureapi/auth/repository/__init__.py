"""Every query of this room, a file for each table."""

from secureapi.auth.repository.keys import KeyRepository
from secureapi.auth.repository.sessions import Rotation, SessionRepository, count_sessions, find_state, rotate

__all__ = ["KeyRepository", "Rotation", "SessionRepository", "count_sessions", "find_state", "rotate"]
