"""What this room leaves in the trail."""

from secureapi.security.events import MAIL_WITHHELD as _MAIL_WITHHELD
from secureapi.security.events import Outcome, Severity, declare

LOGGED_IN = declare("auth.login.succeeded", "Somebody signed in; a session began.")
LOGIN_REFUSED = declare(
    "auth.login.refused",
    "A sign-in failed. `reason` is unknown, wrong_password, locked, disabled, password_refused or changed_meanwhile; no client is told. "
    "Where no account was found, `login` is a keyed hash of what was typed.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
REFRESHED = declare("auth.session.refreshed", "A refresh token was exchanged for its successor.")
REFRESH_REPEATED = declare(
    "auth.session.refresh_repeated", "A used refresh token was presented again inside the grace; its successor was given once more."
)
REFRESH_REFUSED = declare(
    "auth.session.refresh_refused",
    "A refresh token of an ended or expired session, of a disabled account, or one that we never made was presented.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
REFRESH_REUSED = declare(
    "auth.session.refresh_reused",
    "A refresh token was presented again after it had been used: it was stolen, or its successor was. The session was closed.",
    severity=Severity.CRITICAL,
    outcome=Outcome.DENIED,
)
LOGGED_OUT = declare("auth.logout.succeeded", "Somebody ended his session.")
LOGGED_OUT_EVERYWHERE = declare("auth.logout_all.succeeded", "Somebody ended all of his sessions.")
PASSWORD_CHANGED = declare("auth.password.changed", "A password was changed; the other sessions ended.", severity=Severity.WARNING)
PASSWORD_CHANGE_REFUSED = declare(
    "auth.password.change_refused",
    "A password was not changed: `reason` is wrong_password, locked, password_refused, weak_password, or changed_meanwhile.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
PASSWORD_SET = declare("auth.password.set", "An administrator set a password; all sessions ended.", severity=Severity.WARNING)
PASSWORD_RESET = declare(
    "auth.password.reset",
    "Somebody who reads the mail of an account gave it a new password; all sessions ended. `ended` is how many.",
    severity=Severity.WARNING,
)
RESET_REQUESTED = declare(
    "auth.reset.requested", "Somebody says that he has lost a password. `login` is a keyed hash of the address that was typed."
)
RESET_REFUSED = declare(
    "auth.reset.refused",
    "A link was good, and the new password was not; the link stays open. `reason` is weak_password.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
VERIFICATION_REQUESTED = declare(
    "auth.verification.requested",
    "Somebody asked once more for the message that confirms an address. `login` is a keyed hash of the address that was typed.",
)
LINK_REFUSED = declare(
    "auth.link.refused",
    "A link from a message was presented that is over, was used before or is none of ours; `purpose` says what it should have done.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
INVITATION_ACCEPTED = declare(
    "auth.invitation.accepted", "Somebody who was invited followed the link and chose a password: the account is in use from now on."
)
DISOWNED = declare(
    "auth.account.disowned",
    'The owner of an account said "this was not me": all sessions ended, and the password opens nothing until there is another one. '
    "`ended` is how many, `keys` how many API keys were revoked.",
    severity=Severity.CRITICAL,
)
PASSWORD_REHASHED = declare("auth.password.rehashed", "A password that was right was hashed again under the policy in force.")
SESSION_REVOKED = declare(
    "auth.session.revoked", "A session was ended by its owner from elsewhere, by an administrator, or by a client (RFC 7009)."
)
SESSIONS_REVOKED = declare("auth.sessions.revoked", "All sessions of an account, or all others, were ended. `ended` is how many.")
SESSION_DISPLACED = declare(
    "auth.session.displaced", "The oldest session ended because one more than MAX_SESSIONS_PER_USER was opened.", severity=Severity.WARNING
)
SESSION_GUESSED = declare(
    "auth.session.guessed",
    "A session ended because somebody who had it gave too many wrong passwords: probably a thief of its access token.",
    severity=Severity.CRITICAL,
    outcome=Outcome.DENIED,
)
SESSIONS_READ = declare("auth.sessions.read", "An administrator looked at the sessions of an account.")
REAUTHENTICATED = declare("auth.reauthentication.succeeded", "Somebody who was signed in proved again who he is.")
REAUTHENTICATION_REFUSED = declare(
    "auth.reauthentication.refused",
    "Somebody who was signed in could not prove who he is: `reason` is wrong_password, locked, password_refused or changed_meanwhile.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
CSRF_REFUSED = declare(
    "auth.csrf.refused",
    "A request with the cookies of a session came from another site, or without its CSRF token: `reason` is cross_site_request or "
    "csrf_failed.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
KEY_CREATED = declare("auth.key.created", "A signing key was made.", severity=Severity.WARNING)
KEY_ACTIVATED = declare(
    "auth.key.activated", "A signing key began to sign. `reason` is first, age, command or unreadable.", severity=Severity.WARNING
)
KEY_RETIRING = declare("auth.key.retiring", "A signing key signs no more; what it has signed is still good for the overlap.")
KEY_RETIRED = declare(
    "auth.key.retired",
    "A signing key verifies nothing any more, and its private half was removed: `reason` is overlap, command, unreadable or unused.",
    severity=Severity.WARNING,
)
CLIENT_CREATED = declare("auth.client.created", "A client for introspection and revocation was added.", severity=Severity.WARNING)
CLIENT_SECRET_CHANGED = declare(
    "auth.client.secret_changed", "A client got a new secret; the old one is refused.", severity=Severity.WARNING
)
CLIENT_REMOVED = declare("auth.client.removed", "A client was removed.", severity=Severity.WARNING)
CLIENT_REFUSED = declare(
    "auth.client.refused",
    "Somebody failed to prove that he is a client. `client_id` is a keyed hash of the name that was given.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
API_KEY_CREATED = declare("auth.api_key.created", "Somebody made an API key. `scopes` are what it may do.", severity=Severity.WARNING)
API_KEY_ROTATED = declare(
    "auth.api_key.rotated", "An API key got a new value. `overlap_hours` is how long the one before it goes on.", severity=Severity.WARNING
)
API_KEY_REVOKED = declare(
    "auth.api_key.revoked", "An API key was revoked by its owner or at the command line; it opens nothing from now on."
)
API_KEY_LEAKED = declare(
    "auth.api_key.leaked",
    "A value of an API key was found where it should not be, and the key was revoked. `was_living` says whether it was still good, "
    "`client_id` which service has brought it.",
    severity=Severity.CRITICAL,
)
API_KEY_REFUSED = declare(
    "auth.api_key.refused",
    "The right value of an API key was refused: `reason` is revoked, expired, replaced (the overlap after a rotation is over), disabled "
    "(its owner is, or is locked) or network. At most one a minute and key.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
API_KEY_CHANGE_REFUSED = declare(
    "auth.api_key.change_refused",
    "An API key was not made or changed: `reason` is scope_not_held, beyond_bounds, too_many_api_keys or too_many_rotations.",
    severity=Severity.WARNING,
    outcome=Outcome.DENIED,
)
MAIL_DEAD = declare(
    "mail.dead",
    "A message could not be delivered, and nobody tries any more: `reason` is the class of the last error and the server's number. "
    "`flask outbox retry` lets it be tried again.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
MAIL_DROPPED = declare(
    "mail.dropped",
    "A message was removed without being delivered: `reason` is no_account, or command.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
SETTINGS_CHANGED = declare(
    "settings.changed",
    "Settings were changed while the server runs: `changes` has the name of each with its text before and after, null where the "
    "environment decides; `version` is the new one, `restored` the older one that is in force again, where that was asked for.",
    severity=Severity.WARNING,
)
MAIL_WITHHELD = _MAIL_WITHHELD
