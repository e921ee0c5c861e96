"""Messages that an application has put into a folder, as in development: read, and the links taken out of them."""

import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from secureapi.core.delivery import Delivery
from support.house import House

_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    to: str
    subject: str
    text: str
    html: str

    @property
    def links(self) -> list[str]:
        """The addresses in it that lead to pages with a token."""
        return [found for found in _LINK.findall(self.text) if "#" in found]

    @property
    def link(self) -> str:
        """The only one."""
        (found,) = self.links
        return found

    @property
    def token(self) -> str:
        """What whoever opens the only link presents."""
        return self.link.partition("#")[2]


class Letters:
    """A folder of them. Give `settings` to the application, and look with `new()` at what came since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self.settings = {"mail_folder": str(folder)}

    def new(self) -> list[Message]:
        """Those that came since the last look, the oldest first."""
        fresh = sorted(set(self._folder.glob("*.eml")) - self._seen, key=lambda path: path.stat().st_mtime_ns)
        self._seen.update(fresh)
        return [_read(path) for path in fresh]

    def deliver(self, house: House) -> list[Message]:
        """Have everything delivered that is due, and read it."""
        house.service(Delivery).deliver_due()
        return self.new()


def _read(path: Path) -> Message:
    message: EmailMessage = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)  # type: ignore[assignment]
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return Message(message["To"], message["Subject"], text, html)
