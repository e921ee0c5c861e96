"""Why this room refuses."""

from secureapi.core.errors import Conflict, Denied, Invalid, Rejected, TooMany, Unauthenticated, Unavailable


class InsufficientPermission(Denied):
    """Signed in, but the role lacks what the endpoint asks for."""

    code = "insufficient_permission"
    detail = "Your role does not allow this."


class KeyNotAllowed(Denied):
    """An API key, where only people may enter: it manages no keys, passwords, sessions or factors, and does nothing dangerous."""

    code = "key_not_allowed"
    detail = "An API key cannot be used here. Sign in."


class NotYours(Denied):
    """An object that the caller may see, and may not do this with."""

    code = "not_your_own"
    detail = "You may see this, but it is not yours to change."


class IdempotencyKeyMalformed(Rejected):
    """The header Idempotency-Key cannot be read."""

    code = "idempotency_key_malformed"
    detail = "Idempotency-Key has 1 to 255 visible ASCII characters, in double quotes unless they are letters, digits and ._~:/+=- only."


class IdempotencyInProgress(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_progress"
    detail = "A request with this Idempotency-Key is under way. Try again shortly."


class IdempotencyAnswerLost(Conflict):
    """The first request with this key was done, and died before its answer could be kept."""

    code = "idempotency_answer_lost"
    detail = "The first request with this Idempotency-Key was done, but its answer is lost. Look for what it made."


class IdempotencyKeyReused(Invalid):
    """The key came before, with another body."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was used for another request. Take a new key for each thing that you want."


class IdempotencyAnswerWithheld(Conflict):
    """The work was done, by somebody who could do more then than the caller can now: the answer may show what he may not see."""

    code = "idempotency_answer_withheld"
    detail = "This was done already. What was answered is not shown again, because your permissions have changed since."


class UndeclaredEndpoint(Denied):
    """An endpoint that says nobody may enter, by not saying who may. A defect of ours, caught before anybody gets in."""

    code = "undeclared_endpoint"
    detail = "Nobody may use this address."


class StepUpRequired(Unauthenticated):
    """Signed in, but too long ago for what is asked (RFC 9470 section 3)."""

    code = "insufficient_user_authentication"
    detail = "Prove again who you are: POST /auth/reauthenticate."

    def __init__(self, *, max_age: int) -> None:
        super().__init__()
        self.max_age = max_age
        """Seconds."""

    @property
    def challenge(self) -> str:  # type: ignore[override]
        said = 'error_description="A more recent sign-in is required."'
        return f'Bearer error="{self.code}", {said}, max_age={self.max_age}'


class MetricsRefused(Unauthenticated):
    """The figures are for whoever has the token, and this is not it."""

    code = "invalid_metrics_token"
    detail = "The figures need their own bearer token."


class RateLimited(TooMany):
    """A named limit is used up."""


class WeakPassword(Rejected):
    """A new password breaks rules of the policy; `errors` names every one."""

    code = "weak_password"
    detail = "The password does not meet the requirements; see errors."


class LinkRefused(Rejected):
    """A link from a message that is over, was used before, or is none of ours. Which of these is not said."""

    code = "invalid_link"
    detail = "This link is not valid, was used already, or has expired. Ask for a new one."


class HashingBusy(Unavailable):
    """More passwords wait to be hashed, or are kept waiting for being wrong again and again, than this server can do in time."""

    code = "busy"
    detail = "The server is busy. Please try again shortly."
