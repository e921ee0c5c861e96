"""Where the pages are to which links in messages lead: those of this service, or the operator's own (`ACCOUNT_PAGES_URL`)."""

from secureapi.settings import Settings

FORGOT_PASSWORD = "forgot-password"  # noqa: S105 - the name of a page
RESEND_VERIFICATION = "resend-verification"
"""Pages that ask for a message with a link; they need none themselves."""


def account_page(settings: Settings, page: str) -> str:
    """The address of a page, from settings alone: the Host header of a request is a stranger's."""
    pages = (settings.account_pages_url or f"{settings.public_url}/account").rstrip("/")
    return f"{pages}/{page}"
