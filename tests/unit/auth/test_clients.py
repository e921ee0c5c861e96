import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from marshmallow import ValidationError
from sqlalchemy import text

from secureapi.auth.client_authentication import _basic
from secureapi.auth.client_secrets import hash_of
from secureapi.auth.errors import ClientExists, NoSuchClient
from secureapi.auth.repository import find_secret_hash
from secureapi.auth.schemas.for_services import NewClient
from secureapi.auth.service import Clients
from secureapi.core.clock import SystemClock
from secureapi.core.requests import Client
from secureapi.security.trail import Trail

TERMINAL = Client.of_command_line()


@pytest.fixture
def clients(database):
    clock = SystemClock()
    return Clients(database=database, clock=clock, trail=Trail(clock))


def add(clients, client_id="shop", description=""):
    return clients.add(client_id=client_id, description=description, client=TERMINAL)


def kept(database, client_id):
    with database.reading() as connection:
        return find_secret_hash(connection, client_id)


def events(database):
    with database.reading() as connection:
        return [row[0] for row in connection.execute(text("SELECT type FROM audit_events WHERE type LIKE 'auth.client.%' ORDER BY id"))]


def test_a_secret_is_long_told_once_and_kept_as_a_hash(clients, database):
    secret = add(clients)

    assert re.fullmatch(r"sac_[A-Za-z0-9_-]{43}", secret)
    assert kept(database, "shop") == hashlib.sha256(secret.encode()).digest() == hash_of(secret)
    with database.reading() as connection:
        everything = str([connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("clients", "audit_events")])
    assert secret not in everything
    assert secret[4:] not in everything


def test_two_secrets_are_never_the_same(clients):
    assert len({add(clients, f"shop-{n}") for n in range(20)}) == 20


def test_an_id_is_given_once(clients, database):
    secret = add(clients)

    with pytest.raises(ClientExists):
        add(clients)

    assert kept(database, "shop") == hash_of(secret)
    assert events(database) == ["auth.client.created"]


def test_two_operators_who_add_one_id_at_once_make_one_client(clients, database):
    def one():
        try:
            return add(clients)
        except ClientExists:
            return None

    with ThreadPoolExecutor(4) as pool:
        secrets = list(filter(None, pool.map(lambda _: one(), range(8))))

    (secret,) = secrets
    assert kept(database, "shop") == hash_of(secret)


def test_a_new_secret_takes_the_place_of_the_old_one(clients, database):
    old = add(clients)

    new = clients.change_secret(client_id="shop", client=TERMINAL)

    assert new != old
    assert kept(database, "shop") == hash_of(new)
    assert events(database) == ["auth.client.created", "auth.client.secret_changed"]


def test_a_client_that_was_removed_is_unknown_and_its_id_is_free(clients, database):
    old = add(clients)

    clients.remove(client_id="shop", client=TERMINAL)

    assert kept(database, "shop") is None
    assert add(clients) != old
    assert events(database) == ["auth.client.created", "auth.client.removed", "auth.client.created"]


def test_nothing_is_done_to_a_client_that_is_not_there(clients, database):
    with pytest.raises(NoSuchClient):
        clients.change_secret(client_id="shop", client=TERMINAL)
    with pytest.raises(NoSuchClient):
        clients.remove(client_id="shop", client=TERMINAL)
    assert events(database) == []


def test_clients_are_listed_by_id_with_what_they_are_for(clients):
    add(clients, "shop", "Orders")
    add(clients, "bank")

    assert [(client.id, client.description) for client in clients.list_all()] == [("bank", ""), ("shop", "Orders")]


@pytest.mark.parametrize("client_id", ["abc", "0-shop", "orders.api_2", "a" * 64])
def test_an_id_is_of_plain_letters(client_id):
    assert NewClient().load({"client_id": client_id})["client_id"] == client_id


IMPOSSIBLE = ["", "ab", "-ab", ".ab", "_ab", "Shop", "a b", "a:b", "shop\n", "größe", "a" * 65, "a/b", "a%b", "abc\x00"]


@pytest.mark.parametrize("client_id", IMPOSSIBLE)
def test_an_id_that_would_be_spelled_differently_somewhere_is_refused(client_id):
    with pytest.raises(ValidationError):
        NewClient().load({"client_id": client_id})


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "pair"),
    [
        (f"Basic {b64('shop:secret')}", ("shop", "secret")),
        (f"bAsIc {b64('shop:secret')}", ("shop", "secret")),
        (f"Basic {b64('shop:')}", ("shop", "")),
        (f"Basic {b64('shop')}", ("shop", "")),
        (f"Basic {b64('shop:a:b')}", ("shop", "a:b")),
        # RFC 6749 section 2.3.1: both are form-urlencoded inside.
        (f"Basic {b64('a%3Ab:c%2Bd+e%25')}", ("a:b", "c+d e%")),
        (f"Basic {b64('%C3%A9:%E2%98%83')}", ("é", "☃")),
        (f"Basic {b64('é:☃')}", ("é", "☃")),
    ],
)
def test_id_and_secret_are_read_from_the_header(header, pair):
    assert _basic(header) == pair


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic  " + b64("shop:secret"),
        "Basic " + b64("shop:secret") + ",Basic " + b64("shop:secret"),
        "Basic " + b64("shop:secret").rstrip("="),
        "Basic é",
        "Basic " + b64(b"\xff:\xfe"),
        "Basic " + b64("%ff:x"),
        "Basic " + b64("x" * 1000 + ":y"),
        "Bearer " + b64("shop:secret"),
        "Basic\t" + b64("shop:secret"),
    ],
)
def test_what_cannot_be_read_is_nobody(header):
    assert _basic(header)[0] != "shop"


def test_a_secret_of_any_characters_can_be_compared():
    assert len(hash_of("\ud800\x00")) == 32
