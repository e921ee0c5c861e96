import contextlib
import email
import email.policy
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secureapi
from secureapi.auth.service.notices import NOTICES
from secureapi.core.mail import Composer, FilePost, Hopeless, Letter, Recipient, ServerAway, SmtpPost, one_line, post_of
from secureapi.core.outbox import Note
from support.each import each
from support.sample_settings import make_settings

ID = "01a1ff02-f909-7f72-89d4-1538a3a205a2"
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ALICE = Recipient("alice@example.com", "alice")
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Idempotency-Key",
    "MIME-Version",
    "Content-Type",
]
TEMPLATES = Path(secureapi.__file__).parent / "templates" / "mail"
HOSTILE = [
    "Mallory\r\nBcc: everybody@example.com",
    "Mallory\nBcc: everybody@example.com\n\n<script>",
    "Mallory\rBcc: everybody@example.com",
    "Mallory\x0bBcc: everybody@example.com",
    "Mallory\u2028Bcc: everybody@example.com",
    "Mallory\u0085Bcc: everybody@example.com",
    "Mallory\x00Bcc: everybody@example.com",
    '"Mallory" <everybody@example.com>, ',
    "=?utf-8?q?Mallory=0D=0ABcc:_everybody=40example.com?=",
    "ö" * 300 + "\r\nBcc: everybody@example.com",
    "<script>alert(1)</script>",
    "\ud800",
]


def note(topic="mail.refresh_reused", **details):
    return Note(ID, topic, "somebody", {"address": "203.0.113.9"} | details, NOW, 0, NOW + timedelta(minutes=1))


def link_to(purpose, link_id):
    return f"https://auth.example.com/account/{purpose}#{link_id}"


def compose(recipient=ALICE, *, settings=None, **details):
    letter = Composer(settings or make_settings(mail_from="no-reply@example.com"), link_to).compose(note(**details), recipient)
    return letter, email.message_from_bytes(letter.content, policy=email.policy.default)


def assert_nothing_was_added(letter, message):
    assert message.keys() == HEADERS
    # As they are on the wire, for whoever reads them with less care than the standard library.
    head = letter.content.partition(b"\r\n\r\n")[0]
    assert [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if not line.startswith(b" ")] == HEADERS
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    (address,) = message["To"].addresses
    assert address.addr_spec.encode("utf-8", "surrogateescape").decode() == letter.recipient
    assert len(message["From"].addresses) == 1


@each("hostile", HOSTILE)
def test_a_name_writes_no_header(hostile):
    letter, message = compose(Recipient("alice@example.com", hostile))

    assert_nothing_was_added(letter, message)
    assert (letter.sender, letter.recipient) == ("no-reply@example.com", "alice@example.com")


@each("hostile", HOSTILE)
def test_the_name_of_the_service_writes_no_header_although_it_is_in_sender_and_subject(hostile):
    letter, message = compose(settings=make_settings(app_name=hostile, mail_from="no-reply@example.com"))

    assert_nothing_was_added(letter, message)
    assert message["From"].addresses[0].addr_spec == "no-reply@example.com"


@each("hostile", HOSTILE)
def test_details_write_no_header_and_no_markup(hostile):
    letter, message = compose(address=hostile)

    assert_nothing_was_added(letter, message)
    assert "<script" not in message.get_body(("html",)).get_content()


@given(name=st.text(max_size=300), app_name=st.text(min_size=1, max_size=300), address=st.text(max_size=100))
def test_no_text_whatever_writes_a_header(name, app_name, address):
    letter, message = compose(Recipient("alice@example.com", name), settings=make_settings(app_name=app_name), address=address)

    assert_nothing_was_added(letter, message)


def test_a_foreign_header_is_not_sent_however_it_came_there(monkeypatch):
    monkeypatch.setattr("secureapi.core.mail.one_line", lambda text: text)

    hostile = make_settings(app_name="=?utf-8?q?x=0D=0ABcc:_everybody=40example.com?=", mail_from="no-reply@example.com")
    with contextlib.suppress(Hopeless):
        _, message = compose(settings=hostile)
        # Some distributions have mended the library: it encodes anew what it has decoded, and there is nothing to refuse.
        assert message["Bcc"] is None


@given(st.text())
def test_one_line_is_one_line(text):
    line = one_line(text)

    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert len(line) <= 128


