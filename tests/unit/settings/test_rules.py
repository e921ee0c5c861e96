import pytest

from secureapi.core.database import engine_options
from secureapi.settings.rules import faults_of
from support.each import each

SECRET = "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC"
POSTGRESQL = "postgresql://u:p@db.example.com/secureapi"


@pytest.fixture
def names_of_faults(make_settings):
    """`names_of_faults(**overrides)`: the names of the settings that a rule finds fault with."""

    def find(**overrides):
        return [fault.partition(":")[0] for fault in faults_of(make_settings(**overrides))]

    return find


def test_settings_for_tests_are_faultless(names_of_faults):
    assert names_of_faults() == []


@each("field", ["secret_key", "jwt_secret_key", "password_pepper"])
@each(
    "value",
    [
        "short",
        SECRET[:31],
        "a" * 64,
        "abcabcabc" * 8,
        "12345678" * 8,
        "your-secret-key-here-change-in-production",
        "your-super-secret-key-change-this-in-production",
        "your_secret_key_min_32_characters_long!!",
        "change-me-please-1234567890-abcdefghij",
        "CHANGE_THIS_TO_A_RANDOM_SECRET_0123456789",
        "supersecretkey-0123456789-abcdefghijkl",
        "placeholder-0123456789-abcdefghijklmno",
        "insert-your-random-key-0123456789-abcdef",
    ],
)
def test_a_sample_from_a_tutorial_is_no_secret(names_of_faults, field, value):
    assert names_of_faults(**{field: value}) == [field.upper()]


def test_a_random_secret_is_one(names_of_faults):
    assert names_of_faults(secret_key=SECRET) == []


def test_only_the_main_secret_must_be_there(names_of_faults):
    assert names_of_faults(jwt_secret_key="", password_pepper="") == []
    assert names_of_faults(secret_key="") == ["SECRET_KEY"]


@each("same", [("secret_key", "jwt_secret_key"), ("secret_key", "password_pepper"), ("jwt_secret_key", "password_pepper")])
def test_one_secret_for_two_purposes_is_refused(names_of_faults, same):
    assert names_of_faults(**dict.fromkeys(same, SECRET)) == ["SECRET_KEY"]


def test_a_shared_algorithm_needs_its_secret(names_of_faults):
    assert names_of_faults(jwt_algorithm="HS256", jwt_secret_key="") == ["JWT_SECRET_KEY"]
    assert names_of_faults(jwt_algorithm="HS256") == []


@each(
    ("stores", "count"),
    [
        ({}, 2),
        ({"redis_url": "rediss://h"}, 1),
        ({"database_url": POSTGRESQL}, 1),
        ({"database_url": POSTGRESQL, "redis_url": "rediss://h"}, 0),
    ],
)
def test_several_workers_share_their_stores(names_of_faults, stores, count):
    assert names_of_faults(web_concurrency=4, **stores) == ["WEB_CONCURRENCY"] * count
    assert names_of_faults(web_concurrency=1, **stores) == []


@each("mode", ["disable", "allow", "prefer", "", "none", "REQUIRE "])
def test_a_connection_that_may_be_read_on_the_way_is_refused(names_of_faults, mode):
    assert names_of_faults(database_url=f"{POSTGRESQL}?application_name=x&sslmode={mode}") == (["DATABASE_URL"] if mode else [])
    assert names_of_faults(database_url=f"{POSTGRESQL}?sslmode={mode}", database_require_tls=False) == []


@each("mode", ["require", "verify-ca", "verify-full"])
def test_an_encrypted_connection_is_accepted(names_of_faults, mode):
    assert names_of_faults(database_url=f"{POSTGRESQL}?sslmode={mode}") == []


@each("query", ["sslmode=require&sslmode=disable", "sslmode=verify-full&sslmode=prefer"])
def test_two_modes_are_not_one(names_of_faults, query):
    assert names_of_faults(database_url=f"{POSTGRESQL}?{query}") == ["DATABASE_URL"]


@each("password", ["p#w", "p?w", "p%23w", "p&sslmode=require#w"])
def test_a_password_with_a_sign_in_it_hides_no_mode(names_of_faults, password):
    """SQLAlchemy and urllib disagree about where a password with # or ? ends: what we checked must be what is used."""
    assert names_of_faults(database_url=f"postgresql://u:{password}@h/db?sslmode=disable") == ["DATABASE_URL"]


@each("password", ["pw", "p#w", "p?w", "p%23w", "p?sslmode=x#w"])
def test_a_password_with_a_sign_in_it_does_not_weaken_the_mode(make_settings, password):
    """A mode given beside the address overrides the one in it: verify-full would silently become require, which verifies nobody."""
    settings = make_settings(database_url=f"postgresql://u:{password}@h/db?sslmode=verify-full")
    assert engine_options(settings)["connect_args"].get("sslmode", "verify-full") == "verify-full"


