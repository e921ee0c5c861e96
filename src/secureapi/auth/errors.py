"""Why this room refuses."""

from secureapi.core.errors import Denied, Unauthenticated


class TokenRefused(Unauthenticated):
    """No access token, or one that is not good: which of many reasons is for the log alone."""

    code = "invalid_token"
    detail = "The access token is missing, invalid or expired."
    challenge = 'Bearer error="invalid_token"'


class TokenMissing(Unauthenticated):
    """Nothing was presented."""

    code = "unauthenticated"
    detail = "Sign in to use this endpoint."


class InvalidCredentials(Unauthenticated):
    """Unknown, wrong, locked and disabled alike."""

    code = "invalid_credentials"
    detail = "Invalid email or password"


class RefreshRefused(Unauthenticated):
    """The refresh token is not one of ours, or its session is over."""

    code = "invalid_refresh_token"
    detail = "Invalid or expired refresh token"


class RefreshReused(Unauthenticated):
    """The refresh token was used before. Its session is closed."""

    code = "refresh_reused"
    detail = "This refresh token was already used. Sign in again."


class WrongCurrentPassword(Denied):
    """The present password does not match, or may not be tried again for a while."""

    code = "wrong_current_password"
    detail = "Current password is incorrect"
