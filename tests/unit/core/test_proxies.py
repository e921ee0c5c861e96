from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from secureapi.core.proxies import TrustedProxies, canonical_address
from support.each import each

INNER, OUTER, MALLORY = "10.0.0.2", "10.0.0.1", "203.0.113.66"


def arrived(peer, *, trusted=("10.0.0.0/8", "fd00::/8"), **headers):
    """The environ that the application sees when this peer sends these headers."""
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        return [b""]

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **{f"HTTP_{name}": value for name, value in headers.items()}}
    TrustedProxies(application, tuple(ip_network(text) for text in trusted))(environ, lambda *_: None)
    return seen


@each("forwarded", ["1.2.3.4", "1.2.3.4, 127.0.0.1", "127.0.0.1", "10.0.0.1", "10.0.0.1, 10.0.0.1", ""])
def test_a_stranger_who_names_himself_in_x_forwarded_for_stays_who_he_is(forwarded):
    assert arrived(MALLORY, X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == MALLORY
    assert arrived(MALLORY, trusted=(), X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == MALLORY


def test_without_trusted_proxies_not_even_this_machine_is_believed():
    seen = arrived("127.0.0.1", trusted=(), X_FORWARDED_FOR="1.2.3.4", X_FORWARDED_PROTO="https")
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")


@each(
    ("forwarded", "client"),
    [
        (MALLORY, MALLORY),
        (f"1.2.3.4, {MALLORY}", MALLORY),
        (f"1.2.3.4, 10.9.9.9, {MALLORY}", MALLORY),
        (f"{MALLORY}, {OUTER}", MALLORY),
        (f"1.2.3.4,{MALLORY},{OUTER},{INNER}", MALLORY),
        (f"10.1.1.1, {OUTER}", "10.1.1.1"),
        (f"nonsense, {OUTER}", OUTER),
        ("nonsense", INNER),
        ("", INNER),
        (" , ", INNER),
        (f"{MALLORY},", INNER),
        (f"{MALLORY}:1234", MALLORY),  # some proxies add the port
        (f"[2001:db8::66]:1234, {INNER}", "2001:db8::66"),
        (f"{MALLORY}:x:y", INNER),
        (f"2001:DB8:0:0::1, {OUTER}", "2001:db8::1"),
        ("::ffff:203.0.113.66", MALLORY),
        ("::ffff:10.0.0.9, 10.0.0.1", "10.0.0.9"),
        (f"{MALLORY}, ::ffff:10.0.0.9", MALLORY),
        ("fe80::1%eth0", INNER),
        (f"{MALLORY}, fd00::5", MALLORY),
        ("unknown, _hidden", INNER),
        ("0x7f.1", INNER),
        ("010.1.1.1", INNER),
        ("2130706433", INNER),
    ],
)
def test_a_trusted_proxy_is_believed_about_the_first_untrusted_hop_from_the_right(forwarded, client):
    assert arrived(INNER, X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == client


@given(st.text(max_size=60), st.sampled_from([MALLORY, "2001:db8::7", "198.51.100.1"]))
def test_whatever_a_liar_writes_further_left_changes_nothing(lie, truth):
    assert arrived(INNER, X_FORWARDED_FOR=f"{lie}, {truth}, {OUTER}")["REMOTE_ADDR"] == truth


@each(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http, https", "https"), ("https, http", "http"), ("", "http"), ("wss", "http")],
)
def test_the_scheme_is_the_last_proxys_own_word(proto, scheme):
    assert arrived(INNER, X_FORWARDED_PROTO=proto)["wsgi.url_scheme"] == scheme
    assert arrived(MALLORY, X_FORWARDED_PROTO=proto)["wsgi.url_scheme"] == "http"


@each("peer", [INNER, MALLORY])
def test_no_forwarding_header_reaches_the_libraries_further_in(peer):
    lies = ("X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "X_FORWARDED_PORT", "X_FORWARDED_PREFIX", "FORWARDED", "X_REAL_IP")
    seen = arrived(peer, HOST="api.example.com", **dict.fromkeys(lies, "evil.example"))
    assert {name for name in seen if "FORWARD" in name or "REAL" in name} == set()
    assert seen["HTTP_HOST"] == "api.example.com"


def test_a_peer_without_an_address_is_nobody_to_believe():
    assert arrived("", trusted=("0.0.0.0/1",), X_FORWARDED_FOR="1.2.3.4")["REMOTE_ADDR"] == ""


@each("trusted", [(), ("10.0.0.0/8",)])
@each(("socket", "spelled"), [("::ffff:203.0.113.66", "203.0.113.66"), ("2001:0db8::0001", "2001:db8::1")])
def test_one_peer_has_one_spelling_on_a_socket_for_both_families(socket, spelled, trusted):
    """A socket on [::] shows IPv4 clients as ::ffff:a.b.c.d, which is inside one /64 for all of them."""
    assert arrived(socket, trusted=trusted)["REMOTE_ADDR"] == spelled


@each(
    "text",
    [
        "",
        " ",
        "1.2.3",
        "1.2.3.4 ",
        "1.2.3.4/32",
        "1.2.3.4:80",
        "[::1]",
        "[::1]:80",
        "fe80::1%1",
        "\uff11.2.3.4",
        "\u0663.2.3.4",
        "localhost",
        "1.2.3.4\n",
    ],
)
def test_what_is_no_bare_address_is_none(text):
    assert canonical_address(text) is None


@given(st.ip_addresses())
def test_an_address_in_any_spelling_has_one(address):
    spelled = canonical_address(str(address))
    assert spelled is not None
    assert canonical_address(spelled) == spelled
    assert canonical_address(address.exploded) == spelled
    assert canonical_address(str(address).upper()) == spelled
