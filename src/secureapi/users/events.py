"""What this room leaves in the trail."""

from secureapi.security.events import Outcome, Severity, declare

REGISTERED = declare("users.registered", "Somebody opened an account.")
REGISTRATION_REFUSED = declare(
    "users.registration.refused",
    "Somebody asked for an account and got none; `reason` is the code of the refusal.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
REGISTRATION_REQUESTED = declare(
    "users.registration.requested",
    "Somebody asked for an account, which there will be when its address is confirmed; `address` is a keyed hash of that. Whether there is "
    "an account with it already makes no difference.",
)
REGISTRATION_TRIED = declare(
    "users.registration.tried",
    "Somebody asked for an account with the address of this one, whose owner is told.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
CREATED = declare("users.created", "An administrator made an account; `is_invited` says whether its owner has to choose a password first.")
INVITED_AGAIN = declare("users.invited_again", "An invitation that nobody has accepted was sent once more; the link before it is void.")
PROFILE_CHANGED = declare("users.profile.changed", "Somebody changed his own account; `fields` names what.")
EMAIL_CHANGED = declare("users.email.changed", "The address of an account was changed.", severity=Severity.WARNING)
EMAIL_VERIFIED = declare("users.email.verified", "Somebody showed that he reads mail at the address of an account.")
EMAIL_CHANGE_REQUESTED = declare(
    "users.email.change_requested",
    "Somebody wants another address for his account. It counts as soon as whoever reads there has confirmed it.",
    severity=Severity.WARNING,
)
EMAIL_CHANGE_CANCELLED = declare("users.email.change_cancelled", "Somebody does not want another address for his account after all.")
EMAIL_RESTORED = declare(
    "users.email.restored",
    "An account got back an address that it had before, because whoever reads there said that the change was not his.",
    severity=Severity.CRITICAL,
)
EMAIL_NOT_RESTORED = declare(
    "users.email.not_restored",
    "An account should have got back an address that it had before, but another account has it by now. It was left without one that any "
    "mail reaches. Somebody should look into it.",
    severity=Severity.CRITICAL,
    outcome=Outcome.FAILURE,
)
EMAIL_DISPLACED = declare(
    "users.email.displaced",
    "An account lost an address that it never confirmed, to one whose owner has shown that he reads there.",
    severity=Severity.WARNING,
)
RECORD_READ = declare("users.record.read", "Somebody read another person's account.")
DISABLED = declare("users.disabled", "An account was disabled; its sessions ended.", severity=Severity.WARNING)
ENABLED = declare("users.enabled", "A disabled account was enabled again.", severity=Severity.WARNING)
PROFILE_REFUSED = declare(
    "users.profile.refused",
    "A change of one's own account was refused, most often since the username or the address is taken; `reason` is the code.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
CHANGED = declare("users.changed", "Somebody changed another person's account; `fields` names what.", severity=Severity.WARNING)
ROLE_CHANGED = declare("users.role.changed", "An account was given another role: `before` and `after`.", severity=Severity.WARNING)
DELETED = declare("users.deleted", "An account was deleted, with its sessions, links and former passwords.", severity=Severity.WARNING)
LOCKED = declare(
    "users.locked",
    "An account was locked by an administrator: until the moment `until`, or until one of them unlocks it. Its sessions ended, and its API "
    "keys are refused for as long.",
    severity=Severity.WARNING,
)
UNLOCKED = declare("users.unlocked", "An account that an administrator had locked was unlocked.", severity=Severity.WARNING)
PASSWORD_CHANGE_REQUIRED = declare(
    "users.password_change.required",
    "The password of an account opens nothing until its owner sets another one by mail; its sessions ended.",
    severity=Severity.WARNING,
)
ADMINISTRATION_REFUSED = declare(
    "users.administration.refused",
    "Somebody wanted to do to an account, a role or the settings what he may not, or was too late: `act` says what, `reason` is the "
    "code of the refusal.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
ROLE_DEFINED = declare("roles.defined", "A role was defined; `role` and `permissions` say which.", severity=Severity.WARNING)
ROLE_REDEFINED = declare("roles.redefined", "A role was changed for everybody who has it.", severity=Severity.WARNING)
ROLE_REMOVED = declare("roles.removed", "A role that nobody had was removed.", severity=Severity.WARNING)
IMPORTED = declare(
    "users.imported",
    "People of another system were imported, each with an event of his own; `import` is the same in all of them. Over HTTP it says "
    "with `taken` and `taken_by` which accounts stood in the way.",
    severity=Severity.WARNING,
)
IMPORT_TRIED = declare(
    "users.import.tried",
    "Somebody asked what would become of people of another system if they were imported, and learned which names and addresses are taken: "
    "by how many accounts is `taken`, and their ids are in `taken_by`.",
)
EXPORTED = declare(
    "users.exported",
    "Accounts were written to a file; `with_hashes` says whether with the hashes of their passwords.",
    severity=Severity.WARNING,
)
