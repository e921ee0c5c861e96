"""Accounts: who may open one, and what is sent to its owner."""

from dataclasses import dataclass

from secureapi.settings import values
from secureapi.settings.fields import setting
from secureapi.settings.values import Rate


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Fields of `Settings`."""

    registration: str = setting("open", "Whether strangers may register.", group="Accounts", choices=("open", "closed"), changeable=True)
    email_verification: str = setting(
        "optional",
        "`optional`: an account can be used at once, and its address is confirmed later. `required`: there is no account before somebody "
        "who reads mail at the address has confirmed it; everybody who registers gets the same 202, whether or not the address has an "
        "account already.",
        group="Accounts",
        choices=("optional", "required"),
    )
    verification_link_hours: int = setting(
        24, "How long the link in a message that confirms an address is good, in hours.", group="Accounts", least=1, most=720
    )
    reset_link_minutes: int = setting(
        30, "How long the link in a message that sets a new password is good, in minutes.", group="Accounts", least=5, most=1440
    )
    invitation_link_days: int = setting(
        7, "How long the link in an invitation is good, in days. It can be sent again.", group="Accounts", least=1, most=90
    )
    notice_link_days: int = setting(
        7,
        'How long the links in notices are good ("this was not me", and the one that lifts a lock), in days.',
        group="Accounts",
        least=1,
        most=90,
    )
    account_pages_url: str = setting(
        "",
        "Where links in messages lead: pages of your own, which take the part behind the # and send it to the API. Empty: the pages of "
        "this service, below PUBLIC_URL.",
        group="Accounts",
        parse=values.http_url,
        example="https://app.example.com/account",
    )
    mail_recipient_budget: Rate = setting(
        Rate(5, 3600),
        "So many messages of one kind for one recipient, where strangers can cause them. More are left out.",
        group="Accounts",
        parse=values.rate,
        least=1,
        most=values.MOST_REQUESTS,
        changeable=True,
    )
    mail_spread_seconds: float = setting(
        3.0,
        "Messages that strangers can cause are written at some moment within so many seconds, and sent within as many again: so nobody "
        "can tell by messages of his own, and the time between them, whether somebody else has an account. 0: at once.",
        group="Accounts",
        least=0,
        most=60,
    )
