"""Figures for Prometheus: for whoever has the token, and for nobody else."""

import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from journeys.answers import assert_headers, assert_problem
from support.processes import children_of, until

TOKEN = secrets.token_urlsafe(32)
PLACES = {Path("/dev/shm"), Path(tempfile.gettempdir())}
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def house(make_house, engine):
    return make_house(engine, metrics_token=TOKEN, login_rate_limit="3/minute", rate_limit_per_minute=2)


def test_without_a_token_in_the_settings_there_are_none(make_house, engine):
    house = make_house(engine)
    for headers in ({}, RIGHT, {"Authorization": "Bearer "}):
        assert_problem(house.client().get("/metrics", headers=headers), 404, "not_found")


def test_whoever_has_the_token_reads_them(house):
    answer = house.client().get("/metrics", headers=RIGHT)

    assert_headers(answer)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "secureapi_limits_shared 1.0" in answer.text.splitlines()
    assert "secureapi_outbox_dead 0.0" in answer.text.splitlines()


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer x", "Bearer {}x", "Basic {}", "{}"])
def test_whoever_has_not_reads_nothing(house, value):
    answer = house.client().get("/metrics", headers={} if value is None else {"Authorization": value.format(TOKEN)})

    assert_problem(answer, 401, "invalid_metrics_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_administrator_is_nobody_here(house):
    assert_problem(house.client().get("/metrics", headers=house.administrator().headers), 401, "invalid_metrics_token")


def test_a_guesser_spends_a_limit_of_its_own_and_never_that_of_whoever_has_the_token(house):
    client = house.client()

    guesses = [client.get("/metrics", headers={"Authorization": f"Bearer {number}"}) for number in range(5)]

    assert [guess.status_code for guess in guesses] == [401, 401, 401, 429, 429]
    assert guesses[-1].headers["RateLimit-Policy"] == '"metrics_guess";q=3;w=60'
    assert {client.get("/metrics", headers=RIGHT).status_code for _ in range(5)} == {200}
    assert client.post("/api/v1/auth/login", json={"username": "nobody-here", "password": "x"}).status_code == 401


def test_refusals_are_counted_by_limit_and_no_client_names_one(house):
    for number in range(6):
        house.client().post("/api/v1/auth/login", json={"username": f'x"}} {number}', "password": "x"})
        house.client().get(f'/nothing-{number}"}}', headers={"User-Agent": 'y"} 1'})

    lines = house.client().get("/metrics", headers=RIGHT).text.splitlines()

    assert 'secureapi_limit_refusals_total{limit="login"} 3.0' in lines
    assert {line.partition("{")[2].partition("}")[0] for line in lines if "{" in line} == {'limit="login"'}


def test_messages_that_wait_or_are_dead_are_told(house):
    assert house.execute("SELECT count(*) FROM outbox") == [(0,)]
    moment = "2026-11-01 00:00:00.000000" + ("" if house.is_embedded else "+00")
    insert = "INSERT INTO outbox (id, topic, details, created_at, due_at, attempts, dead_at) VALUES (:id, 'x', '{}', :at, :at, 0, :dead)"
    for number, dead in enumerate((None, None, moment)):
        house.execute(insert, id=f"0189000000007000800000000000000{number}", at=moment, dead=dead)

    lines = house.client().get("/metrics", headers=RIGHT).text.splitlines()

    assert {"secureapi_outbox_dead 1.0", "secureapi_outbox_waiting 2.0"} <= set(lines)


def folder_of(live):
    (found,) = (path for place in PLACES for path in place.glob(f"secureapi-metrics-{live.server.pid}-*"))
    return found


def removed(folder):
    """Whether it is gone now. A worker that writes into it meanwhile has it tried again."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def refuse_one(live):
    while live.post("/api/v1/auth/login", json={"username": "nobody-here", "password": "x"}).status != 429:
        pass


def refusals(live):
    lines = live.get("/metrics", headers=RIGHT).text.splitlines()
    return [line for line in lines if line.startswith("secureapi_limit_refusals_total")]


def test_a_server_keeps_its_figures_when_it_is_reloaded_and_takes_them_with_it_when_it_ends(make_live):
    live = make_live("embedded", metrics_token=TOKEN, login_rate_limit="2/hour")
    folder, workers = folder_of(live), children_of(live.server.pid)
    assert folder.stat().st_mode & 0o777 == 0o700
    refuse_one(live)

    live.server.send(signal.SIGHUP)
    until(lambda: not set(workers) & set(children_of(live.server.pid)))
    until(lambda: refusals(live) == ['secureapi_limit_refusals_total{limit="login"} 1.0'])

    assert folder_of(live) == folder
    live.stop()
    assert not folder.exists()


def test_what_a_killed_server_left_is_removed_by_the_next_and_what_is_in_use_is_not(make_live):
    killed, alive = (make_live("embedded", metrics_token=TOKEN) for _ in range(2))
    left, used = folder_of(killed), folder_of(alive)
    killed.server.kill()
    assert left.exists()

    one_more = make_live("embedded", metrics_token=TOKEN)

    assert not left.exists()
    assert used.exists()
    for live in (alive, one_more):
        assert live.get("/metrics", headers=RIGHT).status == 200
        live.stop()


def test_when_the_folder_is_removed_refusals_go_on_and_workers_are_replaced(make_live):
    """Somebody cleans up /dev/shm. Only the figures may be lost by that."""
    live = make_live(metrics_token=TOKEN, web_concurrency=2, login_rate_limit="2/hour")
    folder = folder_of(live)
    until(lambda: removed(folder))
    person = live.house.register()

    statuses = [live.post("/api/v1/auth/login", json={"username": "nobody-here", "password": "x"}).status for _ in range(12)]

    assert statuses == [401] * 2 + [429] * 10
    assert live.get("/metrics", headers=RIGHT).status == 503
    before = set(children_of(live.server.pid))
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(set(children_of(live.server.pid)) - before) == len(before))
    assert live.get("/readyz").status == 200
    assert live.post("/api/v1/auth/login", json={"username": person.username, "password": "x"}).status == 429
    assert live.get("/metrics", headers=RIGHT).status == 503
    assert "metrics.lost" in live.log()
    assert "crashed" not in live.log()


def test_the_files_have_their_memory_before_anything_is_written_into_them(make_live):
    """A sparse one ends the process with the first figure, where the memory is full by then."""
    live = make_live("embedded", metrics_token=TOKEN, login_rate_limit="2/hour")
    refuse_one(live)

    files = list(folder_of(live).glob("*.db"))

    assert {path.name.rstrip("0123456789.db").rstrip("_") for path in files} == {"counter", "gauge_livemin"}
    for path in files:
        assert path.stat().st_size == 65_536, "as large as the library would have made it, or larger"
        assert path.stat().st_blocks * 512 >= path.stat().st_size


def test_without_a_token_a_server_keeps_no_figures(make_live):
    live = make_live("embedded")
    assert [path for place in PLACES for path in place.glob(f"secureapi-metrics-{live.server.pid}-*")] == []
    assert live.get("/metrics").status == 404


def test_the_token_must_be_as_good_as_any_other_secret(make_settings):
    from secureapi.settings.rules import faults_of

    short, double = make_settings(metrics_token="x" * 20), make_settings()
    double = make_settings(secret_key=double.secret_key, metrics_token=double.secret_key)
    assert any(fault.startswith("METRICS_TOKEN: must have at least 32") for fault in faults_of(short))
    assert any("METRICS_TOKEN a value each" in fault for fault in faults_of(double))
