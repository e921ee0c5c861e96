"""Settings that may change: what follows from overrides, and that nobody can keep a copy of what is about to change."""

import dataclasses
from collections.abc import Iterator

import pytest

from secureapi.settings import Settings, rules
from secureapi.settings.fields import setting
from secureapi.settings.in_force import Derived, SettingsInForce
from secureapi.settings.overrides import changeable, combined, read, written
from secureapi.settings.values import Rate

WIRING = {
    "URL",
    "SECRET",
    "HOSTS",
    "PORT",
    "PROXIES",
    "COOKIES",
    "ORIGINS",
    "ALGORITHM",
    "ROUNDS",
    "MEMORY",
    "PEPPER",
    "TLS",
    "POOL",
    "FILE",
    "WEB",
}


@pytest.fixture
def in_force(make_settings):
    made = SettingsInForce(make_settings(login_rate_limit="5/minute", max_login_attempts=5))
    made.built()
    return made


def test_what_may_change_is_no_secret_and_no_wiring():
    assert {"LOGIN_RATE_LIMIT", "RATE_LIMIT_PER_MINUTE", "REGISTRATION", "MAX_LOGIN_ATTEMPTS", "MAIL_RECIPIENT_BUDGET"} <= set(changeable())
    limits = {field.name.upper() for field in dataclasses.fields(Settings) if field.name.endswith("_rate_limit")}
    assert limits <= set(changeable())
    for name, field in changeable().items():
        assert not field.metadata["about"].secret, name
        assert not field.metadata["about"].aliases, name
        assert WIRING.isdisjoint(name.split("_")), name
    with pytest.raises(ValueError, match="secret"):
        setting("", "A secret.", group="Secrets", secret=True, changeable=True)


def test_whoever_wants_a_copy_while_the_application_is_built_is_told_so(make_settings):
    """This is what makes a newly declared setting take effect: to read it in a constructor is to build no application at all."""
    in_force = SettingsInForce(make_settings())
    for name in changeable():
        with pytest.raises(RuntimeError, match=name):
            getattr(in_force.fixed, name.lower())
    for of_several in ("api_rate_limit", "account_lockout"):
        with pytest.raises(RuntimeError, match="may change while the server runs"):
            getattr(in_force.fixed, of_several)
    with pytest.raises(RuntimeError, match="not while the application is built"):
        _ = in_force.now

    in_force.built()

    assert in_force.now is in_force.start
    others = [field.name for field in dataclasses.fields(Settings) if field.name.upper() not in changeable()]
    assert [getattr(in_force.fixed, name) for name in others] == [getattr(in_force.start, name) for name in others]


def test_one_version_takes_the_place_of_another_as_a_whole_and_never_an_older_one(in_force):
    first = in_force.now
    in_force.take(2, {"LOGIN_RATE_LIMIT": "7/minute", "MAX_LOGIN_ATTEMPTS": "9"})
    second = in_force.now
    in_force.take(1, {"LOGIN_RATE_LIMIT": "1/minute"})

    assert (first.login_rate_limit, first.max_login_attempts) == (Rate(5, 60), 5)
    assert (second.login_rate_limit, second.max_login_attempts) == (Rate(7, 60), 9)
    assert in_force.now is second
    in_force.take(3, {})
    assert in_force.now.login_rate_limit == Rate(5, 60)


def test_what_is_derived_is_made_once_for_each_version(in_force):
    made = []
    derived = Derived(in_force, lambda settings: made.append(settings) or settings.login_rate_limit)

    assert [derived.now, derived.now] == [Rate(5, 60)] * 2
    in_force.take(1, {"LOGIN_RATE_LIMIT": "7/minute"})
    assert [derived.now, derived.now] == [Rate(7, 60)] * 2
    assert len(made) == 2


def test_what_a_build_cannot_use_is_left_out_with_its_reason_and_the_rest_counts(make_settings):
    """After a downgrade, say. Whatever lies there, the server starts."""
    kept = {"GONE": "1", "PORT": "80", "MAX_LOGIN_ATTEMPTS": "1000", "REGISTRATION": "", "LOGIN_RATE_LIMIT": "x"}
    start = make_settings()

    together = combined(start, kept | {"RECOVERY_RATE_LIMIT": "9/hour"})

    assert together.settings == dataclasses.replace(start, recovery_rate_limit=Rate(9, 3600))
    assert together.unusable.keys() == kept.keys()
    assert not any("1000" in reason for reason in together.unusable.values())


def test_a_pair_that_a_rule_finds_wrong_falls_back_together_and_nothing_else_does(make_settings, monkeypatch):
    def no_more_sessions_than_attempts(settings: Settings) -> Iterator[str]:
        if settings.max_sessions_per_user > settings.max_login_attempts:
            yield "MAX_SESSIONS_PER_USER: must not be more than MAX_LOGIN_ATTEMPTS"

    monkeypatch.setattr(rules, "_RULES", (*rules._RULES, no_more_sessions_than_attempts))
    start = make_settings(max_sessions_per_user=2, max_login_attempts=3)

    good = combined(start, {"MAX_SESSIONS_PER_USER": "8", "MAX_LOGIN_ATTEMPTS": "9", "REGISTRATION": "closed"})
    bad = combined(start, {"MAX_SESSIONS_PER_USER": "9", "MAX_LOGIN_ATTEMPTS": "8", "REGISTRATION": "closed"})

    assert (good.settings.max_sessions_per_user, good.settings.max_login_attempts, good.unusable) == (8, 9, {})
    assert (bad.settings.max_sessions_per_user, bad.settings.max_login_attempts, bad.settings.registration) == (2, 3, "closed")
    assert bad.unusable.keys() == {"MAX_SESSIONS_PER_USER", "MAX_LOGIN_ATTEMPTS"}


def test_a_rule_that_the_environment_breaks_already_is_nobodys_override(make_settings):
    start = make_settings(debug=True)

    assert combined(start, {"REGISTRATION": "closed"}).unusable == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOGIN_RATE_LIMIT", "10/30 seconds"),
        ("LOGIN_RATE_LIMIT", "10/14 days"),
        ("LOGIN_DELAY_SECONDS", "0.3333333"),
        ("LOGIN_DELAY_SECONDS", "5"),
        ("REGISTRATION", "closed"),
        ("MAX_LOGIN_ATTEMPTS", "7"),
    ],
)
def test_what_is_written_is_read_again(name, text):
    assert written(read(name, text)) == text
    assert read(name, written(read(name, text))) == read(name, text)


@pytest.mark.parametrize("text", ["1000001/minute", "5/32 days", "5/999999 days"])
def test_a_rate_that_would_fill_the_store_or_outlast_everybody_is_refused(text):
    with pytest.raises(ValueError, match="at most"):
        read("LOGIN_RATE_LIMIT", text)
