"""What this room leaves in the trail."""

from secureapi.security.events import Outcome, Severity, declare

LOGGED_IN = declare("auth.login.succeeded", "Somebody signed in; a session began.")
LOGIN_REFUSED = declare(
    "auth.login.refused",
    "A sign-in failed. `reason` is unknown, wrong_password, locked, disabled or changed_meanwhile; no client is told. Where no account "
    "was found, `login` is a keyed hash of what was typed.",
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
    "A password was not changed: `reason` is wrong_password, locked, weak_password, or changed_meanwhile.",
    severity=Severity.WARNING,
    outcome=Outcome.FAILURE,
)
PASSWORD_SET = declare("auth.password.set", "An administrator set a password; all sessions ended.", severity=Severity.WARNING)
PASSWORD_REHASHED = declare("auth.password.rehashed", "A password that was right was hashed again under the policy in force.")
KEY_CREATED = declare("auth.key.created", "A signing key was made.", severity=Severity.WARNING)
