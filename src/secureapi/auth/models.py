"""Tables of this room: sessions, signing keys, former passwords, and the clients that ask about tokens."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.core.database import Base, Moment
from secureapi.core.identifiers import new_id

_ACTIVE = "phase = 'active'"
_NEXT = "phase = 'next'"


class Phase(StrEnum):
    """The life of a signing key, in this order and never back."""

    NEXT = "next"
    """Published, so that every verifier knows it before it signs."""
    ACTIVE = "active"
    """Signs; one for each algorithm."""
    RETIRING = "retiring"
    """Signs no more; what it has signed is still good."""
    RETIRED = "retired"
    """Verifies nothing. Its private half has been removed."""


class UserSession(Base):
    """A sign-in and all refresh tokens that follow from it: one family, of which only the newest token is good."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of the one refresh token that is good."""
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """SHA-256 of the token before it, for the grace after a rotation."""
    rotated_at: Mapped[datetime | None] = mapped_column(Moment)
    generation: Mapped[int] = mapped_column(Integer, default=0)
    """How often the family was rotated."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime] = mapped_column(Moment)
    idle_expires_at: Mapped[datetime] = mapped_column(Moment)
    """When it ends unless it is refreshed."""
    expires_at: Mapped[datetime] = mapped_column(Moment)
    """When it ends however often it is refreshed."""
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    authenticated_at: Mapped[datetime] = mapped_column(Moment)
    methods: Mapped[str] = mapped_column(String(64))
    """How the owner proved who he is: `amr` values (RFC 8176) separated by spaces."""
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(256))
    device_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Which device signed in, where that is known: see `auth/device_tokens.py`."""

    __table_args__ = (
        Index("ix_sessions_user_id_ended_at", "user_id", "ended_at"),
        Index("ix_sessions_user_id_address_created_at", "user_id", "address", "created_at"),
    )


class FormerPassword(Base):
    """The hash of a password that an account had before. Only the last PASSWORD_HISTORY of each account are kept."""

    __tablename__ = "password_history"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    """Counted up under the lock of the account's row: the higher, the newer."""
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"))
    password_hash: Mapped[str] = mapped_column(String(255))
    """As it was in `users`."""
    replaced_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_password_history_user_id_id", "user_id", "id"),)


class SigningKey(Base):
    """A key that access tokens are signed with, its private half encrypted."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """JWK thumbprint (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(16))
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    """PKCS 8 in DER, encrypted with a key derived from KEY_ENCRYPTION_KEY (or SECRET_KEY) and bound to kid and algorithm. Empty once
    the key is retired."""
    public_jwk: Mapped[str] = mapped_column(String(2048))
    """The public half as JSON (RFC 7517)."""
    phase: Mapped[str] = mapped_column(String(16))
    """A `Phase`."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    activated_at: Mapped[datetime | None] = mapped_column(Moment)
    """Since when it signs. Its age, for rotation, counts from here."""
    verifies_until: Mapped[datetime | None] = mapped_column(Moment)
    """When a retiring key is over, whether or not anybody has come by to retire it."""
    retired_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        # Whichever of several workers is first makes the key; the others take it.
        Index("uq_signing_keys_active", "algorithm", unique=True, postgresql_where=text(_ACTIVE), sqlite_where=text(_ACTIVE)),
        Index("uq_signing_keys_next", "algorithm", unique=True, postgresql_where=text(_NEXT), sqlite_where=text(_NEXT)),
    )


class ApiClient(Base):
    """A service that may ask whether a token is good (RFC 7662), or that a token be revoked (RFC 7009)."""

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The `client_id`, chosen by whoever adds it."""
    description: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of the secret, which has 256 random bits, so that a slow hash would protect nothing."""
    created_at: Mapped[datetime] = mapped_column(Moment)
