"""What is described: nothing until somebody asks, then the same to everybody, and mistakes to everybody too."""

import pytest
from apispec.exceptions import APISpecError

from secureapi import create_app
from secureapi.core.api import Blueprint
from secureapi.security.guard import public
from secureapi.security.openapi import describe


def built(settings, *blueprints):
    app = create_app(settings, blueprints=blueprints)
    return app, app.extensions["flask-smorest"]["apis"][""]["ext_obj"]


def test_what_is_asked_twice_is_answered_alike(make_settings):
    app, api = built(make_settings())

    assert describe(app, api) == describe(app, api)


def test_a_mistake_in_a_description_is_told_whenever_somebody_asks(make_settings):
    mistaken = Blueprint("mine", __name__)

    @mistaken.get("/things")
    @public
    @mistaken.doc(parameters=[{"name": "size", "in": "nowhere"}, {"name": "size", "in": "nowhere"}])
    def things():
        """Nothing."""

    app, api = built(make_settings(), mistaken)

    for _ in range(2):
        with pytest.raises(APISpecError, match="size"):
            describe(app, api)
