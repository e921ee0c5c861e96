"""What people who build on secureapi may import: these names stay what they are within a version of the API, everything else may move.

`docs/extending.md` shows how they go together, `examples/notes` is a whole extension.
"""

from secureapi.app import create_app
from secureapi.core.api import Blueprint, accepts, asks, returns
from secureapi.core.database import Base, Database, Moment
from secureapi.core.errors import Conflict, Denied, Fault, Invalid, NotFound, Rejected, TooMany, Unavailable
from secureapi.core.identifiers import is_id, new_id
from secureapi.core.pages import Page, PageQuery, link_header
from secureapi.core.requests import Client, current_client
from secureapi.core.schemas import LINE, LINES, Message, MomentField, OneOf, StrictSchema, Text, Truth, WholeNumber
from secureapi.core.services import service
from secureapi.plugins import Extension
from secureapi.security.events import EventType, Outcome, Severity
from secureapi.security.events import declare as declare_event
from secureapi.security.guard import public, recently_authenticated, requires, requires_any, signed_in
from secureapi.security.idempotency import idempotent
from secureapi.security.identity import Identity, current_identity
from secureapi.security.ownership import ObjectAccess, Objects, Ownership, Right, owned_by_caller
from secureapi.security.permissions import Permission
from secureapi.security.trail import Trail
from secureapi.settings import SettingsRefused

__all__ = [
    "LINE",
    "LINES",
    "Base",
    "Blueprint",
    "Client",
    "Conflict",
    "Database",
    "Denied",
    "EventType",
    "Extension",
    "Fault",
    "Identity",
    "Invalid",
    "Message",
    "Moment",
    "MomentField",
    "NotFound",
    "ObjectAccess",
    "Objects",
    "OneOf",
    "Outcome",
    "Ownership",
    "Page",
    "PageQuery",
    "Permission",
    "Rejected",
    "Right",
    "SettingsRefused",
    "Severity",
    "StrictSchema",
    "Text",
    "TooMany",
    "Trail",
    "Truth",
    "Unavailable",
    "WholeNumber",
    "accepts",
    "asks",
    "create_app",
    "current_client",
    "current_identity",
    "declare_event",
    "idempotent",
    "is_id",
    "link_header",
    "new_id",
    "owned_by_caller",
    "public",
    "recently_authenticated",
    "requires",
    "requires_any",
    "returns",
    "service",
    "signed_in",
]
