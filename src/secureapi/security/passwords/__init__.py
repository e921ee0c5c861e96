"""Passwords: hashing with a pepper behind a gate, and the policy for new ones."""

from secureapi.security.passwords.generator import generate_password
from secureapi.security.passwords.hasher import PasswordHasher
from secureapi.security.passwords.personal import words_about
from secureapi.security.passwords.policy import MOST_CHARACTERS, PasswordPolicy

__all__ = ["MOST_CHARACTERS", "PasswordHasher", "PasswordPolicy", "generate_password", "words_about"]
