import dataclasses
import os
from datetime import timedelta
from ipaddress import ip_network

import pytest

from secureapi.settings import Settings, SettingsRefused, load_settings
from secureapi.settings.values import Rate
from support.each import each

SECRET = "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC"
OTHER_SECRET = "q8WnR2tYxC5vB7mK1jH4gF9dS3aP6oIuZ0eLrTyUiNwXcVbM"
CANARY = "canary-7f3a"
COMPLETE = {"SECRET_KEY": SECRET, "DATABASE_URL": "sqlite:///:memory:"}


def load(**variables):
    return load_settings(COMPLETE | variables)


def faults(**variables):
    """Every fault of the complete settings with these instead; None takes one away."""
    merged = {name: value for name, value in (COMPLETE | variables).items() if value is not None}
    with pytest.raises(SettingsRefused) as refused:
        load_settings(merged)
    return refused.value.faults


def names(found):
    return sorted({fault.partition(":")[0] for fault in found})


def test_two_settings_are_enough():
    settings = load()
    assert (settings.secret_key, settings.database_url) == (SECRET, "sqlite:///:memory:")
    assert settings.environment == "production"


@each(
    ("name", "text", "field", "value"),
    [
        ("APP_NAME", "Acme", "app_name", "Acme"),
        ("ENVIRONMENT", "staging", "environment", "staging"),
        ("ENVIRONMENT", "Production", "environment", "production"),
        ("DEBUG", "false", "debug", False),
        ("PORT", "8001", "port", 8001),
        ("WEB_CONCURRENCY", "1", "web_concurrency", 1),
        ("PUBLIC_URL", "https://auth.example.com/", "public_url", "https://auth.example.com"),
        ("PASSWORD_PEPPER", OTHER_SECRET, "password_pepper", OTHER_SECRET),
        ("JWT_SECRET_KEY", OTHER_SECRET, "jwt_secret_key", OTHER_SECRET),
        ("JWT_ALGORITHM", "RS256", "jwt_algorithm", "RS256"),
        ("JWT_ALGORITHM", "eddsa", "jwt_algorithm", "EdDSA"),
        ("DATABASE_URL", "postgresql+asyncpg://u:p@h/db", "database_url", "postgresql+psycopg2://u:p@h/db"),
        ("DATABASE_URL", "postgres://u:p@h/db", "database_url", "postgresql+psycopg2://u:p@h/db"),
        ("DATABASE_REQUIRE_TLS", "false", "database_require_tls", False),
        ("REDIS_URL", "rediss://:p@h:6379/0", "redis_url", "rediss://:p@h:6379/0"),
        ("REDIS_REQUIRE_TLS", "no", "redis_require_tls", False),
        ("TRUSTED_PROXIES", "10.0.0.0/8", "trusted_proxies", (ip_network("10.0.0.0/8"),)),
        ("BCRYPT_ROUNDS", "13", "bcrypt_rounds", 13),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "30", "access_token_expire_minutes", 30),
        ("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "30", "access_token_expire_minutes", 30),
        ("REFRESH_TOKEN_EXPIRE_DAYS", "14", "refresh_token_expire_days", 14),
        ("JWT_REFRESH_TOKEN_EXPIRE_DAYS", "14", "refresh_token_expire_days", 14),
        ("RATE_LIMIT_PER_MINUTE", "100", "api_rate_limit", Rate(100, 60)),
        ("LOGIN_RATE_LIMIT", "5/minute", "login_rate_limit", Rate(5, 60)),
        ("REGISTER_RATE_LIMIT", "3 per hour", "register_rate_limit", Rate(3, 3600)),
        ("REFRESH_RATE_LIMIT", "10/30 seconds", "refresh_rate_limit", Rate(10, 30)),
        ("CORS_ORIGINS", '["https://a.example","https://b.example"]', "cors_origins", ("https://a.example", "https://b.example")),
        ("CORS_ORIGINS", "https://a.example, https://b.example", "cors_origins", ("https://a.example", "https://b.example")),
        ("CORS_ALLOW_METHODS", "GET,POST", "cors_allow_methods", ("GET", "POST")),
        ("CORS_ALLOW_HEADERS", '["Authorization"]', "cors_allow_headers", ("Authorization",)),
        ("ALLOWED_HOSTS", '["api.example.com"]', "allowed_hosts", ("api.example.com",)),
        ("ALLOWED_HOSTS", "api.example.com,.example.org", "allowed_hosts", ("api.example.com", ".example.org")),
        ("MAX_LOGIN_ATTEMPTS", "3", "max_login_attempts", 3),
        ("ACCOUNT_LOCKOUT_MINUTES", "15", "account_lockout", timedelta(minutes=15)),
        ("SECURE_COOKIES", "True", "secure_cookies", True),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_FORMAT", "console", "log_format", "console"),
        ("DOCS_ACCESS", "off", "docs_access", "off"),
        ("UNVERSIONED_PATHS", "0", "unversioned_paths", False),
        ("SLOW_REQUEST_MS", "250", "slow_request_ms", 250),
        ("REGISTRATION", "closed", "registration", "closed"),
        ("DATABASE_TIMEOUT_SECONDS", "2.5", "database_timeout_seconds", 2.5),
    ],
)
def test_every_name_of_the_seeds_and_of_operators_is_read(name, text, field, value):
    assert getattr(load(**{name: text}), field) == value


