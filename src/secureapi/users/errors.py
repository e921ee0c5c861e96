"""Why this room refuses."""

from secureapi.core.errors import Conflict, Denied, NotFound, Rejected, TooMany


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


class HigherRank(Denied):
    """Whoever it is about stands above the caller, or may do something that the caller may not."""

    code = "higher_rank"
    detail = "This account may do more than you may. You cannot change it."


class GrantRefused(Denied):
    """The role has a permission that the caller lacks, or a rank above his."""

    code = "grant_refused"
    detail = "This role may do more than you may. You cannot give it to anybody."


class OwnAccount(Denied):
    """One's own role, status and address are not to be changed this way."""

    code = "own_account"
    detail = "You cannot do this to your own account. Ask another administrator."


class AdministratorsOnly(Denied):
    """A field that needs `admin:write`."""

    code = "administrators_only"
    detail = "Only administrators may change the role, the status or the address of an account."


class NotInvited(Conflict):
    """Somebody uses the account already, or nobody may use it."""

    code = "not_invited"
    detail = "Nobody is waited for here: the invitation was accepted, or the account is locked or disabled."


class TooManyInvitations(TooMany):
    """One person is not to be flooded, not even by administrators."""

    code = "too_many_invitations"
    detail = "This invitation was sent often enough for now. Wait before sending it again."


class OwnDeletion(Rejected):
    """Administrators do not delete themselves here."""

    code = "own_deletion"
    detail = "You cannot delete your own account here."


class NoSuchRole(NotFound):
    """No role that administrators defined has this name."""

    code = "role_not_found"
    detail = "There is no such role."


class RoleExists(Conflict):
    """The name is taken, perhaps by a built-in role."""

    code = "role_exists"
    detail = "There is a role of this name already."


class RoleInUse(Conflict):
    """Somebody has it."""

    code = "role_in_use"
    detail = "There are accounts with this role. Give them another one first."


class RoleChanged(Conflict):
    """It is not what the caller has read any more."""

    code = "role_changed"
    detail = "Somebody has changed this role since you read it. Read it again."


class BuiltInRole(Conflict):
    """Built-in roles are what the code says."""

    code = "built_in_role"
    detail = "A built-in role cannot be changed."


class RoleBeyondOwn(Denied):
    """A role with a permission that its maker lacks, or that does not stand below him."""

    code = "role_beyond_own"
    detail = "A role that you define stands below you and has none but your own permissions."
