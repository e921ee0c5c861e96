from enum import StrEnum

import pytest

from secureapi import create_app
from secureapi.cli.reference import endpoints_page, errors_page, events_page, meanings, pages, permissions_page
from secureapi.security.events import Severity, catalogue
from secureapi.security.permissions import Permission


@pytest.fixture(scope="module")
def settings(make_settings):
    return make_settings(login_rate_limit="7/hour")


@pytest.fixture(scope="module")
def app(settings):
    return create_app(settings)


class Fruit(StrEnum):
    """Something to read."""

    APPLE = "apple"
    """Round."""
    PEAR = "pear"


def test_what_stands_under_a_member_is_what_it_means():
    assert meanings(Fruit) == {"apple": "Round."}


@pytest.mark.parametrize("kinds", [Permission, Severity])
def test_every_member_of_a_vocabulary_is_documented_where_it_is_declared(kinds):
    assert set(meanings(kinds)) == {kind.value for kind in kinds}


def test_every_event_has_a_row_with_its_meaning(app):
    page = events_page()

    assert page.count("\n| `") == len(catalogue())
    assert "| `auth.session.refresh_reused` | CRITICAL | denied |" in page


def test_the_role_table_is_the_one_in_force():
    rows = {
        line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]]
        for line in permissions_page().splitlines()
        if line[:3] == "| `"
    }

    assert set(rows) == set(Permission)
    assert rows["users:delete"] == ["yes", "", "", ""]
    assert rows["self:read"] == ["yes", "yes", "yes", "yes"]


def test_every_reason_is_listed_with_its_status_in_its_room(app):
    page = errors_page(app)
    accounts = page.partition("## Accounts\n")[2].partition("## ")[0]

    assert "| 400 | `registration_refused` | Unable to create account with provided information |" in accounts
    assert "| 404 | `user_not_found` |" in accounts
    assert "| 401 | `invalid_credentials` | Invalid email or password |" in page
    assert "| 405 | `method_not_allowed` |" in page
    assert "| 500 | `internal_error` |" in page


def test_every_endpoint_is_listed_once_with_who_may_enter_and_its_limit(app, settings):
    lines = endpoints_page(app, settings).splitlines()

    assert next(line for line in lines if "`/api/v1/auth/login`" in line).startswith("| POST | `/api/v1/auth/login` | public | 7/hour,")
    assert any(line.startswith("| GET | `/api/v1/users/{user_id}` | self:read or users:read |") for line in lines)
    assert any(line.startswith("| GET | `/api/v1/security/events` | admin:read |") for line in lines)
    assert any("| `/livez` | public | none |" in line for line in lines)
    assert not any("`/auth/login`" in line for line in lines)
    listed = {line.split("`")[1] for line in lines if line.startswith("| ") and "`/" in line}
    assert len(listed) == len({rule.rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("unversioned-")})


def test_making_the_pages_says_nothing_and_comes_out_the_same(capsys, folder):
    first = pages()

    assert first == pages()
    assert capsys.readouterr() == ("", "")
