"""What an extension brings and could never work stops the start with a sentence, and what it lacks is seen by the balancer."""

import pytest
from flask import Blueprint

from secureapi import create_app
from secureapi.core.database import Database
from secureapi.core.extension_migrations import ExtensionMigrations
from secureapi.extension import Extension
from secureapi.security.guard import public
from support.plugins import Packages


def with_view(path, *, name="mine", view=None):
    blueprint = Blueprint(name, __name__)
    blueprint.post(path, endpoint="view")(public(view or (lambda **_: "")))
    return blueprint


async def awaited():
    """Nobody awaits it."""


CASES = {
    "an address of ours": (with_view("/api/v1/auth/login"), "POST /api/v1/auth/login is taken"),
    "the same without a version": (with_view("/auth/login/"), "POST /auth/login/ is taken"),
    "an address of ours with a place in it": (with_view("/api/v1/users/<who>/lock"), "POST /api/v1/users/<who>/lock is taken"),
    "a name of ours": (with_view("/fine", name="auth"), "there is a blueprint called auth already"),
    "an async view": (with_view("/fine", view=awaited), "mine.view is an async function"),
    "no blueprint": ("x", "a str was given to create_app"),
}


@pytest.mark.parametrize(("brought", "says"), CASES.values(), ids=CASES)
def test_what_nobody_could_use_stops_the_start_with_a_sentence(make_settings, brought, says):
    with pytest.raises((RuntimeError, TypeError), match=says):
        create_app(make_settings(), blueprints=(brought,))


def test_two_extensions_do_not_take_one_anothers_addresses(make_settings):
    both = (with_view("/things/<int:number>"), with_view("/things/<name>", name="others"))

    with pytest.raises(RuntimeError, match=r"give others\.view another address"):
        create_app(make_settings(), blueprints=both)


@pytest.mark.parametrize(("given", "says"), [({"blueprint": "x"}, "no blueprint"), ({"migrations": "here"}, "no pathlib.Path")])
def test_an_extension_of_the_wrong_things_is_none(given, says):
    with pytest.raises(ValueError, match=says):
        Extension(**{"name": "mine", "blueprint": Blueprint("mine", __name__)} | given)


def test_a_plugin_that_ends_the_server_when_it_is_loaded_is_named(make_settings, tmp_path, monkeypatch):
    laid = Packages(tmp_path)
    monkeypatch.syspath_prepend(laid.folder)
    laid.install("quitter", "import sys; sys.exit(0)")

    with pytest.raises(Exception, match=r"quitter.*cannot be loaded: SystemExit"):
        create_app(make_settings(plugins=("quitter",)))
    laid.forget()


def test_a_server_without_the_tables_of_an_extension_is_not_ready(make_house, tmp_path, monkeypatch):
    laid = Packages(tmp_path)
    monkeypatch.syspath_prepend(laid.folder)
    laid.install("figs")
    laid.add_migrations("figs", "0001")
    house = make_house("embedded", plugins=("figs",))
    assert (house.client().get("/readyz").status_code, house.client().get("/figs").status_code) == (503, 200)

    with house.service(Database).engine.connect() as connection:
        house.service(ExtensionMigrations).upgrade(connection)

    answer = house.client().get("/readyz")
    assert (answer.status_code, answer.json["checks"]["extensions"]) == (200, "ok")
    laid.forget()
