"""The description of the API, and the page for people: complete, valid, from this house alone, and only for whom it is meant."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from journeys.answers import assert_headers, assert_problem
from support.cases import Cases

API = "/api/v1"


@pytest.fixture
def house(shared_houses):
    """On one engine: no description and no page knows a database."""
    return shared_houses("embedded")


@pytest.fixture
def described(house):
    return house.client().get("/openapi.json").json


def test_the_description_is_valid(described):
    assert described["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_every_endpoint_is_described_with_who_may_enter_and_every_refusal(house, described):
    routed = {
        (rule.rule.replace("<id:", "{").replace("<", "{").replace(">", "}"), method.lower())
        for rule in house.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(API)
    }
    operations = {
        (path, method): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }

    assert {(path, method) for path, method in operations if path.startswith(API)} == routed
    for operation in operations.values():
        assert operation["summary"]
        assert "security" in operation
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], status


def test_names_of_operations_are_their_own(described):
    names = [
        operation["operationId"] for methods in described["paths"].values() for verb, operation in methods.items() if verb != "parameters"
    ]

    assert len(names) == len(set(names))


def test_the_form_is_described_where_it_is_taken(described):
    login = described["paths"][f"{API}/auth/login"]["post"]["requestBody"]["content"]
    register = described["paths"][f"{API}/auth/register"]["post"]["requestBody"]["content"]

    assert set(login) == {"application/json", "application/x-www-form-urlencoded"}
    assert set(register) == {"application/json"}


def test_the_documentation_can_be_kept_for_administrators(make_house):
    house = make_house(docs_access="admin")
    administrator, user = house.administrator(), house.person()

    with Cases() as case:
        for path in ("/docs", "/openapi.json"):
            with case(path):
                assert_problem(house.client().get(path), 401, "unauthenticated")
                assert_problem(house.client().get(path, headers=user.headers), 403, "insufficient_permission")
                assert house.client().get(path, headers=administrator.headers).status_code == 200


def test_the_documentation_can_be_switched_off(make_house):
    house = make_house(docs_access="off")
    administrator = house.administrator()

    with Cases() as case:
        for path in ("/docs", "/openapi.json", "/docs/assets/start.js"):
            with case(path):
                assert_problem(house.client().get(path), 404, "not_found")
                assert_problem(house.client().get(path, headers=administrator.headers), 404, "not_found")


def test_the_page_allows_its_own_files_and_nothing_else(house):
    answer = house.client().get("/docs")

    assert_headers(answer)
    policy = dict(directive.strip().split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"], policy["connect-src"]) == (
        "'none'",
        "'self'",
        "'self'",
        "'self'",
    )
    assert "<script>" not in answer.text


def test_a_searcher_for_files_finds_four_and_no_more(house):
    with Cases() as case:
        for name in (
            "../start.js",
            "%2e%2e/%2e%2e/settings/model.py",
            "index.html",
            "swagger-ui.js.map",
            "start.js/",
            ".htaccess",
            "START.JS",
        ):
            with case(name):
                assert_problem(house.client().get(f"/docs/assets/{name}"), 404)


def test_security_txt_names_a_contact_where_one_is_set(make_house):
    assert_problem(make_house().client().get("/.well-known/security.txt"), 404)

    answer = make_house(security_contact="mailto:security@example.com").client().get("/.well-known/security.txt")

    fields = dict(line.split(": ", 1) for line in answer.text.split("\r\n") if line)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert fields["Contact"] == "mailto:security@example.com"
    assert fields["Expires"].endswith("Z")
    assert fields["Canonical"].endswith("/.well-known/security.txt")


@pytest.fixture
def page(chromium):
    """A page of a real browser that may not talk to anybody but this machine."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def test_a_real_browser_shows_the_page_without_a_complaint_and_asks_nobody_else(embedded, page):
    live = embedded
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "window.broken = []; addEventListener('securitypolicyviolation', e => broken.push(e.blockedURI + ' ' + e.violatedDirective))"
    )

    page.goto(f"{live.url}/docs")
    page.wait_for_selector(".opblock")
    page.click("#operations-auth-auth_log_in .opblock-summary-control")
    page.wait_for_selector("#operations-auth-auth_log_in .opblock-body")

    assert page.title().endswith("API")
    assert page.locator(".opblock").count() >= 15
    assert page.evaluate("broken") == []
    assert complaints == []
    assert [url for url in asked if not url.startswith((live.url, "data:"))] == []


def test_a_reader_of_the_page_signs_in_and_calls_the_api_from_it(embedded, page):
    live = embedded
    person = live.house.register()
    page.goto(f"{live.url}/docs")
    page.wait_for_selector(".opblock")

    page.click(".btn.authorize")
    page.fill(".auth-container input", person.tokens.access)
    page.click(".auth-btn-wrapper .authorize")
    page.click(".auth-btn-wrapper .btn-done")
    page.click("#operations-users-users_read_me .opblock-summary-control")
    page.click("#operations-users-users_read_me .try-out__btn")
    page.click("#operations-users-users_read_me .execute")
    page.wait_for_selector("#operations-users-users_read_me .live-responses-table tbody .response-col_status")

    assert (
        page.locator("#operations-users-users_read_me .live-responses-table tbody .response-col_status")
        .first.inner_text()
        .startswith("200")
    )
    assert person.id in page.locator("#operations-users-users_read_me .live-responses-table").first.inner_text()
