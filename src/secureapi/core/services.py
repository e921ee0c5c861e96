"""Finding a service by its class: routes ask for `service(Registration)`, the package `wiring` has put it there.

One dictionary per application, so that two applications in one process share nothing.
"""

from typing import Any, TypeVar, cast

from flask import Flask, current_app

_PLACE = "secureapi"
T = TypeVar("T")


def provide(app: Flask, instance: object) -> None:
    """Make an instance available under its own class."""
    app.extensions.setdefault(_PLACE, {})[type(instance)] = instance


def service(kind: type[T], app: Flask | None = None) -> T:
    """The instance of this class in the application at hand. Raises `KeyError` when none was provided."""
    services: dict[type, Any] = (app or current_app).extensions[_PLACE]
    return cast("T", services[kind])
