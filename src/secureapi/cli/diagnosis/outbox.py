"""The outbox: messages that nobody delivers any more, or that nobody comes for."""

from secureapi.cli.diagnosis.finding import Finding, ok, warning
from secureapi.core.backlog import LONGEST_WAIT, Backlogs
from secureapi.core.delivery import Delivery
from secureapi.core.services import service
from secureapi.settings import Settings

_NAME = "outbox"


def examine_outbox(settings: Settings) -> Finding:
    """Look at what has piled up. The database must be migrated, and the application at hand."""
    backlogs = service(Backlogs)
    found = backlogs.count()
    if found.dead:
        says = f"{'1 message' if found.dead == 1 else f'{found.dead} messages'} could not be delivered, and nobody tries any more"
        return warning(
            _NAME, says, "See why with: flask outbox list --dead, and then run: flask outbox retry --dead (or: flask outbox drop)"
        )
    waiting = "1 message waits" if found.waiting == 1 else f"{found.waiting} messages wait"
    if backlogs.is_overdue(found):
        says = f"{waiting}, the first for more than {LONGEST_WAIT.seconds // 60} minutes"
        if not service(Delivery).is_possible:
            return warning(_NAME, says, "Nobody has said where mail goes: set SMTP_URL and MAIL_FROM.")
        worker = "the server" if settings.delivers_in_server else "a worker (flask worker)"
        return warning(_NAME, says, f"Let {worker} run, and see in its log what the mail server says.")
    return ok(_NAME, waiting if found.waiting else "empty")
