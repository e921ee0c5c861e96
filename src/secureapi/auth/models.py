"""Tables of this room: sessions and signing keys."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.core.database import Base, Moment
from secureapi.core.identifiers import new_id

_ACTIVE = "phase = 'active'"


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

    __table_args__ = (Index("ix_sessions_user_id_ended_at", "user_id", "ended_at"),)


class SigningKey(Base):
    """A key that access tokens are signed with, its private half encrypted."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """JWK thumbprint (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(16))
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    """PKCS 8 in DER, encrypted with a key derived from SECRET_KEY and bound to kid and algorithm."""
    public_jwk: Mapped[str] = mapped_column(String(2048))
    """The public half as JSON (RFC 7517)."""
    phase: Mapped[str] = mapped_column(String(16))
    """`next`, `active`, `retiring` or `retired`."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    retired_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        # Whichever of several workers is first makes the key; the others take it.
        Index("uq_signing_keys_active", "algorithm", unique=True, postgresql_where=text(_ACTIVE), sqlite_where=text(_ACTIVE)),
    )
