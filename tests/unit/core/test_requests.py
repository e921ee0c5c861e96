import re

from hypothesis import given
from hypothesis import strategies as st

from secureapi.core.identifiers import is_id
from secureapi.core.requests import Client, current_client, current_request_id, current_traceparent, printable
from support.each import each


def seen_by(app, headers, **environ):
    with app.test_request_context(headers=headers, environ_overrides=environ):
        return current_client()


@each("offered", ["a1b2c3d4", "A" * 64, "req.2026-11-21_0001", "0" * 8])
def test_a_well_formed_request_id_is_taken_over(bare_app, offered):
    assert seen_by(bare_app, {"X-Request-ID": offered}).request_id == offered


@each(
    "offered",
    ["", "short", "A" * 65, "-leading-dash", ".hidden.file", "with space", "a;b;c;d;e", "<script>x", "äöüäöüäöü", "%0d%0aSet-Cookie"],
)
def test_a_forger_of_log_lines_gets_a_request_id_of_ours(bare_app, offered):
    assert is_id(seen_by(bare_app, {"X-Request-ID": offered}).request_id)


def test_a_request_keeps_one_id_from_beginning_to_end(bare_app):
    with bare_app.test_request_context():
        assert current_request_id() == current_request_id() == current_client().request_id


@each(
    ("offered", "taken"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra", False),
        ("00-4bf92f35", False),
        ("", False),
    ],
)
def test_trace_context_is_passed_on_only_when_it_is_well_formed(bare_app, offered, taken):
    with bare_app.test_request_context(headers={"traceparent": offered}):
        assert current_traceparent() == (offered if taken else None)


def test_a_user_agent_is_cut_and_cannot_carry_control_characters(bare_app):
    client = seen_by(bare_app, {"User-Agent": "Mallory\x1b[2J\x9b\x7f\tx" + "y" * 100_000})
    assert len(client.user_agent) == 256
    assert client.user_agent.startswith("Mallory\ufffd[2J\ufffd\ufffd\ufffdx")


def test_an_address_is_given_without_its_zone(bare_app):
    assert seen_by(bare_app, {}, REMOTE_ADDR="fe80::1%eth0").address == "fe80::1"
    assert seen_by(bare_app, {}, REMOTE_ADDR="").address == ""


def test_the_command_line_is_a_client_without_an_address():
    client = Client.of_command_line()
    assert (client.address, client.user_agent) == ("", "command line")
    assert is_id(client.request_id)


@given(st.text())
def test_printable_text_is_of_the_same_length_and_breaks_no_line(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert shown.isprintable() or "\ufffd" in shown
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert printable(shown) == shown


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_letters_of_any_script_stay_as_they_are(text):
    assert printable(text) == "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert printable("Zoë Ångström 北京 😀") == "Zoë Ångström 北京 😀"
