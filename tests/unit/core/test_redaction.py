import json
import time

import structlog
from hypothesis import given
from hypothesis import strategies as st

from secureapi.auth.client_secrets import new_secret
from secureapi.core.redaction import redact
from support.each import each

CANARY = "canary-7f3a"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
REFRESH = "sar_" + "A" * 64
API_KEY = "sa_" + "b" * 40
CLIENT_SECRET = "sac_" + "Cd-_" * 10 + "efg"


def redacted(**values):
    return redact(None, "info", dict(values))


@each(
    "name",
    [
        "password",
        "new_password",
        "Password",
        "secret",
        "client_secret",
        "SECRET_KEY",
        "access_token",
        "refresh_token",
        "mfa_token",
        "token",
        "authorization",
        "Authorization",
        "cookie",
        "Set-Cookie",
        "api_key",
        "apikey",
        "mfa_code",
        "recovery_code",
        "otp",
        "totp",
        "pepper",
        "csrf_token",
        "X-API-Key",
        "private_key",
        "passwd",
        "passphrase",
        "credentials",
    ],
)
def test_a_value_under_the_name_of_a_secret_is_never_written(name):
    for value in (CANARY, CANARY.encode(), [CANARY], {"x": CANARY}, 123456):
        assert redacted(**{name: value}) == {name: "[redacted]"}


@each("name", ["code", "status_code", "error_code", "token_id", "event", "path", "user_id"])
def test_a_harmless_name_keeps_its_value(name):
    assert redacted(**{name: "plain"}) == {name: "plain"}


@each("token", [JWT, f"{JWT.rpartition('.')[0]}.", REFRESH, API_KEY, CLIENT_SECRET])
@each("sentence", ["{}", "Bearer {}", "got {} from a client", "[{}]", "token={}", '"{}"', "/auth/reset/{}", "x\n{}"])
def test_a_token_is_taken_out_of_any_sentence(token, sentence):
    shown = redacted(event=sentence.format(token))["event"]
    assert token not in shown
    assert token[-12:] not in shown
    assert "[redacted]" in shown


@each("name", ["event", "path", "reason", "value", "exception", "stack_info"])
@each("before", ["", "/api/v1/auth/introspect/", "?client=", "\\n", "x", "_"])
def test_the_secret_of_a_client_is_taken_out_wherever_it_stands(name, before):
    """Somebody puts it into an address, or a library into its complaint."""
    shown = redacted(**{name: f"{before}{CLIENT_SECRET} and more"})[name]

    assert CLIENT_SECRET[4:12] not in shown
    assert CLIENT_SECRET[-8:] not in shown
    assert shown.endswith("[redacted] and more")


def test_a_secret_that_we_have_just_made_is_taken_out_too():
    for _ in range(50):
        made = new_secret()
        assert made[8:20] not in str(redacted(path=f"/x/{made}", values=[made], reason=repr({"sent": made.encode()})))


class Shown:
    """Shows what it holds, as a dataclass or a library's object does."""

    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return f"Shown(held={self.held!r})"


