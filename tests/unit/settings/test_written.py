"""Values as the text that is kept of them, and that is shown: read again they are the same."""

import pytest

from secureapi.settings.overrides import read, written


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOGIN_RATE_LIMIT", "5/700 hours"),
        ("LOGIN_RATE_LIMIT", "5/44640 minutes"),
        ("LOGIN_RATE_LIMIT", "5/999999 seconds"),
        ("LOGIN_RATE_LIMIT", "5/31 days"),
        ("LOGIN_RATE_LIMIT", "5/60 seconds"),
        ("LOGIN_DELAY_SECONDS", "0.00001"),
        ("LOGIN_DELAY_SECONDS", "0.000000000000001"),
        ("LOGIN_DELAY_SECONDS", "1.123456789012345"),
        ("LIMITS_FALLBACK_SHARE", "0.300000000000001"),
    ],
)
def test_what_the_environment_takes_is_read_again_as_the_same(name, text):
    value = read(name, text)

    assert read(name, written(value)) == value


@pytest.mark.parametrize(("text", "shown"), [("5/60 seconds", "5/minute"), ("5/90 minutes", "5/90 minutes"), ("5/48 hours", "5/2 days")])
def test_a_rate_is_shown_in_the_longest_unit_that_fits(text, shown):
    assert written(read("LOGIN_RATE_LIMIT", text)) == shown


def test_more_digits_than_are_read_are_refused_and_not_rounded():
    with pytest.raises(ValueError, match="must be a number"):
        read("LIMITS_FALLBACK_SHARE", written(0.30000000000000004))