def test_the_other_seeds_pair_of_names_sets_the_general_limit():
    assert load(RATE_LIMIT_MAX_REQUESTS="100", RATE_LIMIT_WINDOW_SECONDS="30", RATE_LIMIT_PER_MINUTE="7").api_rate_limit == Rate(100, 30)


@each("name", [field.name.upper() for field in dataclasses.fields(Settings)])
def test_every_setting_can_come_from_a_file_and_an_empty_one_is_not_set(name, tmp_path):
    usual = load()
    field = name.lower()
    assert getattr(load(**{name: "  "} if name not in COMPLETE else {}), field) == getattr(usual, field)
    held = tmp_path / "value"
    held.write_text(f"  {COMPLETE.get(name, _SAMPLES.get(name, ''))}\n")
    variables = {key: value for key, value in COMPLETE.items() if key != name} | {f"{name}_FILE": str(held)}
    if held.read_text().strip():
        assert getattr(load_settings(variables), field) == getattr(load(**{name: held.read_text().strip()}), field)
    else:
        assert getattr(load_settings(variables), field) == getattr(usual, field)


_SAMPLES = {"JWT_SECRET_KEY": OTHER_SECRET, "PASSWORD_PEPPER": OTHER_SECRET, "REDIS_URL": "rediss://h", "PORT": "81", "APP_NAME": "Acme"}


@each("content", [f"{SECRET}", f"{SECRET}\n", f"{SECRET}\r\n", f"\n {SECRET} \n", f"\ufeff{SECRET}\n"])
def test_a_secret_in_a_file_is_the_same_whatever_the_editor_left_around_it(tmp_path, content):
    held = tmp_path / "secret"
    held.write_bytes(content.encode())
    assert load_settings({"SECRET_KEY_FILE": str(held), "DATABASE_URL": "sqlite:///:memory:"}).secret_key == SECRET


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe\x00")], ids=["missing", "folder", "binary"]
)
def test_a_file_that_cannot_be_read_is_a_fault_that_names_neither_path_nor_content(tmp_path, make):
    make(tmp_path / CANARY)
    found = faults(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / CANARY))
    assert found == ["SECRET_KEY: SECRET_KEY_FILE must name a readable text file"]


def test_an_alias_can_come_from_a_file_too(tmp_path):
    (tmp_path / "minutes").write_text("42\n")
    assert load(JWT_ACCESS_TOKEN_EXPIRE_MINUTES_FILE=str(tmp_path / "minutes")).access_token_expire_minutes == 42


@each(
    ("one", "other"),
    [
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "JWT_ACCESS_TOKEN_EXPIRE_MINUTES"),
        ("REFRESH_TOKEN_EXPIRE_DAYS", "JWT_REFRESH_TOKEN_EXPIRE_DAYS"),
    ],
)
def test_two_spellings_may_agree_and_must_not_differ(one, other):
    assert load(**{one: "9", other: "9"})
    (fault,) = faults(**{one: "9", other: "8"})
    assert fault == f"{one}: is set twice with different values, as {one} and {other}: keep one"


