"""When PostgreSQL or Redis is stopped, hangs, is emptied or takes no writes: slower or 503 at worst, and well again by itself."""

import pytest

from journeys.answers import assert_problem
from secureapi.core.database import Database
from support.faults import FAULTS, MANY, is_well, seen_by_every_worker
from support.processes import until

LOGIN, REFRESH, ME, LOGOUT = (f"/api/v1{path}" for path in ("/auth/login", "/auth/refresh", "/users/me", "/auth/logout"))


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


@pytest.mark.parametrize("fault", ["stopped", "paused", "read only", "full"])
def test_signing_in_and_being_locked_out_go_on_whatever_befalls_redis(services, live, store, fault):
    person, guessed, fault = live.house.register(), live.house.register(), FAULTS[fault]
    most = live.settings.max_login_attempts
    fault.befall(services, store)

    assert log_in(live, person).status == 200
    for number in range(most):
        live.post(LOGIN, json={"username": guessed.username, "password": f"guess-{number}"})
    assert log_in(live, guessed).status == 401
    reasons = [event.details["reason"] for event in live.house.events("auth.login.refused", subject=guessed)]
    assert reasons == ["wrong_password"] * most + ["locked"]
    fault.mend(services, store)
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
