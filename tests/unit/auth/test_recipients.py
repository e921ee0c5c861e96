from datetime import UTC, datetime, timedelta

import pytest

from secureapi.auth.recipients import Recipients
from secureapi.core.mail import Hopeless, Recipient
from secureapi.core.outbox import Note
from secureapi.core.secret_values import SecretBox

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NOBODY = "01a1ff02-f909-7f72-89d4-1538a3a205a2"


def note(user_id=None, **details):
    return Note(NOBODY, "mail.registration", user_id, details, NOW, 0, NOW + timedelta(minutes=1))


@pytest.fixture
def recipients(database):
    return Recipients(database=database, secret_box=SecretBox("k" * 48))


def test_a_sealed_address_tells_nothing_and_comes_back(recipients):
    sealed = recipients.seal("älice@bücher.example")

    assert "lice" not in sealed
    assert sealed != recipients.seal("älice@bücher.example"), "nobody can tell that two notes are about the same address"
    assert recipients.unseal(sealed) == "älice@bücher.example"


@pytest.mark.parametrize("sealed", ["", "x", "no base64!", "A" * 60, "é"])
def test_what_was_not_sealed_here_is_no_address(recipients, sealed):
    assert recipients.unseal(sealed) is None


def test_a_message_whose_address_cannot_be_read_with_another_secret_is_not_lost_without_a_trace(recipients, database):
    sealed = Recipients(database=database, secret_box=SecretBox("f" * 48)).seal("alice@example.com")

    with pytest.raises(Hopeless, match="AddressUnreadable"):
        recipients.find(note(sealed_to=sealed, name="alice"))


def test_a_message_to_somebody_without_an_account_needs_a_name(recipients):
    sealed = recipients.seal("alice@example.com")

    assert recipients.find(note(sealed_to=sealed, name="alice")) == Recipient("alice@example.com", "alice")
    assert recipients.find(note(sealed_to=sealed)) is None


def test_a_message_about_an_account_that_is_gone_is_for_nobody(recipients):
    assert recipients.find(note(NOBODY)) is None
    assert recipients.find(note(NOBODY, sealed_to=recipients.seal("alice@example.com"))) is None
