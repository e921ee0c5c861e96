import pytest

from secureapi.settings import SettingsRefused, load_settings
from secureapi.settings.mail import MailServer, mail_sender, mail_server, sender_parts
from support.each import each
from support.sample_settings import as_environment, make_settings


def refused(**overrides):
    with pytest.raises(SettingsRefused) as caught:
        load_settings(as_environment(make_settings()) | overrides)
    return caught.value.faults


@each(
    ("text", "server"),
    [
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, False, "", "")),
        ("smtps://mail.example.com/", MailServer("mail.example.com", 465, True, "", "")),
        ("smtp://u:p%40s%2F@mail.example.com:25", MailServer("mail.example.com", 25, False, "u", "p@s/")),
        ("smtps://a%40b.example:x@[::1]:1025", MailServer("::1", 1025, True, "a@b.example", "x")),
    ],
)
def test_a_mail_server_is_taken_apart(text, server):
    assert mail_server(text) == server


@each(
    "text",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://u:p@",
        "smtp://mail.example.com:0",
        "smtp://mail.example.com:x",
        "smtp://mail.example.com/path",
        "smtp://mail.example.com?tls=no",
        "smtp://u:Hidden-1/2@mail.example.com",
        "smtp://u:Hidden-1#2@mail.example.com",
        "smtp://u:Hidden-1@2@mail.example.com",
        "smtp://user@mail.example.com",
        "smtp://:Hidden-1@mail.example.com",
        "smtp://u:Hidden-1%0d%0aRCPT@mail.example.com",
        "smtp://u:Hidden-1ö@mail.example.com",
        "smtp://bücher.example",
        "smtp://[::1",
    ],
)
def test_what_is_no_mail_server_is_refused_without_repeating_it(text):
    (fault,) = [fault for fault in refused(SMTP_URL=text, MAIL_FROM="no-reply@example.com") if fault.startswith("SMTP_URL")]

    assert "Hidden" not in fault


@each(
    ("text", "name", "address"),
    [
        ("no-reply@example.com", "", "no-reply@example.com"),
        ("<no-reply@example.com>", "", "no-reply@example.com"),
        ("Our service, Ltd. <no-reply@bücher.example>", "Our service, Ltd.", "no-reply@xn--bcher-kva.example"),
    ],
)
def test_a_sender_is_an_address_perhaps_with_a_name(text, name, address):
    assert sender_parts(text) == (name, address)
    assert sender_parts(mail_sender(text)) == (name, address)


@each(
    "text",
    [
        "nobody",
        "a@b@c.example",
        "x <a@example.com> y",
        "a@example.com, b@example.com",
        "ä@example.com",
        "x\ny <a@example.com>",
        "x <>",
        '"x" <a@b.example>',
    ],
)
def test_what_is_no_sender_is_refused(text):
    assert any(fault.startswith("MAIL_FROM") for fault in refused(MAIL_FROM=text))


def test_a_mail_server_needs_a_sender():
    assert refused(SMTP_URL="smtp://localhost") == [
        "MAIL_FROM: is required with SMTP_URL; set it to an address that the mail server lets you write from"
    ]


@each(
    ("url", "is_refused"),
    [
        ("smtp://u:p@mail.example.com", True),
        ("smtps://u:p@mail.example.com", False),
        ("smtp://mail.example.com", False),
        ("smtp://u:p@localhost", False),
    ],
)
def test_a_password_does_not_leave_this_machine_in_the_open(url, is_refused):
    environment = {"SMTP_URL": url, "MAIL_FROM": "no-reply@example.com", "SMTP_REQUIRE_TLS": "false"}

    if is_refused:
        (fault,) = refused(**environment)
        assert fault.startswith("SMTP_REQUIRE_TLS: ")
    else:
        assert load_settings(as_environment(make_settings()) | environment).smtp_url == url


def test_the_address_of_the_mail_server_is_never_shown():
    assert "Hidden" not in repr(mail_server("smtp://u:Hidden-1@mail.example.com"))
