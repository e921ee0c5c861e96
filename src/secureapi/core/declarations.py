"""What an endpoint declares about itself: notes on the view function, read by whoever stands in front of it.

`functools.wraps` copies them outwards, so a note made under other decorators is found on the function that is registered.
"""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])
_PLACE = "_declarations"


def declare(view: View, name: str, value: object) -> View:
    """Note something on a view. The notes of the function that it wraps stay as they are."""
    view.__dict__[_PLACE] = view.__dict__.get(_PLACE, {}) | {name: value}
    return view


def declared(view: Callable[..., Any] | None, name: str, default: Any = None) -> Any:
    """What was noted on a view under this name."""
    return getattr(view, _PLACE, {}).get(name, default)
