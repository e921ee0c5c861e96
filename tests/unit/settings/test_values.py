from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.settings import values
from secureapi.settings.values import Rate
from support.each import each

CANARY = "canary-7f3a"
PARSERS = [values.rate, values.words, values.origins, values.hosts, values.networks, values.http_url, values.database_url, values.redis_url]


@each(
    ("text", "rate"),
    [
        ("5/minute", Rate(5, 60)),
        ("5 per minute", Rate(5, 60)),
        ("5/minutes", Rate(5, 60)),
        ("100 / hour", Rate(100, 3600)),
        ("10/30 seconds", Rate(10, 30)),
        ("1/2 days", Rate(1, 172800)),
        ("1000/DAY", Rate(1000, 86400)),
        ("  3/second ", Rate(3, 1)),
    ],
)
def test_a_rate_is_read_as_people_write_it(text, rate):
    assert values.rate(text) == rate


@given(st.integers(1, 10**9 - 1), st.sampled_from([1, 60, 3600, 86400]) | st.integers(1, 999_999))
def test_a_rate_that_is_written_is_read_again(requests, seconds):
    assert values.rate(str(Rate(requests, seconds))) == Rate(requests, seconds)


@each(
    "text",
    ["", "5", "0/minute", "-1/minute", "5/0 seconds", "5/fortnight", "\u0665/minute", "5/minute; 6/hour", "5/minute\nx", "1e9/minute"],
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="write it as"):
        values.rate(text)


@each("text", ["a,b", " a , b ", "a,,b,", '["a","b"]', ' ["a", "b", ""] ', '[" a ","b"]'])
def test_a_list_is_json_or_has_commas(text):
    assert values.words(text) == ("a", "b")


@each("text", ["[", '["a"', "[1]", '["a",2]', "[[]]", "[null]", "['a']", "[" * 100_000])
def test_a_list_that_is_neither_is_refused_with_a_remedy(text):
    with pytest.raises(ValueError, match="list"):
        values.words(text)


@each(
    ("text", "found"),
    [
        ("https://app.example.com", ("https://app.example.com",)),
        ("HTTPS://App.Example.com/", ("https://app.example.com",)),
        ("http://localhost:3000,https://a.b", ("http://localhost:3000", "https://a.b")),
        (
            "https://a.example:443,http://b.example:80,https://c.example:80",
            ("https://a.example", "http://b.example", "https://c.example:80"),
        ),
        ('["https://xn--bcher-kva.example"]', ("https://xn--bcher-kva.example",)),
    ],
)
def test_origins_are_exact(text, found):
    assert values.origins(text) == found


@each(
    "text",
    [
        "*",
        "null",
        "https://*",
        "https://*.example.com",
        "https://.*",
        r"https://.*\.example\.com",
        "https://example.com/path",
        "https://example.com?x",
        "https://user@example.com",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "https://",
        "https://exa mple.com",
        "https://(a|b).com",
        "https://a.com$",
        "^https://a.com",
        "https://a.com, *",
        "file://",
        "https://[::1]",
        "https://a:99999",
    ],
)
def test_an_origin_that_could_match_a_stranger_is_refused(text):
    with pytest.raises(ValueError, match="exact origins"):
        values.origins(text)


@each(
    ("text", "found"),
    [
        ("api.example.com", ("api.example.com",)),
        ("API.Example.com,localhost", ("api.example.com", "localhost")),
        ("*.example.com", (".example.com",)),
        (".example.com", (".example.com",)),
        ('["[::1]"]', ("[::1]",)),
        ("127.0.0.1:8000", ("127.0.0.1:8000",)),
    ],
)
def test_hosts_are_names_or_whole_domains(text, found):
    assert values.hosts(text) == found


@each("text", ["*", ".", "..", "https://a", "a b", "a/b", "a@b", "a?b", "-a", "a,*", "*.*"])
def test_a_host_that_could_be_anybodys_is_refused(text):
    with pytest.raises(ValueError, match="host names"):
        values.hosts(text)


@each("text", [",", "[]", '[""]', " , ,"])
def test_a_list_of_hosts_without_a_host_is_refused(text):
    """Werkzeug takes an empty list of trusted hosts for "any host": whoever empties the list opens the door."""
    with pytest.raises(ValueError, match="host names"):
        values.hosts(text)


