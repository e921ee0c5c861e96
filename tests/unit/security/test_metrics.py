import errno
import os
import secrets

import pytest

from secureapi.core.errors import Unavailable
from secureapi.core.outbox import Backlog
from secureapi.security.metrics import FOLDER, KeptIn, Metrics
from support.each import each

TOKEN = secrets.token_urlsafe(32)


@pytest.fixture
def metrics(make_settings):
    return Metrics(make_settings(metrics_token=TOKEN), backlog=lambda: Backlog(2, 7, None))


def figures(metrics):
    lines = metrics.text().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_without_a_token_nothing_is_counted_and_nobody_is_let_in(make_settings):
    metrics = Metrics(make_settings(), backlog=lambda: Backlog(0, 0, None))
    metrics.count_refusal("login")
    metrics.count_without_redis("login", KeptIn.DATABASE)
    metrics.limits_are(shared=False)
    assert not metrics.is_on
    assert not any(map(metrics.is_opened_by, ("", "Bearer", "Bearer ", "Bearer x")))


@each("scheme", ["Bearer", "bearer"])
def test_the_token_opens(metrics, scheme):
    assert metrics.is_opened_by(f"{scheme} {TOKEN}")


@each("header", ["", "{}", "Bearer", "Bearer ", "Bearer {}x", "Bearer x{}", "Bearer  {}", "Basic {}", "Bearer \u00e9"])
def test_nothing_else_does(metrics, header):
    assert not metrics.is_opened_by(header.format(TOKEN))
    assert not metrics.is_opened_by(f"Bearer {TOKEN[:-1]}")


def test_they_say_what_was_counted(metrics):
    metrics.count_refusal("login")
    metrics.count_refusal("login")
    metrics.count_without_redis("login", KeptIn.DATABASE)
    metrics.count_without_redis("api", KeptIn.PROCESS)
    metrics.limits_are(shared=False)

    found = figures(metrics)

    created = {name for name in found if "_created" in name}
    assert {name: value for name, value in found.items() if name not in created} == {
        "secureapi_limits_shared": 0,
        'secureapi_limit_refusals_total{limit="login"}': 2,
        'secureapi_limits_fallback_total{kept_in="database",limit="login"}': 1,
        'secureapi_limits_fallback_total{kept_in="process",limit="api"}': 1,
        "secureapi_outbox_dead": 2,
        "secureapi_outbox_waiting": 7,
    }


def test_limits_are_shared_until_somebody_finds_otherwise(metrics):
    assert figures(metrics)["secureapi_limits_shared"] == 1


def test_what_a_database_that_is_away_would_know_is_left_out(make_settings):
    def away():
        raise Unavailable

    found = figures(Metrics(make_settings(metrics_token=TOKEN), backlog=away))
    assert "secureapi_limits_shared" in found
    assert not any("outbox" in name for name in found)


def test_two_applications_in_one_process_do_not_mix(make_settings):
    one, other = (Metrics(make_settings(metrics_token=TOKEN), backlog=lambda: Backlog(0, 0, None)) for _ in range(2))
    one.count_refusal("login")
    assert 'secureapi_limit_refusals_total{limit="login"}' not in figures(other)


def broken(*_args):
    raise ValueError("mmap closed or invalid")


def test_figures_that_cannot_be_written_cost_nothing_but_the_figures(metrics, monkeypatch):
    assert figures(metrics)
    monkeypatch.setattr(metrics._made, "refusal", broken)

    metrics.count_refusal("login")
    metrics.count_refusal("login")
    metrics.count_without_redis("login", KeptIn.DATABASE)
    metrics.limits_are(shared=False)

    with pytest.raises(Unavailable):
        metrics.text()
    metrics.begin_process()
    assert figures(metrics)["secureapi_limits_shared"] == 1, "the next process tries anew"


def test_figures_that_cannot_be_read_are_unavailable_and_go_on_being_counted(metrics, monkeypatch):
    metrics.count_refusal("login")
    with monkeypatch.context() as patch:
        patch.setattr(metrics._made, "text", broken)
        with pytest.raises(Unavailable):
            metrics.text()
    metrics.count_refusal("login")
    assert figures(metrics)['secureapi_limit_refusals_total{limit="login"}'] == 2


@pytest.mark.parametrize("why", ["no room", "no folder"])
def test_where_there_is_no_memory_for_them_a_process_begins_without(metrics, monkeypatch, tmp_path, why):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    if why == "no room":
        monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setenv(FOLDER, str(tmp_path if why == "no room" else tmp_path / "gone"))

    metrics.begin_process()

    metrics.count_refusal("login")
    with pytest.raises(Unavailable):
        metrics.text()
    assert list(tmp_path.iterdir()) == [], "half a file would be read as a damaged one"
    metrics.end_process(os.getpid())
