"""What the lesson of seed 001 tests in its section 13, asked of the real server as its readers would ask."""

import secrets

import pytest

REGISTER, LOGIN, ME = "/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/users/me"


@pytest.fixture
def registered(live):
    word = secrets.token_hex(5)
    user = {"username": f"testuser{word}", "email": f"test.{word}@example.com", "password": "TestPass123!", "full_name": "Test User"}
    assert live.post(REGISTER, json=user).status == 201
    return user


@pytest.fixture
def headers(live, registered):
    answer = live.post(LOGIN, json={"email": registered["email"], "password": registered["password"]})
    assert answer.status == 200
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def test_a_wrong_password_gets_a_generic_error(live, registered):
    answer = live.post(LOGIN, json={"email": registered["email"], "password": "WrongPassword123!"})

    assert answer.status == 401
    assert "Invalid email or password" in answer.json["detail"]


def test_an_address_that_does_not_exist_gets_the_same(live, registered):
    unknown = live.post(LOGIN, json={"email": "nonexistent@example.com", "password": "SomePassword123!"})
    wrong = live.post(LOGIN, json={"email": registered["email"], "password": "SomePassword123!"})

    assert unknown.status == 401
    assert "Invalid email or password" in unknown.json["detail"]
    varying = {"instance", "request_id"}
    assert {k: v for k, v in unknown.json.items() if k not in varying} == {k: v for k, v in wrong.json.items() if k not in varying}


def test_a_second_registration_gets_a_generic_error(live, registered):
    answer = live.post(REGISTER, json={"username": "different_user", "email": registered["email"], "password": "NewPassword123!"})

    assert answer.status == 400
    assert "Unable to create account" in answer.json["detail"]
    assert "exist" not in answer.text


@pytest.mark.parametrize("password", ["short1!", "alllowercase1!", "ALLUPPERCASE1!", "NoDigitsHere!", "NoSpecial123", "password123!"])
def test_a_weak_password_is_refused(live, password):
    answer = live.post(REGISTER, json={"username": "testuser2", "email": "test2@example.com", "password": password})

    assert answer.status == 400, f"weak password accepted: {password}"
    assert answer.json["code"] == "weak_password"


@pytest.mark.parametrize(("method", "path"), [("GET", ME), ("PUT", ME), ("GET", "/api/v1/users/"), ("GET", "/api/v1/admin/stats")])
def test_a_stranger_is_not_let_in(live, method, path):
    assert live.request(method, path).status in {401, 403}


@pytest.mark.parametrize("token", ["not-a-jwt", "eyJ.eyJ.invalid", "", "Bearer ", "null"])
def test_a_malformed_token_is_refused(live, token):
    assert live.get(ME, headers={"Authorization": f"Bearer {token}"}).status in {401, 403}


def test_an_expired_token_is_refused(make_house, clock):
    house = make_house("scaled")
    person = house.register()
    assert person.headers
    house.execute("UPDATE sessions SET expires_at = created_at, idle_expires_at = created_at")

    assert house.client().get(ME, headers=person.headers).status_code == 401


@pytest.mark.parametrize("payload", ["' OR '1'='1", "'; DROP TABLE users; --", "admin'--"])
def test_sql_in_a_login_is_handled_safely(live, payload):
    answer = live.post(LOGIN, json={"email": f"{payload}@example.com", "password": payload})

    assert answer.status in {401, 422}


def test_markup_in_a_username_is_refused(live):
    answer = live.post(REGISTER, json={"username": "<script>alert(1)</script>", "email": "xss@example.com", "password": "SafePassword123!"})

    assert answer.status == 422
    assert "<script>" not in answer.text


def test_ten_thousand_characters_are_refused(live):
    answer = live.post(REGISTER, json={"username": "a" * 10_000, "email": "big@example.com", "password": "BigPassword123!"})

    assert answer.status == 422


def test_the_security_headers_are_there(live):
    answer = live.get("/health")

    assert answer.status == 200
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "strict-origin" in answer.headers["Referrer-Policy"]
    assert answer.headers["Content-Security-Policy"]


def test_no_header_says_which_server_this_is(live):
    answer = live.get("/health")

    assert answer.headers["Server"] is None
    assert "python" not in str(answer.headers).lower()


def test_a_404_leaks_nothing(live, headers):
    answer = live.get("/api/v1/nonexistent", headers=headers)

    assert answer.status == 404
    assert "/app/" not in answer.text
    assert "traceback" not in answer.text.lower()


def test_health_answers_in_the_words_of_the_seed(live):
    assert live.get("/health").json == {"status": "healthy"}


def test_the_readme_of_the_other_seed_works_too(live, registered):
    login = live.post("/auth/login", form={"username": registered["username"], "password": registered["password"]})
    assert login.status == 200

    me = live.get("/users/me", headers={"Authorization": f"Bearer {login.json['access_token']}"})
    refreshed = live.post("/auth/refresh", json={"refresh_token": login.json["refresh_token"]})

    assert me.json["username"] == registered["username"]
    assert refreshed.json["token_type"] == "Bearer"
