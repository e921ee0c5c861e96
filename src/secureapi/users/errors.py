"""Why this room refuses."""

from secureapi.core.errors import Conflict, Denied, NotFound, Rejected


class RegistrationRefused(Rejected):
    """The username or the address is taken. Which of them is not said: that would tell who has an account."""

    code = "registration_refused"
    detail = "Unable to create account with provided information"


class RegistrationClosed(Denied):
    """Accounts are made by administrators here."""

    code = "registration_closed"
    detail = "Registration is closed. Ask an administrator for an account."


class ProfileRefused(Rejected):
    """The new username or address is taken."""

    code = "profile_refused"
    detail = "Unable to update the account with provided information"


class NoSuchUser(NotFound):
    """No such account, or none that this caller may see."""

    code = "user_not_found"
    detail = "There is no such user."


class LastAdministrator(Conflict):
    """The only account that could undo this is the one that it is about."""

    code = "last_administrator"
    detail = "This is the last active administrator. Make another one first."
