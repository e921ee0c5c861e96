"""Tables of this room: sessions, signing keys, former passwords, API keys, and the clients that ask about tokens."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, LargeBinary, String, Uuid, text
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


class ApiKey(Base):
    """What a program of somebody's may do in his name. Its values, of which only the newest lasts, are rows of their own."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(500))
    """Permissions, separated by spaces. The key has those of them that its owner has at the moment of a request."""
    networks: Mapped[str] = mapped_column(String(1000))
    """From where it may be used: CIDR, separated by spaces; empty for everywhere."""
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    """Null: the general limit."""
    daily_quota: Mapped[int | None] = mapped_column(Integer)
    """Requests a day, in UTC; null: no quota."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    rotated_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    refusal_noted_at: Mapped[datetime | None] = mapped_column(Moment)
    """When the trail last heard that the right value was refused: whoever has one could fill the trail with it."""

    __table_args__ = (Index("ix_api_keys_user_id_revoked_at", "user_id", "revoked_at"),)


class ApiKeyValue(Base):
    """What is kept of one value of a key: enough to find it and to recognise it, and not to use it."""

    __tablename__ = "api_key_values"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    hint: Mapped[str] = mapped_column(String(8), unique=True)
    """The first characters behind `sa_live_`: what a value is found by, and what its owner sees of it later."""
    value_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """A keyed hash of the whole value: see `auth/api_key_values.py`."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    good_until: Mapped[datetime | None] = mapped_column(Moment)
    """When the overlap after a rotation ends; null for the newest value."""


class ApiKeyUsage(Base):
    """How often a key was used on one day (UTC): its quota, its log, and when and from where it was used last."""

    __tablename__ = "api_key_usage"

    key_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    requests: Mapped[int] = mapped_column(Integer)
    last_used_at: Mapped[datetime] = mapped_column(Moment)
    last_address: Mapped[str] = mapped_column(String(45))
