"""When PostgreSQL or Redis is stopped, hangs, is emptied or takes no writes: slower or 503 at worst, and never in after a sign-out."""

import pytest
from redis import Redis

from journeys.answers import assert_problem
from secureapi.auth.service import Credentials
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.requests import Client
from support.processes import until
from support.services import Services
from support.site import Site, prepare

LOGIN, REFRESH, ME, LOGOUT = (f"/api/v1{path}" for path in ("/auth/login", "/auth/refresh", "/users/me", "/auth/logout"))
MANY = 12
"""Requests that meet every one of the four workers, very probably."""


@pytest.fixture(scope="module")
def shaken():
    """A pair of servers that only these tests shake, and gunicorn on them: each test leaves them as they were."""
    services = Services(from_outside=False)
    site = Site(prepare(services))
    yield services, site.live(database_timeout_seconds=2.0, redis_timeout_seconds=0.1)
    site.close()
    services.close()


@pytest.fixture
def store(shaken):
    """A connection of the operator's to Redis."""
    addresses = shaken[0].addresses
    with Redis.from_url(addresses.redis_url, ssl_ca_certs=addresses.redis_ca_file) as client:
        yield client


@pytest.fixture
def services(shaken, store):
    services, live = shaken
    yield services
    services.resume()
    give_room(services, store)
    make_writable(services, store)
    until(lambda: is_well(live))


@pytest.fixture
def live(shaken, services):
    return shaken[1]


def is_well(live):
    """Whether every worker, and the house of this process, has noticed that its stores are back: each finds that out by one 503."""
    try:
        person = live.house.register()
        assert live.house.events("users.registered", subject=person)
        seen = {live.patch(ME, person=person, json={"bio": str(n)}).status for n in range(MANY)} | seen_by_every_worker(live, person)
    except (Unavailable, AssertionError):
        return False
    return seen == {200} and live.get("/readyz").json["status"] == "ok"


def seen_by_every_worker(live, person):
    return {live.get(ME, person=person).status for _ in range(MANY)}


def log_in(live, person):
    return live.post(LOGIN, json={"username": person.username, "password": person.password})


def test_without_its_database_the_house_says_503_and_goes_on_by_itself_when_it_is_back(services, live):
    person = live.house.register()
    tokens = person.tokens
    assert seen_by_every_worker(live, person) == {200}
    services.postgres.stop()

    answers = {
        "read": live.get(ME, person=person),
        "sign in": log_in(live, person),
        "refresh": live.post(REFRESH, json={"refresh_token": tokens.refresh}),
        "sign out": live.post(LOGOUT, person=person),
        "register": live.post("/auth/register", json={"username": "newcomer-9", "email": "n9@example.com", "password": "Tall-Trees-42!"}),
        "change": live.patch(ME, person=person, json={"full_name": "x"}),
    }

    for answer in answers.values():
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    assert (live.get("/livez").status, live.get("/readyz").status, live.get("/health").status) == (200, 503, 503)
    assert live.get("/health").json == {"status": "unhealthy"}

    services.postgres.start()
    until(lambda: is_well(live))
    assert seen_by_every_worker(live, person) == {200}
    assert live.post(REFRESH, json={"refresh_token": tokens.refresh}).status == 200
    assert log_in(live, person).status == 200
    assert "crashed" not in live.log()


def test_a_stranger_is_not_let_in_by_a_house_without_its_database(services, live):
    person = live.house.register()
    assert person.headers
    services.postgres.stop()

    forged = live.get(ME, headers={"Authorization": f"Bearer {person.tokens.access[:-4]}AAAA"})

    assert forged.status in {401, 503}
    assert live.get(ME).status == 401


def stop(services, _store):
    services.redis.stop()


def start(services, _store):
    services.redis.start()


def pause(services, _store):
    services.redis.pause()


def resume(services, _store):
    services.redis.resume()


def make_read_only(_services, store):
    store.replicaof("127.0.0.1", "9")


def make_writable(_services, store):
    store.replicaof("NO", "ONE")


def fill(_services, store):
    store.config_set("maxmemory", "1")


def give_room(_services, store):
    store.config_set("maxmemory", "0")


def empty(_services, store):
    store.flushall()


