"""Whose word counts: the Host header only when it is ours, forwarding headers only from a proxy that was named."""

import json

import pytest

from journeys.answers import assert_problem
from support.cases import Cases
from support.processes import until

LOGIN = "/api/v1/auth/login"
NOBODY = {"username": "nobody-here", "password": "x"}
STRANGE_HOSTS = [
    *("evil.example", "localhost.evil.example", "evil.example:80", "localhost@evil.example", "127.0.0.1.evil.example", "", "localhost:x"),
    *("[::1]", "localhost/evil", "LOCALHOST.", "evil.example, localhost", "127.0.0.2", "xn--localhost"),
]
PROXY, OUTER = "10.0.0.5", "10.0.0.9"


def refused_from(house, peer, **headers):
    """The address that the trail has for a sign-in that comes from this socket with these headers."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = house.client().post(LOGIN, json=NOBODY, environ_overrides={"REMOTE_ADDR": peer}, headers=names)
    (event,) = [event for event in house.events("auth.login.refused") if event.request_id == answer.headers["X-Request-ID"]]
    return event.address


def test_a_stranger_with_a_host_that_is_not_ours_is_refused(house):
    with Cases() as case:
        for host in STRANGE_HOSTS:
            for path in ("/livez", "/api/v1/users/me", "/nothing"):
                with case(host, path):
                    answer = house.client().get(path, environ_overrides={"HTTP_HOST": host})

                    assert_problem(answer, 400, "bad_request")
                    if host:
                        assert host not in answer.text


def test_our_own_hosts_are_served_on_any_port(house):
    with Cases() as case:
        for host in ("localhost", "127.0.0.1", "localhost:8000", "127.0.0.1:65535", "LocalHost"):
            with case(host):
                assert house.client().get("/livez", environ_overrides={"HTTP_HOST": host}).status_code == 200


def test_a_whole_domain_can_be_allowed(make_house):
    house = make_house(allowed_hosts=".example.com")

    def status(host):
        return house.client().get("/livez", environ_overrides={"HTTP_HOST": host}).status_code

    assert [status(host) for host in ("example.com", "a.example.com", "a.b.example.com", "evilexample.com", "localhost")] == [
        200,
        200,
        200,
        400,
        400,
    ]


def test_no_other_header_names_the_host(house):
    with Cases() as case:
        for header in ("X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host", "X-Forwarded-Server", "X-HTTP-Host-Override"):
            with case(header):
                answer = house.client().get("/.well-known/security.txt", headers={header: "evil.example"})
                page = house.client().get("/users/", headers={header: "host=evil.example"})

                for seen in (answer, page):
                    assert "evil.example" not in seen.text + str(seen.headers)


def test_the_host_header_never_gets_into_an_address_that_we_give_out(make_house):
    house = make_house(
        allowed_hosts="localhost,other.example", security_contact="mailto:security@example.com", public_url="https://auth.example.com"
    )

    answer = house.client().get("/.well-known/security.txt", environ_overrides={"HTTP_HOST": "other.example"})

    assert "Canonical: https://auth.example.com/.well-known/security.txt" in answer.text
    assert "other.example" not in answer.text


LIES = {
    "X_Forwarded_For": "203.0.113.66",
    "Forwarded": "for=203.0.113.66",
    "X_Real_IP": "203.0.113.66",
    "CF_Connecting_IP": "203.0.113.66",
    "True_Client_IP": "203.0.113.66",
    "X_Client_IP": "203.0.113.66",
    "X_Originating_IP": "203.0.113.66",
}


def test_a_liar_about_his_address_is_remembered_under_that_of_his_socket(house):
    with Cases() as case:
        for header, lie in LIES.items():
            with case(header):
                assert refused_from(house, "192.0.2.10", **{header: lie}) == "192.0.2.10"


@pytest.fixture
def behind(make_house):
    return make_house(trusted_proxies="10.0.0.0/8,fd00::/8")


CHAINS = {
    "one hop": (PROXY, "203.0.113.7", "203.0.113.7"),
    "two proxies": (PROXY, f"203.0.113.7, {OUTER}", "203.0.113.7"),
    "a lie on the left": (PROXY, "1.2.3.4, 203.0.113.7", "203.0.113.7"),
    "a lie that names a proxy": (PROXY, f"{OUTER}, 203.0.113.7", "203.0.113.7"),
    "localhost as a lie": (PROXY, "127.0.0.1, 203.0.113.7", "203.0.113.7"),
    "nothing": (PROXY, "", PROXY),
    "rubbish nearest": (PROXY, "203.0.113.7, rubbish", PROXY),
    "rubbish further out": (PROXY, f"rubbish, {OUTER}", OUTER),
    "a port": (PROXY, "203.0.113.7:4711", "203.0.113.7"),
    "only proxies": (PROXY, f"{OUTER}, {OUTER}", OUTER),
    "mapped": (PROXY, "::ffff:203.0.113.7", "203.0.113.7"),
    "IPv6": (PROXY, "2001:DB8:0:0::1", "2001:db8::1"),
    "a zone": (PROXY, "fe80::1%eth0", PROXY),
    "an IPv6 proxy": ("fd00::1", "203.0.113.7", "203.0.113.7"),
    "a mapped proxy": ("::ffff:10.0.0.5", "203.0.113.7", "203.0.113.7"),
    "not from a proxy": ("192.0.2.10", "203.0.113.7", "192.0.2.10"),
    "not from a proxy, naming one": ("192.0.2.10", f"203.0.113.7, {PROXY}", "192.0.2.10"),
    "octal": (PROXY, "0313.0.0161.7", PROXY),
    "a thousand hops": (PROXY, ", ".join(["1.2.3.4"] * 1000 + ["203.0.113.7"]), "203.0.113.7"),
}


def test_a_named_proxy_is_believed_about_the_hop_before_it_and_nobody_about_more(behind):
    with Cases() as case:
        for name, (peer, forwarded, expected) in CHAINS.items():
            with case(name):
                assert refused_from(behind, peer, X_Forwarded_For=forwarded) == expected


def test_a_proxy_is_believed_in_one_header_only(behind):
    with Cases() as case:
        for header in ("Forwarded", "X_Real_IP", "CF_Connecting_IP"):
            with case(header):
                assert refused_from(behind, PROXY, **{header: LIES[header]}) == PROXY


def test_only_a_named_proxy_says_that_a_request_came_over_tls(behind):
    with Cases() as case:
        for peer, proto, is_secure in (
            (PROXY, "https", True),
            (PROXY, "http", False),
            (PROXY, "https, http", False),
            (PROXY, "http, https", True),
            ("192.0.2.10", "https", False),
        ):
            with case(peer, proto, is_secure):
                answer = behind.client().get("/livez", environ_overrides={"REMOTE_ADDR": peer}, headers={"X-Forwarded-Proto": proto})

                assert ("Strict-Transport-Security" in answer.headers) is is_secure
                assert answer.status_code == 200


def test_limits_are_counted_for_the_client_behind_the_proxy(make_house):
    house = make_house(trusted_proxies=PROXY, login_rate_limit="1/minute")

    def log_in(client):
        headers = {"X-Forwarded-For": client}
        return house.client().post(LOGIN, json=NOBODY, environ_overrides={"REMOTE_ADDR": PROXY}, headers=headers).status_code

    assert [log_in("203.0.113.1"), log_in("203.0.113.2"), log_in("203.0.113.1"), log_in("203.0.113.9, 203.0.113.1")] == [401, 401, 429, 429]


def test_over_a_real_socket_the_trail_has_the_address_of_the_socket(live):
    headers = {"X-Forwarded-For": "203.0.113.66", "X-Real-IP": "203.0.113.66", "X-Request-ID": "over-a-real-socket"}

    live.post(LOGIN, json=NOBODY, headers=headers)

    (event,) = [event for event in live.house.events("auth.login.refused") if event.request_id == "over-a-real-socket"]
    assert event.address == "127.0.0.1"


def test_a_forger_of_log_lines_gets_one_escaped_line(make_live):
    live = make_live("embedded", log_level="INFO")
    path = "/forged%0d%0a%7b%22event%22:%22forged%22%7d%1b%5b2J%E2%80%A8?access_token=canary-secret"

    live.get(path, headers={"User-Agent": '{"event": "forged"}', "X-Request-ID": "forger-of-lines"})
    until(lambda: "forger-of-lines" in live.log())

    lines = [json.loads(line) for line in live.log().splitlines()]
    assert [line["event"] for line in lines if line.get("request_id") == "forger-of-lines"] == ["request"]
    assert "canary-secret" not in live.log()
    assert "\x1b" not in live.log()
