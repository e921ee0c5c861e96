"""The use cases of signing in and out, one file each."""

from secureapi.auth.service.credentials import Credentials
from secureapi.auth.service.figures import Statistics
from secureapi.auth.service.sessions import Sessions
from secureapi.auth.service.sign_in import SignIn, TokenPair

__all__ = ["Credentials", "Sessions", "SignIn", "Statistics", "TokenPair"]