@each(
    "hostile",
    ["alice@example.com\r\nBcc: x@example.com", "alice@example.com, bob@example.com", "alice", "", "a@b@c.example", "<alice@example.com>"],
)
def test_what_is_no_address_gets_no_message(hostile):
    with pytest.raises(Hopeless, match="AddressUnusable"):
        compose(Recipient(hostile, "alice"))


@each(
    ("address", "envelope", "needs_utf8"),
    [
        ("Alice@Example.com", "Alice@example.com", False),
        ("alice@bücher.example", "alice@xn--bcher-kva.example", False),
        ("älice@bücher.example", "älice@xn--bcher-kva.example", True),
        ("x" * 60 + "@" + ".".join(["y" * 60] * 3) + ".example", "x" * 60 + "@" + ".".join(["y" * 60] * 3) + ".example", False),
    ],
)
def test_addresses_are_written_as_the_envelope_needs_them(address, envelope, needs_utf8):
    letter, message = compose(Recipient(address, "alice"))

    assert (letter.recipient, letter.needs_utf8) == (envelope, needs_utf8)
    assert letter.content.isascii() is not needs_utf8
    assert_nothing_was_added(letter, message)


def test_a_message_says_what_it_is_in_text_and_in_html():
    _, message = compose(settings=make_settings(app_name="Ledger", mail_from="no-reply@example.com"))

    assert message["Subject"] == "A session of your Ledger account was closed"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == f"<{ID}@example.com>"
    assert message["Idempotency-Key"] == ID
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for part in message.iter_parts():
        text = part.get_content()
        assert part.get_content_charset() == "utf-8"
        assert "Hello alice," in text
        assert "203.0.113.9" in text
        assert "2026-11-21T09:30:00.000Z" in text


def test_lines_are_short_enough_for_any_server():
    letter, _ = compose(Recipient("alice@example.com", "ö" * 300), settings=make_settings(app_name="n" * 5000))

    assert max(len(line) for line in letter.content.split(b"\r\n")) <= 998


def test_the_same_note_gives_the_same_bytes():
    assert compose()[0] == compose()[0]


@each("topic", ["mail.unheard_of", "webhook.refresh_reused", "mail.layout", "mail.../../docs", "mail.", "refresh_reused"])
def test_a_topic_without_a_template_is_hopeless(topic):
    with pytest.raises(Hopeless, match="NoTemplate"):
        Composer(make_settings(), link_to).compose(note(topic=topic), ALICE)


def test_every_message_has_a_subject_a_text_and_html():
    kinds = {}
    for path in TEMPLATES.iterdir():
        kinds.setdefault(path.stem, set()).add(path.suffix)

    for part_of_others in ("layout", "not_me"):
        assert kinds.pop(part_of_others) == {".txt", ".html"}
    assert kinds.keys() >= {notice.message.removeprefix("mail.") for notice in NOTICES.values()}
    assert [kind for kind, found in kinds.items() if found != {".subject", ".txt", ".html"}] == []


def test_a_file_is_for_its_owner_only_and_there_once(tmp_path):
    post = FilePost(tmp_path / "var" / "mail")
    letter = Letter(ID, "no-reply@example.com", "alice@example.com", False, b"Subject: x\r\n\r\ny")

    for _ in range(2):
        post.send(letter)

    (file,) = (tmp_path / "var" / "mail").iterdir()
    assert file.name == f"{ID}.eml"
    assert file.read_bytes() == letter.content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_costs_no_message(tmp_path):
    (tmp_path / "mail").write_text("a file is in the way")

    with pytest.raises(ServerAway, match="FileExistsError"):
        FilePost(tmp_path / "mail").send(Letter(ID, "a@example.com", "b@example.com", False, b""))


@each(
    ("environment", "url", "kind"),
    [
        ("development", "", FilePost),
        ("testing", "", FilePost),
        ("staging", "", type(None)),
        ("production", "", type(None)),
        ("production", "smtp://localhost", SmtpPost),
        ("development", "smtp://localhost", SmtpPost),
    ],
)
def test_only_in_development_messages_are_files(environment, url, kind):
    assert type(post_of(make_settings(environment=environment, smtp_url=url, mail_from="no-reply@example.com"))) is kind
