"""The settings themselves, a file for each group. The text beside each field is what docs/settings.md and .env.example say."""

from secureapi.settings.groups.accounts import Accounts
from secureapi.settings.groups.edge import Edge
from secureapi.settings.groups.limits import Limits
from secureapi.settings.groups.logs import Logs
from secureapi.settings.groups.mail import Mail
from secureapi.settings.groups.passwords import Passwords
from secureapi.settings.groups.secrets import Secrets
from secureapi.settings.groups.service import Service
from secureapi.settings.groups.stores import Stores
from secureapi.settings.groups.tokens import Tokens

__all__ = ["Accounts", "Edge", "Limits", "Logs", "Mail", "Passwords", "Secrets", "Service", "Stores", "Tokens"]
