"""What installed packages bring is plugged in only where it is named, and a broken one says what is broken."""

import importlib
import sys

import pytest
from flask import Blueprint

from secureapi.plugins import GROUP, Extension
from secureapi.security.guard import public
from secureapi.settings import SettingsRefused
from support.house import House
from support.plugins import GOOD, Packages


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`install(name, source, value)`: a package with an entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    packages = Packages(tmp_path)
    yield packages.install
    packages.forget()


@pytest.fixture
def build(make_settings):
    """`build(*plugins)`: an application, whose connections are closed in the end."""
    made = []

    def make(*plugins, blueprints=()):
        made.append(House(make_settings(plugins=plugins), blueprints=blueprints))
        return made[-1]

    yield make
    for house in made:
        house.close()


def fault(build, *plugins, **options):
    with pytest.raises(SettingsRefused) as refused:
        build(*plugins, **options)
    (said,) = refused.value.faults
    return said


def test_an_installed_package_opens_nothing_until_it_is_named(install, build):
    install("plums")

    assert build().client().get("/plums").status_code == 404
    assert "plums" not in sys.modules
    assert build("plums").client().get("/plums").status_code == 200


def test_the_setting_is_read_as_a_list():
    field = importlib.import_module("secureapi.settings").Settings.__dataclass_fields__["plugins"]

    assert field.metadata["about"].parse("plums, pears") == ("plums", "pears")
    assert field.default == ()


def test_a_plain_blueprint_will_do(install, build):
    install("pears", GOOD, value="pears:pears")

    assert build("pears").client().get("/pears").status_code == 200


def test_a_name_that_nobody_offers_says_what_there_is(install, build):
    install("plums")

    assert fault(build, "plumbs") == f'PLUGINS: no installed package offers "plumbs" as an entry point of {GROUP}; there is: plums'


@pytest.mark.parametrize(
    ("source", "value", "said"),
    [
        ("import nothing_of_the_kind", None, "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("def", None, "SyntaxError"),
        ("raise RuntimeError('half-way')", None, "RuntimeError: half-way"),
        ("x = 1", "broken:extension", "AttributeError"),
        ("extension = 7", None, "is a int; a Blueprint or an Extension is expected"),
    ],
    ids=["an import", "the syntax", "an accident", "no such name", "something else"],
)
def test_a_broken_one_stops_the_start_and_says_why(install, build, source, value, said):
    install("broken", source, value=value)

    message = fault(build, "broken")

    assert message.startswith('PLUGINS: "broken" (broken:extension)')
    assert said in message


def test_two_packages_of_one_name_are_refused(install, build):
    install("plums")
    install("plums", GOOD, value="plums:plums", package="other")

    assert fault(build, "plums") == 'PLUGINS: "plums" is offered by more than one installed package (other, plums); remove one'


def test_one_that_is_given_twice_is_refused(install, build):
    install("plums")

    twice = Extension(name="plums", blueprint=Blueprint("again", __name__))
    assert fault(build, "plums", blueprints=(twice,)) == "PLUGINS: two extensions are called plums; remove one"


def test_every_fault_is_told_at_once(build):
    with pytest.raises(SettingsRefused) as refused:
        build("one", "two")

    assert len(refused.value.faults) == 2


def test_a_plugin_stands_under_the_same_guard(install, build):
    install("plums", GOOD.replace("public(", "("))

    with pytest.raises(RuntimeError, match=r"do not declare who may enter .*: plums\."):
        build("plums")


@pytest.mark.parametrize("name", ["", "Plums", "1st", "a-b", "a b", "a" * 32, "plums;"])
def test_a_name_is_a_word(name):
    """It becomes part of the name of a table."""
    with pytest.raises(ValueError, match="the name of an extension"):
        Extension(name=name, blueprint=Blueprint("plums", __name__))


def test_a_folder_of_migrations_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match="the extension plums has no folder"):
        Extension(name="plums", blueprint=Blueprint("plums", __name__), migrations=tmp_path / "migrations")


def test_everything_that_extensions_may_import_is_there():
    module = importlib.import_module("secureapi.extension")

    assert sorted(module.__all__, key=str.lower) == sorted(set(module.__all__), key=str.lower)
    assert all(hasattr(module, name) for name in module.__all__)
    assert module.public is public
