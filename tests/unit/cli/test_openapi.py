import json

from secureapi import create_app


def test_the_export_is_what_the_server_describes_with_sorted_paths(flask, installed):
    result = flask("openapi", "export")

    description = json.loads(result.stdout)
    assert list(description["paths"]) == sorted(description["paths"])
    assert next(iter(description)) == "openapi"
    assert description == create_app().test_client().get("/openapi.json").json


def test_the_export_is_the_same_bytes_every_time(flask, installed):
    flask("openapi", "export", "one.json")
    flask("openapi", "export", "two.json")

    assert (installed / "one.json").read_bytes() == (installed / "two.json").read_bytes()
    assert flask("openapi", "export").stdout == (installed / "one.json").read_text()
