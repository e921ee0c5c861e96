"""Pages of lists: what a caller may ask for, the envelope that comes back, and its Link header."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request

from secureapi.core.schemas import StrictSchema, WholeNumber

PER_PAGE = 20
MOST_PER_PAGE = 100
_LAST_PAGE = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list and where it stands in the whole."""

    items: Sequence[Any]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        return -(-self.total // self.per_page)


class PageQuery(StrictSchema):
    """`page` counts from 1; `per_page` is at most 100."""

    page = WholeNumber(least=1, most=_LAST_PAGE, is_asked=True, load_default=1)
    per_page = WholeNumber(least=1, most=MOST_PER_PAGE, is_asked=True, load_default=PER_PAGE)


def link_header(page: Page) -> dict[str, str]:
    """`Link` with first, prev, next and last (RFC 8288), relative to the address that was asked for."""
    wanted = {"first": 1, "prev": page.page - 1, "next": page.page + 1, "last": max(page.pages, 1)}
    links = [
        f'<?{urlencode(request.args.to_dict() | {"page": number, "per_page": page.per_page})}>; rel="{relation}"'
        for relation, number in wanted.items()
        if 1 <= number <= max(page.pages, 1)
    ]
    return {"Link": ", ".join(links)}
