"""The use cases of signing in and out, one file each."""

from secureapi.auth.service.addresses import Addresses
from secureapi.auth.service.administration import Administration
from secureapi.auth.service.api_keys import ApiKeys
from secureapi.auth.service.clients import Clients
from secureapi.auth.service.configuration import Configuration
from secureapi.auth.service.credentials import Credentials
from secureapi.auth.service.disowning import Disowning
from secureapi.auth.service.figures import Statistics
from secureapi.auth.service.introspection import Introspection
from secureapi.auth.service.living_sessions import LivingSessions
from secureapi.auth.service.new_accounts import NewAccounts
from secureapi.auth.service.reauthentication import Reauthentication
from secureapi.auth.service.recovery import Recovery
from secureapi.auth.service.sessions import Sessions
from secureapi.auth.service.sign_in import SignedIn, SignIn, TokenPair
from secureapi.auth.service.signing_keys import SigningKeys
from secureapi.auth.service.token_pair import FreshToken

__all__ = [
    "Addresses",
    "Administration",
    "ApiKeys",
    "Clients",
    "Configuration",
    "Credentials",
    "Disowning",
    "FreshToken",
    "Introspection",
    "LivingSessions",
    "NewAccounts",
    "Reauthentication",
    "Recovery",
    "Sessions",
    "SignIn",
    "SignedIn",
    "SigningKeys",
    "Statistics",
    "TokenPair",
]
