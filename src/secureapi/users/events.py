"""What this room leaves in the trail."""

from secureapi.security.events import Outcome, Severity, declare

REGISTERED = declare("users.registered", "Somebody opened an account.")
REGISTRATION_REFUSED = declare(
    "users.registration.refused",
    "Somebody asked for an account and got none; `reason` is the code of the refusal.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
CREATED = declare("users.created", "An administrator made an account.")
PROFILE_CHANGED = declare("users.profile.changed", "Somebody changed his own account; `fields` names what.")
EMAIL_CHANGED = declare("users.email.changed", "The address of an account was changed.", severity=Severity.WARNING)
RECORD_READ = declare("users.record.read", "Somebody read another person's account.")
DISABLED = declare("users.disabled", "An account was disabled; its sessions ended.", severity=Severity.WARNING)
ENABLED = declare("users.enabled", "A disabled account was enabled again.", severity=Severity.WARNING)
PROFILE_REFUSED = declare(
    "users.profile.refused",
    "A change of one's own account was refused, most often since the username or the address is taken; `reason` is the code.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