@each(
    "value",
    [
        Shown(CLIENT_SECRET),
        Shown(CLIENT_SECRET.encode()),
        Shown(("GET", f"/x?y={CLIENT_SECRET}")),
        ValueError(f"not a token: {CLIENT_SECRET}"),
        CLIENT_SECRET.encode(),
        [CLIENT_SECRET],
        {CLIENT_SECRET: 1},
        {"sent": {"by": [Shown(CLIENT_SECRET)]}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_secret_of_a_client_is_taken_out_of_whatever_shows_it(value):
    shown = redacted(value=value)["value"]

    assert CLIENT_SECRET[4:12] not in shown
    assert CLIENT_SECRET[-8:] not in shown
    assert "[redacted]" in shown


@each("word", ["sac_", "sac_short", "a sack of coals", "sac_ " + "x" * 40, "mosaic_tiles"])
def test_what_is_no_secret_of_a_client_stays(word):
    assert redacted(event=word)["event"] == word


@each("sentence", ["{}", "mail to {} failed", "<{}>", "'{}'", "Key (email)=({}) already exists", "a,{},b", "user={};x"])
@each("address", ["alice.wonder@example.com", "alice.wonder+tag@sub.example.co.uk", "alice.wonder@bücher.example"])
def test_the_address_of_a_person_is_masked_in_any_sentence(sentence, address):
    shown = redacted(event=sentence.format(address))["event"]
    assert "wonder" not in shown
    assert "lice" not in shown


def test_a_very_long_local_part_is_masked_too():
    assert CANARY not in redacted(event=f"mail to {CANARY}{'x' * 80}@example.com failed")["event"]


@each(
    "url",
    [
        f"redis://:{CANARY}@host:6379/0",
        f"rediss://user:{CANARY}@host",
        f"postgresql+psycopg2://u:{CANARY}@host/db?sslmode=require",
        f"postgresql://u:x/{CANARY}@host/db",
        f"postgresql://u:x#{CANARY}@host/db",
        f"redis://:x@{CANARY}@host/0",
        f"could not connect to postgresql://u:{CANARY}@host, tried postgresql://u:{CANARY}@other",
    ],
)
def test_the_password_in_an_address_is_taken_out(url):
    assert CANARY not in redacted(reason=url)["reason"]


@each("before", [1960, 1975, 1985, 1990])
def test_a_secret_on_the_edge_of_what_is_kept_is_not_kept_by_half(before):
    """The text is cut at some length: what the cut leaves of an address no longer looks like one."""
    assert "canary" not in redacted(text=f"{'x' * before} redis://:canary-canary-canary@host ")["text"]


def test_a_text_of_a_megabyte_is_cut():
    assert len(redacted(text="y" * 1_000_000)["text"]) <= 2100


@each(
    "value",
    [
        {"password": CANARY},
        {"user": {"refresh_token": CANARY}},
        [{"secret": CANARY}],
        [("password", CANARY)],
        ({"Authorization": f"Basic {CANARY}"},),
        {"X-API-Key": CANARY},
    ],
)
def test_a_secret_further_inside_is_not_written_either(value):
    assert CANARY not in str(redacted(body=value)["body"])


@given(
    st.dictionaries(st.sampled_from(["path", "value", "note"]), st.text() | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
)
def test_any_values_make_a_line(values):
    line = structlog.processors.JSONRenderer(ensure_ascii=True)(None, "info", redact(None, "info", dict(values)))
    assert json.loads(line).keys() == values.keys()
    assert "\n" not in line


def test_numbers_stay_numbers():
    assert redacted(status=200, milliseconds=1.5, is_slow=True, user_id=None) == {
        "status": 200,
        "milliseconds": 1.5,
        "is_slow": True,
        "user_id": None,
    }


@each(
    "value",
    [
        "@ " + "://a:" * 3270,
        "://a:" * 3270 + "@",
        "a" * 16_000 + "@",
        "a@" * 8000,
        "eyJ" * 5400,
        "password=" * 1800,
        "password='" + "\\" * 16_000,
        {"a" * 16_000: "password='" * 1600},
    ],
    ids=lambda value: str(value)[:12],
)
def test_an_attacker_who_writes_what_is_slow_to_read_costs_no_more_than_others(value):
    """Processor time, and a hundred times what it takes: only a pattern that starts anew at each character can miss that."""
    began = time.process_time()
    redacted(value=value)
    assert time.process_time() - began < 2


@each("depth", [5, 50, 5000])
def test_a_value_that_nests_without_end_is_shown_to_some_depth(depth):
    value = CANARY
    for _ in range(depth):
        value = {"password": value} if depth == 5 else [value]
    assert CANARY not in redacted(value=value)["value"]


def test_a_value_that_holds_itself_is_shown():
    value = {}
    value["again"] = value
    assert "again" in redacted(value=value)["value"]


def test_an_object_that_cannot_be_shown_costs_no_answer():
    class Broken:
        def __repr__(self):
            raise RuntimeError(CANARY)

    assert redacted(value=Broken(), values=[Broken()]) == {"value": "<Broken>", "values": "[<Broken>]"}
