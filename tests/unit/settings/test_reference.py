import dataclasses
import re

import pytest

from secureapi.settings import Settings, SettingsRefused, load_settings
from secureapi.settings.reference import dotenv_example, settings_page, spelled
from secureapi.settings.values import Rate

NAMES = [field.name.upper() for field in dataclasses.fields(Settings)]


def test_every_setting_has_its_section_and_its_line():
    assert re.findall(r"^### `(\w+)`$", settings_page(), re.MULTILINE) == NAMES
    assert re.findall(r"^# ([A-Z0-9_]+)=", dotenv_example(), re.MULTILINE) == NAMES


def test_a_copy_of_the_example_sets_nothing(tmp_path):
    (tmp_path / ".env").write_text(dotenv_example())

    with pytest.raises(SettingsRefused) as refused:
        load_settings({}, dotenv=tmp_path / ".env")

    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["SECRET_KEY", "DATABASE_URL"]


def test_the_example_with_every_line_switched_on_is_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    switched_on = re.sub(r"^# ([A-Z0-9_]+=)", r"\1", dotenv_example(), flags=re.MULTILINE)
    secret = "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC"
    (tmp_path / ".env").write_text(switched_on.replace("\nSECRET_KEY=\n", f"\nSECRET_KEY={secret}\n"))

    assert load_settings({}, dotenv=tmp_path / ".env") == load_settings(
        {"SECRET_KEY": secret, "DATABASE_URL": "sqlite:///var/secureapi.db"}
    )


def test_the_example_holds_no_value_for_a_secret():
    for line in ("SECRET_KEY=", "JWT_SECRET_KEY=", "PASSWORD_PEPPER="):
        assert f"\n# {line}\n" in dotenv_example()


def test_a_section_says_limits_choices_other_spellings_and_secrecy():
    page = settings_page()

    def section(name):
        return page.partition(f"### `{name}`\n")[2].partition("\n##")[0]

    assert "from 1 to 65535" in section("PORT")
    assert "one of `json`, `console`" in section("LOG_FORMAT")
    assert "`JWT_ACCESS_TOKEN_EXPIRE_MINUTES`" in section("ACCESS_TOKEN_EXPIRE_MINUTES")
    assert "required" in section("SECRET_KEY")
    assert "`SECRET_KEY_FILE`" in section("SECRET_KEY")
    assert "default: `5/minute`" in section("LOGIN_RATE_LIMIT")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (("a", "b"), "a,b"), ((), ""), (0.25, "0.25"), (5.0, "5"), (Rate(10, 30), "10/30 seconds"), ("x", "x"), (12, "12")],
)
def test_values_are_spelled_as_the_environment_would(value, text):
    assert spelled(value) == text
