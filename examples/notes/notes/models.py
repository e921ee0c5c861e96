"""The table of notes, and who may do what with them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.extension import Base, Moment, NotFound, Ownership, Permission, new_id


class Note(Base):
    """Something that somebody wrote down."""

    __tablename__ = "notes"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_notes_owner_id_id", "owner_id", "id"),)


class NoSuchNote(NotFound):
    """No such note, or none that this caller may see."""

    code = "note_not_found"
    detail = "There is no such note."


NOTES = Ownership(
    model=Note,
    owner=Note.owner_id,
    seen_with=Permission.CONTENT_DELETE,
    deleted_with=Permission.CONTENT_DELETE,
    missing=NoSuchNote,
)
"""Nobody but its owner changes a note. Moderators and administrators may read and delete any."""