def test_an_address_without_a_mode_is_encrypted_all_the_same(make_settings):
    assert engine_options(make_settings(database_url=POSTGRESQL))["connect_args"]["sslmode"] == "require"
    assert "sslmode" not in engine_options(make_settings(database_url=POSTGRESQL, database_require_tls=False))["connect_args"]


def test_redis_is_encrypted_unless_somebody_says_otherwise_aloud(names_of_faults):
    assert names_of_faults(redis_url="redis://h") == ["REDIS_URL"]
    assert names_of_faults(redis_url="redis://h", redis_require_tls=False) == []
    assert names_of_faults(redis_url="rediss://h") == []


@each("environment", ["development", "testing", "staging", "production"])
def test_a_debugger_is_never_on(names_of_faults, environment):
    assert names_of_faults(debug=True, environment=environment, bcrypt_rounds=12) == ["DEBUG"]


@each(("environment", "is_strict"), [("development", False), ("testing", False), ("staging", True), ("production", True)])
@each(
    ("overrides", "name"),
    [
        ({"secure_cookies": False}, "SECURE_COOKIES"),
        ({"bcrypt_rounds": 9}, "BCRYPT_ROUNDS"),
        ({"bind_address": "0.0.0.0", "public_url": "http://a.example"}, "PUBLIC_URL"),
        ({"bind_address": "::", "public_url": "http://a.example"}, "PUBLIC_URL"),
    ],
)
def test_what_development_may_production_may_not(names_of_faults, environment, is_strict, overrides, name):
    assert names_of_faults(**{"environment": environment, "bcrypt_rounds": 10} | overrides) == ([name] if is_strict else [])


def test_production_behind_tls_or_on_this_machine_is_in_order(names_of_faults):
    usual = {"environment": "production", "bcrypt_rounds": 12}
    assert names_of_faults(**usual, bind_address="0.0.0.0", public_url="https://a.example") == []
    assert names_of_faults(**usual, bind_address="127.0.0.1", public_url="http://a.example") == []


def test_credentials_need_origins(names_of_faults):
    assert names_of_faults(cors_allow_credentials=True) == ["CORS_ALLOW_CREDENTIALS"]
    assert names_of_faults(cors_allow_credentials=True, cors_origins="https://a.example") == []


@each("overrides", [{"cors_allow_headers": "*"}, {"cors_allow_methods": "GET,*"}])
def test_a_star_allows_nothing_by_name(names_of_faults, overrides):
    assert names_of_faults(**overrides) == ["CORS_ALLOW_HEADERS"]


def test_lifetimes_fit_into_each_other(names_of_faults):
    assert names_of_faults(session_lifetime_days=6, refresh_token_expire_days=7) == ["SESSION_LIFETIME_DAYS"]
    assert names_of_faults(session_lifetime_days=7, refresh_token_expire_days=7) == []
    long = {"access_token_expire_minutes": 1441, "signing_key_overlap_hours": 25}
    assert names_of_faults(**long, refresh_token_expire_days=1) == ["ACCESS_TOKEN_EXPIRE_MINUTES"]


@each("contact", ["mailto:security@example.com", "https://example.com/security", "tel:+43-1-234"])
def test_a_contact_is_an_address(names_of_faults, contact):
    assert names_of_faults(security_contact=contact) == []


@each(
    "contact",
    ["security@example.com", "http://example.com", "javascript:alert(1)", "mailto:a@b\nPolicy: x", "https://a b", "mailto:", "https://"],
)
def test_a_contact_that_would_forge_a_line_or_lead_nowhere_is_refused(names_of_faults, contact):
    assert names_of_faults(security_contact=contact) == ["SECURITY_CONTACT"]


def test_no_fault_shows_a_value(make_settings):
    canary = "canary-7f3a"
    wrong = make_settings(
        environment="production",
        secret_key=canary,
        jwt_secret_key=f"change-me-{canary}-0123456789-abcdef",
        password_pepper=f"change-me-{canary}-0123456789-abcdef",
        database_url=f"postgresql://u:{canary}@{canary}/{canary}?sslmode={canary}",
        redis_url=f"redis://:{canary}@{canary}",
        bind_address=canary,
        security_contact=canary,
        cors_allow_headers=f"*,{canary}",
        secure_cookies=False,
        debug=True,
        web_concurrency=3,
    )
    found = faults_of(wrong)
    assert len(found) > 8
    assert canary not in str(found)
