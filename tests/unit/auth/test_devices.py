import time

from hypothesis import given
from hypothesis import strategies as st

from secureapi.auth.devices import UNKNOWN, device_for_mail, device_of
from support.each import each

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"


@each(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 on Linux"),
        (CHROME, "Chrome 126 on Windows"),
        (SAFARI, "Safari 17 on macOS"),
        (IPHONE, "Mobile Safari 17 on iOS"),
        ("curl/8.5.0", "curl 8.5"),
        ("okhttp/4.12.0", "okhttp 4.12"),
        ("python-requests/2.32.3", "Python Requests 2.32"),
        ("command line", "command line"),
        ("our-app/3 (build 77)", "our-app/3 (build 77)"),
        ("", UNKNOWN),
        ("   ", UNKNOWN),
    ],
)
def test_a_device_is_named_in_a_few_words(agent, device):
    assert device_of(agent) == device


def test_an_unknown_agent_is_cut_and_cannot_move_the_cursor_of_whoever_reads_it():
    device = device_of("\x1b[2J\u202eevil " + "x" * 250)

    assert device.isprintable()
    assert "\u202e" not in device
    assert len(device) == 80


@given(st.text(max_size=256))
def test_whatever_an_agent_says_its_name_is_short_and_printable(agent):
    device = device_of(agent)

    assert device
    assert device.isprintable()
    assert len(device) <= 80


@each("piece", ["schs", "CriOSchsia", "Android 4 ", "; ", "Mozilla", "(a;", "a", "1.", "MID713"])
def test_the_worst_agents_that_were_found_cost_milliseconds(piece):
    device_of("warm")
    agent = (piece * 256)[:256]
    began = time.process_time()

    device_of.__wrapped__(agent)

    assert time.process_time() - began < 0.1


def test_the_patterns_are_not_loaded_before_somebody_lists_sessions(loaded_by_importing):
    assert "secureapi.wiring" in loaded_by_importing
    assert not [name for name in loaded_by_importing if name.startswith("ua_parser")]


@each(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 on Linux"),
        (CHROME, "Chrome 126 on Windows"),
        (SAFARI, "Safari 17 on macOS"),
        (IPHONE, "Mobile Safari 17 on iOS"),
        ("curl/8.5.0", "curl 8.5"),
        ("python-requests/2.32.3", "Python Requests 2.32"),
        ("our-app/3 (build 77)", f"an {UNKNOWN}"),
        ("", f"an {UNKNOWN}"),
    ],
)
def test_a_message_names_a_device_that_is_known(agent, said):
    assert device_for_mail(agent) == said


WORDS_OF_A_DECEIVER = [
    "Your mailbox is full: go to https://evil.example/login or lose it",
    "evil.example/login",
    "https://evil.example/verify/1",
    "Click evil.com/12 Chrome/99",
    "Pay-now.evil.com/5.0 (X11; Linux)",
    "CALL-0900-123456-now-bot/1.0",
    "evil.com-spider/1.0 (+https://evil.com)",
    "Mozilla/5.0 (compatible; evil.com-crawler/2.1; +http://evil.com)",
    "Mozilla/5.0 (Linux; Android 9; visit evil.com now Build/X) Chrome/99.0 Mobile",
]


@each("agent", WORDS_OF_A_DECEIVER)
def test_a_message_has_no_words_of_a_deceiver(agent):
    said = device_for_mail(agent).lower()

    assert [word for word in ("evil", "mailbox", "pay", "0900", "http", "/") if word in said] == []


@given(st.text(max_size=256))
def test_a_message_has_no_words_of_anybody(agent):
    assert device_for_mail(f"{agent}zqx.example/7") in {device_for_mail(agent), f"an {UNKNOWN}"}
    assert "zqx" not in device_for_mail(f"zqx.example {agent}")
