"""The table of accounts."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, Computed, Index, Integer, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.core.database import Base, Moment
from secureapi.core.identifiers import new_id
from secureapi.users.rules import CANONICAL_LENGTH

_ENDING = text("locked_until IS NOT NULL")
_WORD = """
    CASE WHEN status = 'active' AND invited_at IS NULL THEN 'active'
         WHEN status = 'active' THEN 'invited'
         WHEN locked_at IS NULL THEN 'disabled'
         WHEN locked_until IS NULL THEN 'locked'
         WHEN invited_at IS NULL THEN 'ending'
         ELSE 'ending-invited' END
"""
_ORDERS = {"created_at_id": ("created_at", "id"), "username": ("username_canonical", "id"), "email": ("email_canonical",)}
_NAMES = {"username_canonical": 'COLLATE "POSIX"', "email_canonical": 'COLLATE "POSIX"'}
"""In the order of bytes, by another name than in the unique indexes: see `same_order`."""


class Status(StrEnum):
    """Whether an account may be used."""

    ACTIVE = "active"
    DISABLED = "disabled"


class ListedAs(StrEnum):
    """What the row of an account says that it is, whatever the time: what lists find it by."""

    ACTIVE = "active"
    INVITED = "invited"
    DISABLED = "disabled"
    LOCKED = "locked"
    """Until somebody lifts the lock."""
    ENDING = "ending"
    """Locked until a moment. Whether that has come, no row can say."""
    ENDING_INVITED = "ending-invited"
    """The same, of an account whose owner has not come yet."""


def _bytewise(length: int) -> String:
    """Text that is compared and sorted as bytes, whatever the order of the database: so that one index finds beginnings, and sorts."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class User(Base):
    """An account."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(50))
    username_canonical: Mapped[str] = mapped_column(_bytewise(50), unique=True)
    """`canonical_text(username)`: what makes names unique, and what is looked for."""
    email: Mapped[str] = mapped_column(String(254))
    """As typed; messages go to this spelling."""
    email_canonical: Mapped[str] = mapped_column(_bytewise(CANONICAL_LENGTH), unique=True)
    """`canonical_email(email)`; folding can make a text longer."""
    email_number: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Which address of the account this is: one more at each change. Links remember it: of two it says which was sent to the earlier
    address, and no clock does.
    """
    email_verified_at: Mapped[datetime | None] = mapped_column(Moment)
    pending_email: Mapped[str | None] = mapped_column(String(254))
    """Where this account wants its messages, as soon as whoever reads there has confirmed it."""
    password_hash: Mapped[str] = mapped_column(String(255))
    password_changed_at: Mapped[datetime] = mapped_column(Moment)
    password_refused_since: Mapped[datetime | None] = mapped_column(Moment)
    """Since when the password opens nothing any more, because its owner says that somebody else knows it. Another one ends this."""
    devices_since: Mapped[datetime | None] = mapped_column(Moment)
    """Devices that signed in before this moment are not known any more."""
    full_name: Mapped[str | None] = mapped_column(String(100))
    bio: Mapped[str | None] = mapped_column(String(500))
    website: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    locked_at: Mapped[datetime | None] = mapped_column(Moment)
    """Since when an administrator has it locked. Its status is `disabled` for so long: whoever asks for active accounts and knows nothing
    of locks lets nobody in. Wrong passwords lock lanes, and not the account: see `auth/service/lanes.py`.
    """
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    """When the lock falls by itself; null: when an administrator lifts it. Nobody comes by to lift it: see `is_active_at`."""
    lock_reason: Mapped[str | None] = mapped_column(String(200))
    """What administrators tell one another about the lock."""
    invited_at: Mapped[datetime | None] = mapped_column(Moment)
    """When its owner was sent the newest invitation, for as long as he has not accepted one: until the account has a password of his."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        # Kept by the database, and for its indexes alone: what the row says, and the same behind the role. See `ListedAs`, `lists.py`.
        Column("listed_as", String(16), Computed(_WORD, persisted=True)),
        Column("listed_under", String(48), Computed(f"role || ' ' || {_WORD}", persisted=True)),
        Index("ix_users_role", "role"),
        *(
            Index(f"ix_users_{by}_{order}", by, *columns, postgresql_ops=_NAMES)
            for by in ("listed_as", "listed_under")
            for order, columns in _ORDERS.items()
        ),
        Index("ix_users_locked_until", "locked_until", postgresql_where=_ENDING, sqlite_where=_ENDING),
    )
    __mapper_args__ = {"exclude_properties": ["listed_as", "listed_under"]}  # noqa: RUF012 - read once, by SQLAlchemy

    def move_to(self, email: str, *, canonical: str, verified_at: datetime | None) -> None:
        """Give the account another address: the only way in which one changes."""
        self.email, self.email_canonical, self.email_verified_at = email, canonical, verified_at
        self.email_number += 1

    def is_active_at(self, moment: datetime) -> bool:
        """Whether it may be used: a lock with an end falls by itself when that has come, though the row says what it said."""
        return self.status == Status.ACTIVE or (self.locked_until is not None and self.locked_until <= moment)

    def lock(self, *, at: datetime, until: datetime | None, reason: str | None) -> None:
        """Let nobody use it."""
        self.status = Status.DISABLED.value
        self.locked_at, self.locked_until, self.lock_reason = at, until, reason

    def set_status(self, status: Status) -> None:
        """Active or disabled from now on, and locked in no case."""
        self.status = status.value
        self.locked_at = self.locked_until = self.lock_reason = None

    @property
    def is_email_verified(self) -> bool:
        return self.email_verified_at is not None


class PendingRegistration(Base):
    """An account that somebody wants, while nobody has confirmed that the address is his. It holds neither the name nor the address."""

    __tablename__ = "pending_registrations"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(50))
    email: Mapped[str] = mapped_column(String(254))
    email_canonical: Mapped[str] = mapped_column(String(CANONICAL_LENGTH), index=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    full_name: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class CustomRole(Base):
    """A role that administrators defined, over the permissions of the code."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    description: Mapped[str] = mapped_column(String(200))
    rank: Mapped[int] = mapped_column(Integer)
    """Below that of whoever defined it; see `RANK_OF`."""
    permissions: Mapped[str] = mapped_column(String(1000))
    """Their names, separated by spaces. One that the code does not know any more counts for nothing."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
