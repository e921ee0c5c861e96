"""Why this room refuses."""

from secureapi.core.errors import Conflict, Denied, NotFound, Rejected, Unauthenticated


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


class PasswordChangedMeanwhile(Conflict):
    """Somebody else gave the account another password while this one was looked at, again and again."""

    code = "password_changed_meanwhile"
    detail = "The password was changed by somebody else at the same time. Try again."


class AmbiguousCredentials(Rejected):
    """A header and a cookie, or the same cookie twice: whoever stands in front could read another one than we do."""

    code = "ambiguous_credentials"
    detail = "More than one credential came with this request. Send one."


class CrossSiteRequest(Denied):
    """A page of another site made the browser send this."""

    code = "cross_site_request"
    detail = "A request with cookies must come from this site or an allowed origin."


class CsrfRefused(Denied):
    """The token in the header does not belong to the session in the cookie."""

    code = "csrf_failed"
    detail = "Send the value of the CSRF cookie in the X-CSRF-Token header."


class NoSuchSession(NotFound):
    """No session of this account that is still going on has this id."""

    code = "no_such_session"
    detail = "There is no such session."


class NoSuchApiKey(NotFound):
    """No API key of this account that can still be used has this id."""

    code = "no_such_api_key"
    detail = "There is no such API key."


class TooManyApiKeys(Conflict):
    """The account has MAX_API_KEYS_PER_USER."""

    code = "too_many_api_keys"
    detail = "This account has as many API keys as it may have. Revoke one first."


class TooManyRotations(Conflict):
    """Too many former values of the key are in their overlap."""

    code = "too_many_rotations"
    detail = "Several former values of this key are still good. Wait, or rotate with an overlap of 0, which ends them all."


class ScopeNotHeld(Denied):
    """An API key shall be able to do what its owner cannot; `errors` names which scopes."""

    code = "scope_not_held"
    detail = "A key cannot have more permissions than its owner; see errors."


class BeyondBounds(Rejected):
    """A key shall live longer, or be used more often, than the settings allow; `errors` says what."""

    code = "beyond_bounds"
    detail = "This server does not allow that much for an API key; see errors."


class NotAnApiKey(Rejected):
    """The shape or the checksum is wrong."""

    code = "not_an_api_key"
    detail = "This is no API key of this service: its shape or its checksum is wrong."


class InvalidClient(Unauthenticated):
    """No client, or the wrong secret (RFC 6749 section 5.2)."""

    code = oauth_error = "invalid_client"
    detail = "Client authentication failed."
    challenge = 'Basic realm="secureapi", charset="UTF-8"'


class InvalidClientRequest(Rejected):
    """A client that asks about a token, or brings its secret in two ways at once, does not do it as the RFCs say (RFC 6749 section 5.2)."""

    code = oauth_error = "invalid_request"
    detail = "Send a form with a token, and the client's id and secret in one way only."


class NoSuchKey(NotFound):
    """No signing key has this id."""

    code = "no_such_key"
    detail = "There is no such signing key."


class SharedSecretInUse(Conflict):
    """Tokens are signed with the shared secret of the settings, which no command can rotate."""

    code = "shared_secret_in_use"
    detail = "With JWT_ALGORITHM=HS256 there is no key to rotate: the shared secret is changed in the settings, as JWT_SECRET_KEY."


class NoSuchClient(NotFound):
    """No client has this id."""

    code = "no_such_client"
    detail = "There is no such client."


class ClientExists(Conflict):
    """Another client has this id."""

    code = "client_exists"
    detail = "There is a client with this id already."


class SettingsForAdministrators(Denied):
    """Settings are in force for those who may do more than the caller, too."""

    code = "settings_for_administrators"
    detail = "These settings are in force for administrators as well. Only somebody who may do all that they may changes them."


class SettingsChangedMeanwhile(Conflict):
    """Somebody else has made another version of the settings since the caller has looked."""

    code = "settings_changed_meanwhile"
    detail = "The settings were changed by somebody else since you have looked. Look again."