def nothing(_services, _store):
    pass


FAULTS = {
    "stopped": (stop, start),
    "paused": (pause, resume),
    "read only": (make_read_only, make_writable),
    "full": (fill, give_room),
    "emptied": (empty, empty),
    "emptied in between": (nothing, empty),
}
faults = pytest.mark.parametrize(("fault", "mend"), FAULTS.values(), ids=FAULTS.keys())


@faults
def test_whatever_befalls_redis_nobody_is_in_after_a_sign_out_and_everybody_else_still_is(services, live, store, fault, mend):
    leaver, stayer = live.house.register(), live.house.register()
    for person in (leaver, stayer):
        assert seen_by_every_worker(live, person) == {200}
    fault(services, store)

    assert live.post(LOGOUT, person=leaver).status == 200
    # Slower, or 503 from a worker whose connection to the database an earlier test has cut; accepted never.
    assert seen_by_every_worker(live, leaver) <= {401, 503}
    until(lambda: seen_by_every_worker(live, stayer) == {200}, seconds=5)
    mend(services, store)

    # Slower, or 503 from a worker whose connection to the database an earlier test has cut; accepted never.
    assert seen_by_every_worker(live, leaver) <= {401, 503}
    until(lambda: seen_by_every_worker(live, stayer) == {200}, seconds=5)
    assert live.post(REFRESH, json={"refresh_token": leaver.tokens.refresh}).status == 401
    assert live.post(REFRESH, json={"refresh_token": stayer.tokens.refresh}).status == 200
    assert "crashed" not in live.log()


@faults
def test_a_sign_out_that_redis_did_not_hear_of_is_told_to_it_as_soon_as_it_is_back(services, live, store, fault, mend):
    """Nobody else asks while Redis is away, so the other workers do not know that anything was amiss: the one that does must tell them.

    Between Redis' return and that moment they believe what Redis kept; it must be a moment, not the half minute that copies live.
    """
    leaver = live.house.register()
    assert seen_by_every_worker(live, leaver) == {200}
    fault(services, store)

    assert live.post(LOGOUT, person=leaver).status == 200
    mend(services, store)

    until(lambda: seen_by_every_worker(live, leaver) == {401}, seconds=5)
    assert seen_by_every_worker(live, leaver) == {401}


@pytest.mark.parametrize(("fault", "mend"), [FAULTS["stopped"], FAULTS["read only"]], ids=["stopped", "read only"])
def test_whoever_is_disabled_while_redis_is_away_is_out_at_once_and_stays_out(services, live, store, fault, mend):
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    fault(services, store)

    live.house.service(Credentials).disable(user_id=person.id, client=Client.of_command_line())

    assert seen_by_every_worker(live, person) == {401}
    mend(services, store)
    assert seen_by_every_worker(live, person) == {401}


@faults
def test_signing_in_and_being_locked_out_go_on_whatever_befalls_redis(services, live, store, fault, mend):
    person, guessed = live.house.register(), live.house.register()
    most = live.settings.max_login_attempts
    fault(services, store)

    assert log_in(live, person).status == 200
    for number in range(most):
        live.post(LOGIN, json={"username": guessed.username, "password": f"guess-{number}"})
    assert log_in(live, guessed).status == 401
    reasons = [event.details["reason"] for event in live.house.events("auth.login.refused", subject=guessed)]
    assert reasons == ["wrong_password"] * most + ["locked"]
    mend(services, store)
    assert log_in(live, person).status == 200
    assert "crashed" not in live.log()


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "terminated"])
def test_connections_that_the_database_cut_cost_nobody_a_500(services, live, kill):
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}

    cut = "pg_terminate_backend" if kill else "pg_cancel_backend"
    live.house.execute(f"SELECT {cut}(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'secureapi'")

    statuses = [live.get(ME, person=person).status for _ in range(MANY * 4)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200
    assert "crashed" not in live.log()


def test_a_locked_table_is_503_after_a_while_and_no_500(live):
    person = live.house.register()
    assert person.headers

    with live.house.service(Database).engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        assert_problem(live.patch(ME, person=person, json={"full_name": "x"}), 503, "unavailable")

    assert live.patch(ME, person=person, json={"full_name": "x"}).status == 200
