"""Which name is taken, for those who can look it up anyway. Nobody else is told: that would tell who has an account."""

from sqlalchemy.exc import IntegrityError

from secureapi.core.database import violated
from secureapi.core.errors import Fault
from secureapi.security.permissions import Permission, Standing

_SEES = frozenset({Permission.USERS_READ, Permission.ADMIN_READ})
"""What somebody needs to find accounts by their addresses: see `visibility.py`."""
_SAYS = {
    "email_canonical": Fault("/email", "taken", "There is an account with this address."),
    "username_canonical": Fault("/username", "taken", "There is an account with this username."),
}


def taken(error: IntegrityError, actor: Standing | None) -> list[Fault]:
    """What is to be said of it; nothing to somebody who may not look. `actor` is None for the command line of the server."""
    if actor and not actor.permissions >= _SEES:
        return []
    what = violated(error)
    return [fault for column, fault in _SAYS.items() if what.endswith(column)]
