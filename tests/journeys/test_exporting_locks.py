"""Locks that fall by themselves, and what an export says of whom they were on."""

import json
from datetime import timedelta

from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.users.service.export_users import Exports

TERMINAL = Client.of_command_line()


def test_somebody_whose_lock_has_fallen_is_exported_as_active(make_house, engine, clock):
    house = make_house(engine, clock=clock)
    person = house.register()
    house.service(Administration).lock(user_id=person.id, lasting=timedelta(minutes=5), caller=None, client=TERMINAL)

    def exported(status):
        pages = house.service(Exports).pages(status=status, client=TERMINAL)
        return [(one["id"], one["status"]) for page in pages for one in page if one["id"] == person.id]

    assert (exported("disabled"), exported("active")) == ([(person.id, "disabled")], [])

    clock.advance(timedelta(minutes=5))

    assert (exported("disabled"), exported("active")) == ([], [(person.id, "active")])
    listed = house.app.test_cli_runner().invoke(args=["user", "export", "--with-hashes"]).stdout
    assert [one["status"] for one in map(json.loads, listed.splitlines()) if one["id"] == person.id] == ["active"]
