"""What a file has said before: for a dry run, which leaves nothing in the database that would remember it."""

import sqlite3


class Seen:
    """A set of texts of any size. It is kept in a temporary file of SQLite's, which is gone when this object is."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE seen (kind TEXT, text TEXT, PRIMARY KEY (kind, text)) WITHOUT ROWID")

    def is_first(self, kind: str, text: str) -> bool:
        """Whether nobody asked for this text before."""
        return self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (kind, text)).rowcount == 1

    def close(self) -> None:
        self._connection.close()
