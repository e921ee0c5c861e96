"""Versions of the API over their whole life: in force, deprecated, removed."""

from datetime import UTC, datetime

import pytest

from journeys.answers import assert_problem
from secureapi import create_app
from secureapi.core.versions import ApiVersion
from support.cases import Cases
from support.house import House

DEPRECATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
REMOVED_AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
V1 = ApiVersion("v1")
V0_REMOVED = ApiVersion("v0", successor="v1", deprecated_at=DEPRECATED_AT, removed_at=REMOVED_AT, is_removed=True)
V1_DEPRECATED = ApiVersion("v1", successor="v2", deprecated_at=DEPRECATED_AT, removed_at=REMOVED_AT)
SUCCESSOR = '</api/v1>; rel="successor-version"'


@pytest.fixture
def retired(make_settings):
    """An application that had a version before this one."""
    house = House(make_settings(), versions=(V0_REMOVED, V1))
    yield house.client()
    house.close()


def test_everything_below_a_removed_version_is_gone_and_names_its_successor(retired):
    with Cases() as case:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            for path in ("", "/", "/users/me", "/auth/login", "/nothing/of/ours?with=a&query"):
                with case(method, path):
                    answer = retired.open(f"/api/v0{path}", method=method)

                    assert_problem(answer, 410, "version_removed")
                    assert answer.headers.getlist("Link") == [SUCCESSOR]
                    assert answer.headers["Deprecation"] == "@1767225600"
                    assert answer.headers["Sunset"] == "Wed, 01 Jul 2026 12:00:00 GMT"


def test_whatever_is_sent_along_is_not_looked_at(retired):
    for sent in ({"data": b"\xff{"}, {"json": {"password": "Tall-Trees-42!"}}, {"headers": {"Authorization": "Bearer x"}}):
        answer = retired.post("/api/v0/auth/login", **sent)
        assert_problem(answer, 410, "version_removed")
        assert "Tall" not in answer.text


def test_other_addresses_say_nothing_of_versions(retired):
    for path in ("/api/v1/users/me", "/users/me", "/livez", "/api/v00/users/me", "/api/v2/users/me"):
        answer = retired.get(path)
        assert answer.status_code != 410
        assert not {"Deprecation", "Sunset"} & set(answer.headers.keys())


def test_a_deprecated_version_answers_as_before_and_says_so_with_every_answer(make_settings, make_house):
    own = make_house()
    person = own.register()
    house = House(own.settings, versions=(V1_DEPRECATED, ApiVersion("v2")))
    try:
        client = house.client()
        old, new = (client.get(f"/api/{version}/users/me", headers=person.headers) for version in ("v1", "v2"))
        refused = client.get("/api/v1/users/me")
        missing = client.get("/api/v1/nothing")
    finally:
        house.close()

    assert (old.status_code, old.json) == (new.status_code, new.json) == (200, own.client().get("/users/me", headers=person.headers).json)
    for answer in (old, refused, missing):
        assert answer.headers["Deprecation"] == "@1767225600"
        assert answer.headers["Sunset"] == "Wed, 01 Jul 2026 12:00:00 GMT"
        assert '</api/v2>; rel="successor-version"' in answer.headers.getlist("Link")
    assert_problem(refused, 401, "unauthenticated")
    assert "Deprecation" not in new.headers


def test_the_description_is_of_the_version_in_force(make_settings):
    house = House(make_settings(), versions=(V1_DEPRECATED, ApiVersion("v2")))
    try:
        described = house.client().get("/openapi.json").json["paths"]
        canonical = house.client().get("/users/me").headers["Link"]
    finally:
        house.close()

    assert "/api/v2/auth/login" in described
    assert "/api/v1/auth/login" not in described
    assert canonical == '</api/v2/users/me>; rel="canonical"'


@pytest.mark.parametrize(
    "versions",
    [
        (),
        (V1, ApiVersion("v2")),
        (V1, V1),
        (V1_DEPRECATED,),
        (V0_REMOVED, ApiVersion("v2")),
    ],
    ids=["none", "two in force", "one twice", "none in force", "a successor that is none"],
)
def test_a_register_that_cannot_be_right_does_not_start(make_settings, versions):
    with pytest.raises(ValueError, match="one version is in force"):
        create_app(make_settings(), versions=versions)


@pytest.mark.parametrize(
    "said",
    [
        {"deprecated_at": DEPRECATED_AT},
        {"is_removed": True},
        {"successor": "v2", "removed_at": REMOVED_AT},
        {"successor": "v2", "deprecated_at": REMOVED_AT, "removed_at": DEPRECATED_AT},
    ],
    ids=["deprecated without a successor", "removed without a successor", "never deprecated", "removed before it is deprecated"],
)
def test_a_version_says_all_that_its_state_asks_for(said):
    with pytest.raises(ValueError, match="v1"):
        ApiVersion("v1", **said)