class TestDotenv:
    def read(self, tmp_path, content, environment=None):
        """Settings from a .env with this content, and from this environment."""
        (tmp_path / ".env").write_text(content)
        return load_settings(environment or {}, dotenv=tmp_path / ".env")

    def test_it_is_read(self, tmp_path):
        settings = self.read(tmp_path, f"# a comment\nSECRET_KEY={SECRET}\nexport DATABASE_URL='sqlite:///:memory:'\nPORT=8123 # why\n")
        assert (settings.secret_key, settings.port) == (SECRET, 8123)

    def test_the_environment_wins_over_it(self, tmp_path):
        assert self.read(tmp_path, f"SECRET_KEY={OTHER_SECRET}\nPORT=1\nAPP_NAME=file", COMPLETE | {"PORT": "2"}).port == 2

    def test_an_empty_variable_does_not_hide_it(self, tmp_path):
        assert self.read(tmp_path, "PORT=8123", COMPLETE | {"PORT": ""}).port == 8123

    def test_it_may_name_files(self, tmp_path):
        (tmp_path / "secret").write_text(SECRET)
        assert self.read(tmp_path, f"SECRET_KEY_FILE={tmp_path / 'secret'}\nDATABASE_URL=sqlite:///:memory:").secret_key == SECRET

    def test_a_variable_wins_over_a_file_that_it_names(self, tmp_path):
        """The environment wins over `.env`, in whichever of the two ways each of them gives the value."""
        (tmp_path / "secret").write_text(OTHER_SECRET)
        assert self.read(tmp_path, f"SECRET_KEY_FILE={tmp_path / 'secret'}", COMPLETE).secret_key == SECRET

    def test_nothing_of_it_ends_in_the_environment_of_child_processes(self, tmp_path):
        self.read(tmp_path, f"SECRET_KEY={SECRET}\nDATABASE_URL=sqlite:///:memory:\n{CANARY.upper().replace('-', '_')}=1")
        assert CANARY.upper().replace("-", "_") not in os.environ

    def test_one_that_is_no_text_is_refused_like_every_other_fault(self, tmp_path):
        (tmp_path / ".env").write_bytes(b"SECRET_KEY=\xff\xfe\n")
        with pytest.raises(SettingsRefused):
            load_settings({}, dotenv=tmp_path / ".env")

    def test_it_is_the_one_in_the_working_directory_or_the_one_that_was_named(self, tmp_path, monkeypatch):
        for name in os.environ:
            monkeypatch.delenv(name)
        (tmp_path / ".env").write_text(f"SECRET_KEY={SECRET}\nDATABASE_URL=sqlite:///:memory:\nPORT=1001")
        (tmp_path / "other.env").write_text(f"SECRET_KEY={SECRET}\nDATABASE_URL=sqlite:///:memory:\nPORT=1002")
        monkeypatch.chdir(tmp_path)
        assert load_settings().port == 1001
        monkeypatch.setenv("SECUREAPI_DOTENV", "other.env")
        assert load_settings().port == 1002
        monkeypatch.setenv("PORT", "1003")
        assert load_settings().port == 1003

    def test_none_is_read_when_the_variables_are_given(self, tmp_path, monkeypatch):
        (tmp_path / ".env").write_text("PORT=1001")
        monkeypatch.chdir(tmp_path)
        assert load().port == 8000


@each("value", ["yes please", "2", "tru", "-", "None", "enabled"])
def test_a_truth_value_is_true_or_false(value):
    assert faults(SECURE_COOKIES=value) == ["SECURE_COOKIES: must be true or false"]


@each(
    ("name", "value"),
    [("PORT", "0"), ("PORT", "65536"), ("BCRYPT_ROUNDS", "3"), ("BCRYPT_ROUNDS", "17"), ("MAX_BODY_BYTES", "1"), ("WEB_THREADS", "-1")],
)
def test_a_number_out_of_range_is_a_fault(name, value):
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}: must be at ")


@each(
    "value", ["x", "1.5", "1e3", "0x10", "nan", "inf", "--1", "9" * 5000, "8_000", "\u0668\u0660\u0660\u0660", "\uff18\uff10\uff10\uff10"]
)
def test_what_is_no_whole_number_is_a_fault(value):
    (fault,) = faults(PORT=value)
    assert fault.startswith("PORT: must be ")


@each("value", ["x", "nan", "inf", "-inf", "1e400", "NaN"])
def test_what_is_no_number_is_a_fault(value):
    (fault,) = faults(DATABASE_TIMEOUT_SECONDS=value)
    assert fault.startswith("DATABASE_TIMEOUT_SECONDS: must be ")


def test_without_a_public_address_it_is_this_machine_with_the_port():
    assert load(PORT="8123").public_url == "http://127.0.0.1:8123"
    assert load(PORT="8123", PUBLIC_URL="https://a.example").public_url == "https://a.example"


def test_what_is_missing_is_named_with_what_it_is_for():
    found = faults(SECRET_KEY=None, DATABASE_URL=None)
    assert names(found) == ["DATABASE_URL", "SECRET_KEY"]
    assert all("is required" in fault for fault in found)


