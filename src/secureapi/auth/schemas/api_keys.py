"""The shape of API keys."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from marshmallow import ValidationError, fields

from secureapi.core.schemas import LINE, Message, MomentField, OneOf, StrictSchema, Text, WholeNumber, each_once
from secureapi.security.permissions import Permission

_MOST_NETWORKS = 20
_NETWORK_SAYS = "An address or a network is expected, as 203.0.113.0/24."
_MAPPED_BITS = 96
"""Of an IPv4 address in the clothes of IPv6 (RFC 4291, section 2.5.5.2) so many say that it is one."""
_MOST_DAYS = 3650
_MOST_REQUESTS = 1_000_000
_MOST_QUOTA = 1_000_000_000
_MOST_OVERLAP_HOURS = 7 * 24
_USUAL_OVERLAP_HOURS = 24
_LIST_MESSAGES: dict[str, Any] = {
    "required": Message("required", "This field is required."),
    "null": Message("null", "This field must not be null."),
    "invalid": Message("type", "A list is expected."),
}


class Network(Text):
    """An address or a network of addresses (CIDR), IPv4 or IPv6, read into its canonical spelling."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=49, pattern=r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?", says=_NETWORK_SAYS, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            network = ip_network(text)
        except ValueError:
            raise ValidationError(Message("network", _NETWORK_SAYS)) from None
        if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS and network.network_address.ipv4_mapped:
            # So are the addresses of callers read (core/proxies.py): otherwise it would hold nobody.
            return str(IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED_BITS)))
        return str(network)


def _at_least_one(scopes: list[str]) -> None:
    if not scopes:
        raise ValidationError(Message("too_short", "Name at least one."))


def _not_too_many(values: list[str]) -> None:
    if len(values) > _MOST_NETWORKS:
        raise ValidationError(Message("too_long", f"At most {_MOST_NETWORKS} are accepted."))


class ApiKeyRequest(StrictSchema):
    """A new key."""

    name = Text(least=1, most=100, pattern=LINE, required=True, metadata={"description": "For people: what the key is for."})
    scopes = fields.List(
        OneOf(permission.value for permission in Permission),
        required=True,
        error_messages=_LIST_MESSAGES,
        validate=[_at_least_one, each_once],
        metadata={
            "description": "Permissions, which the owner must have. When he loses one, so does the key.",
            "minItems": 1,
            "uniqueItems": True,
        },
    )
    expires_in_days = WholeNumber(least=1, most=_MOST_DAYS, metadata={"description": "At most, and otherwise, API_KEY_MAX_DAYS."})
    allowed_networks = fields.List(
        Network(),
        error_messages=_LIST_MESSAGES,
        validate=[each_once, _not_too_many],
        metadata={
            "description": "Addresses and networks (CIDR) from where it may be used. Empty: from everywhere.",
            "maxItems": _MOST_NETWORKS,
            "uniqueItems": True,
        },
    )
    requests_per_minute = WholeNumber(
        least=1, most=_MOST_REQUESTS, metadata={"description": "At most API_KEY_MAX_REQUESTS_PER_MINUTE. Left out: the general limit."}
    )
    daily_quota = WholeNumber(least=1, most=_MOST_QUOTA, metadata={"description": "Requests a day, in UTC. Left out: no quota."})


class RotateRequest(StrictSchema):
    """Another value for a key."""

    overlap_hours = WholeNumber(
        least=0,
        most=_MOST_OVERLAP_HOURS,
        load_default=_USUAL_OVERLAP_HOURS,
        metadata={"description": "How long the value before goes on. 0: it ends at once, and every other former value too."},
    )
    expires_in_days = WholeNumber(
        least=1, most=_MOST_DAYS, metadata={"description": "When the key shall end now. Left out: when it would have ended."}
    )


class UsageQuery(StrictSchema):
    """Which days."""

    days = WholeNumber(least=1, most=366, is_asked=True, load_default=30, metadata={"description": "So many, today included."})


class ApiKeyResponse(StrictSchema):
    """A key, without its value."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    name = fields.String(required=True)
    prefix = fields.String(required=True, metadata={"description": "How its value begins."})
    scopes = fields.List(fields.String(), required=True)
    allowed_networks = fields.List(fields.String(), required=True)
    requests_per_minute = fields.Integer(required=True, allow_none=True)
    daily_quota = fields.Integer(required=True, allow_none=True)
    created_at = MomentField(required=True)
    expires_at = MomentField(required=True)
    rotated_at = MomentField(required=True, allow_none=True)
    is_expired = fields.Boolean(required=True)
    last_used_at = MomentField(required=True, allow_none=True)
    last_used_from = fields.String(required=True, allow_none=True, metadata={"description": "The address of the last request."})


class NewApiKeyResponse(ApiKeyResponse):
    """A key with its value, this one time."""

    api_key = fields.String(
        metadata={"description": "Keep it: it is not told again. An answer that is replayed for an Idempotency-Key is without it."}
    )


class RotatedApiKeyResponse(NewApiKeyResponse):
    """A key with its newest value."""

    former_values_until = MomentField(
        required=True, allow_none=True, metadata={"description": "When the last of the values before it is over; null where all are."}
    )


class ApiKeysResponse(StrictSchema):
    """All of somebody's, newest first."""

    api_keys = fields.List(fields.Nested(ApiKeyResponse), required=True)


class UsedDay(StrictSchema):
    """One day, in UTC."""

    day = fields.Date(required=True)
    requests = fields.Integer(required=True)
    last_used_at = MomentField(required=True)
    last_used_from = fields.String(required=True, attribute="last_address")


class UsageResponse(StrictSchema):
    """How often a key was used. What a limit refused is not counted."""

    key_id = fields.String(required=True, metadata={"format": "uuid"})
    daily_quota = fields.Integer(required=True, allow_none=True)
    requests_today = fields.Integer(required=True)
    days = fields.List(
        fields.Nested(UsedDay), required=True, metadata={"description": "Newest first, without days on which it was not used."}
    )