def test_networks_are_addresses_or_cidr():
    assert values.networks("10.0.0.5, 10.1.2.3/8, fd00::/8") == (
        ip_network("10.0.0.5/32"),
        ip_network("10.0.0.0/8"),
        ip_network("fd00::/8"),
    )


@each("text", ["*", "proxy.example.com", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.1-10.0.0.9"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="networks such as"):
        values.networks(text)


@each("text", ["0.0.0.0/0", "::/0", "10.0.0.1,0.0.0.0/0", "1.2.3.4/0"])
def test_a_network_of_everybody_is_no_proxy(text):
    """Every hop would be trusted, and the left-most entry of X-Forwarded-For, which the client writes, would be the client."""
    with pytest.raises(ValueError, match="networks"):
        values.networks(text)


@each(
    ("text", "url"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com/", "https://auth.example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://example.com/auth/", "https://example.com/auth"),
        ("https://[::1]:8000", "https://[::1]:8000"),
    ],
)
def test_a_public_address_has_no_trailing_slash(text, url):
    assert values.http_url(text) == url


@each(
    "text",
    [
        "auth.example.com",
        "//auth.example.com",
        "ftp://auth.example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://a?x=1",
        "https://a#x",
        "https://user@a",
        "https://user:pw@a",
        "https://:pw@a",
        "https://a:99999",
        "https://a:port",
        "https://a b",
        "https://[::1",
    ],
)
def test_what_is_no_address_for_clients_is_refused(text):
    with pytest.raises(ValueError, match="absolute address"):
        values.http_url(text)


@each("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+pg8000"])
def test_every_spelling_of_postgresql_means_psycopg2(scheme):
    assert values.database_url(f"{scheme}://u:p@h/db?x=1") == "postgresql+psycopg2://u:p@h/db?x=1"


@each(
    ("text", "url"),
    [
        ("sqlite:///var/x.db", "sqlite:///{here}/var/x.db"),
        ("sqlite+aiosqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite:////abs/x.db?timeout=3", "sqlite:////abs/x.db?timeout=3"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_sqlite_is_a_file_in_the_working_directory_or_none_at_all(text, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert values.database_url(text) == url.format(here=tmp_path)


@each("text", ["mysql://u:p@h/db", "sqlite", "postgresql:", "postgresqlx://h/db", "http://h", "/var/x.db"])
def test_another_database_is_refused(text):
    with pytest.raises(ValueError, match="write it as"):
        values.database_url(text)


@each("text", ["redis://localhost", "rediss://:p@h:6379/0"])
def test_redis_is_redis(text):
    assert values.redis_url(text) == text


@each("text", ["http://h", "localhost:6379", "unix:///tmp/x", "redis", "memcached://h", "redis+sentinel://h"])
def test_another_store_is_refused(text):
    with pytest.raises(ValueError, match="write it as"):
        values.redis_url(text)


def refusal_of(parse, text):
    """What a parser says against a text; nothing when it takes it."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


_LEAKY = [
    f"https://[{CANARY}]",
    f"redis://:p[{CANARY}]w@host",
    f"rediss://:{CANARY}\uff0f@host",
    f"https://{CANARY}\u2100.example",
    f"postgresql://u:p[{CANARY}]w@host/db",
    f"mysql://u:{CANARY}@host/db",
    f'["{CANARY}',
    f"{CANARY}/33",
    f"https://u:{CANARY}@h",
    f"5/{CANARY}",
    f"{CANARY} {CANARY}",
    f"redis://[{CANARY}",
]


@each("parse", PARSERS, ids=lambda parse: parse.__name__)
@each("text", _LEAKY)
def test_no_refusal_repeats_what_was_given_to_it(parse, text):
    """The library that takes addresses apart puts what it stumbles over into its messages, passwords included."""
    assert "canary" not in refusal_of(parse, text)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(text=st.text(max_size=30) | st.from_regex(r"(https?|rediss?|postgresql|sqlite)://[a-z:@\[\]/?#\uff0f]{0,12}", fullmatch=True))
def test_a_fuzzer_gets_a_value_or_a_remedy(parse, text):
    assert CANARY not in refusal_of(parse, text)
    assert CANARY not in refusal_of(parse, f"{text}{CANARY}")