_EVERYTHING_WRONG = {
    "SECRET_KEY": "canary-short",
    "JWT_SECRET_KEY": "canary-change-me-canary-change-me-xyz",
    "PASSWORD_PEPPER": "canarycanarycanarycanarycanarycanary",
    "DATABASE_URL": "mysql://u:canary@host/db",
    "REDIS_URL": "http://:canary@host",
    "ENVIRONMENT": "canary",
    "DEBUG": "canary",
    "PUBLIC_URL": "https://[canary]",
    "PORT": "canary",
    "WEB_CONCURRENCY": "canary",
    "JWT_ALGORITHM": "canary",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "canary",
    "LOGIN_RATE_LIMIT": "canary",
    "ALLOWED_HOSTS": "https://canary/x",
    "TRUSTED_PROXIES": "canary",
    "CORS_ORIGINS": "https://*.canary",
    "CORS_ALLOW_HEADERS": '["canary',
    "SECURE_COOKIES": "canary",
    "LOG_LEVEL": "canary",
    "SECURITY_CONTACT": "canary",
    "DATABASE_TIMEOUT_SECONDS": "canary",
    "SESSION_LIFETIME_DAYS": "1",
}


def test_every_fault_is_named_at_once_with_a_remedy_and_never_a_value():
    found = faults(**_EVERYTHING_WRONG)
    assert names(found) == sorted(_EVERYTHING_WRONG)
    assert "canary" not in "\n".join(found).lower()


def test_the_exception_that_ends_the_start_carries_no_value():
    with pytest.raises(SettingsRefused) as refused:
        load_settings(_EVERYTHING_WRONG)
    error, said = refused.value, ""
    while error is not None:
        said += str(error) + repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "canary" not in said.lower()


@each(
    "url",
    [
        f"postgresql://u:p[{CANARY}]w@host/db",
        f"postgresql://u:{CANARY}[@host/db",
        f"postgresql://u:{CANARY}\uff0f@host/db",
        f"postgresql://u:{CANARY}@host:port/db",
        f"postgresql://u:{CANARY}@[::1/db",
    ],
)
def test_a_database_address_that_cannot_be_taken_apart_is_a_fault_and_no_crash(url):
    found = faults(DATABASE_URL=url)
    assert names(found) == ["DATABASE_URL"]
    assert CANARY not in str(found)


def test_a_fault_does_not_make_others_up():
    """What could not be read is as good as set: nobody should be told to set what he has set."""
    assert names(faults(WEB_CONCURRENCY="4", DATABASE_URL="mysql://h/db", REDIS_URL="http://h")) == ["DATABASE_URL", "REDIS_URL"]
    assert names(faults(JWT_ALGORITHM="HS512", JWT_SECRET_KEY=None)) == ["JWT_ALGORITHM"]
    assert names(faults(CORS_ALLOW_CREDENTIALS="true", CORS_ORIGINS="*")) == ["CORS_ORIGINS"]
    assert names(faults(ENVIRONMENT="developmnt", SECURE_COOKIES="false", BCRYPT_ROUNDS="4")) == ["ENVIRONMENT"]


def test_a_fault_of_reading_does_not_hide_those_of_the_rules():
    assert names(faults(PORT="x", DEBUG="true", SECRET_KEY="short")) == ["DEBUG", "PORT", "SECRET_KEY"]


@each("name", ["SECRET_KEY", "JWT_SECRET_KEY", "PASSWORD_PEPPER"])
def test_a_secret_that_is_no_text_is_a_fault_and_no_crash_later(name):
    """Bytes that are no UTF-8 come out of the environment as lone surrogates, and nothing can encode them."""
    assert names(faults(**{name: f"{OTHER_SECRET}\udcff"})) == [name]


def test_settings_do_not_show_themselves():
    settings = load(PASSWORD_PEPPER=OTHER_SECRET)
    for shown in (repr(settings), str(settings), f"{settings}", f"{settings!r}", f"{[settings]}"):
        assert SECRET not in shown
        assert OTHER_SECRET not in shown


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().debug = True


def test_every_field_that_holds_a_secret_is_marked():
    marked = {field.name for field in dataclasses.fields(Settings) if field.metadata["about"].secret}
    assert marked == {
        "secret_key",
        "jwt_secret_key",
        "key_encryption_key",
        "password_pepper",
        "password_peppers_old",
        "metrics_token",
        "smtp_url",
        "database_url",
        "redis_url",
    }


def test_every_field_is_documented():
    for field in dataclasses.fields(Settings):
        about = field.metadata["about"]
        assert len(about.doc) > 15
        assert about.doc.endswith(".")
        assert about.group
