"""What can be done with notes. No Flask here, and no comparing of owners: `NOTES` says who may do what."""

from collections.abc import Sequence

from sqlalchemy import func, select

from notes.models import NOTES, Note
from secureapi.extension import Client, Identity, ObjectAccess, Page, Right, Trail, declare_event

DELETED_BY_ANOTHER = declare_event("notes.note.deleted_by_another", "Somebody deleted a note that was not his own.")


class Notes:
    """Writing, reading, changing and deleting."""

    def __init__(self, *, access: ObjectAccess, trail: Trail) -> None:
        self._access = access
        self._trail = trail

    def write(self, *, text: str, caller: Identity, client: Client) -> Note:
        """A new note of the caller's."""
        with self._access.transaction(caller=caller, client=client) as objects:
            note = Note(owner_id=caller.user_id, text=text, created_at=objects.now)
            objects.session.add(note)
        return note

    def page(self, *, page: int, per_page: int, caller: Identity, client: Client) -> Page:
        """Those that the caller may see, newest first: the condition stands in the list and in the count."""
        visible = NOTES.visible_to(caller)
        with self._access.transaction(caller=caller, client=client) as objects:
            total = objects.session.scalars(select(func.count()).select_from(Note).where(visible)).one()
            listed = select(Note).where(visible).order_by(Note.id.desc()).limit(per_page).offset((page - 1) * per_page)
            return Page(objects.shown(NOTES, objects.session.scalars(listed).all()), total, page, per_page)

    def read(self, *, note_id: str, caller: Identity, client: Client) -> Note:
        """One note. Raises `NoSuchNote` for one that is not there, and for one that this caller may not see."""
        with self._access.transaction(caller=caller, client=client) as objects:
            return objects.get(NOTES, note_id, Right.SEE)

    def change(self, *, note_id: str, text: str, caller: Identity, client: Client) -> Note:
        """Another text. Raises as `read` does, and `NotYours` for one that this caller may only see."""
        with self._access.transaction(caller=caller, client=client) as objects:
            note = objects.get(NOTES, note_id, Right.CHANGE)
            note.text = text
        return note

    def delete(self, *, note_ids: Sequence[str], caller: Identity, client: Client) -> int:
        """Delete all of these, or none; how many. Raises as `read` does when one of them is not for this caller."""
        with self._access.transaction(caller=caller, client=client) as objects:
            notes = objects.get_all(NOTES, note_ids, Right.DELETE)
            for note in notes:
                objects.session.delete(note)
                if note.owner_id != caller.user_id:
                    self._trail.record(
                        objects.session, DELETED_BY_ANOTHER, client=client, actor=caller, subject_id=note.owner_id, note_id=note.id
                    )
        return len(notes)
