"""A revocation while Redis or PostgreSQL is in trouble: it is answered late, or not at all, and what it took away stays away.

Whatever the answer costs, no request that starts after it is accepted: on no worker, while the store is away or just coming back.
"""

import dataclasses
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.faults import FAULTS, MANY, ME, renew_workers, seen_by_every_worker
from support.house import House
from support.processes import until
from support.races import Crowd, change_role, together
from support.wires import Wire

AUTH = "/api/v1/auth"
LOGOUT, REFRESH = f"{AUTH}/logout", f"{AUTH}/refresh"
TERMINAL = Client(address="", user_agent="race", request_id="race-of-the-tests")


@pytest.fixture
def trusting(live):
    """The server, with workers that have no reason to distrust Redis: they believe the copies in it."""
    renew_workers(live)
    return live


def sign_out(live, person):
    answer = live.post(LOGOUT, person=person)
    assert answer.status == 200, answer.text


def fall(live, person):
    change_role(live.house, person, "viewer")


def disable(live, person):
    live.house.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL)


def be_caught(live, person):
    """A thief brings a refresh token that was used already. The answer to him is held as well."""
    token = person.tokens.refresh
    live.house.client().post(REFRESH, json={"refresh_token": token})
    assert live.post(REFRESH, json={"refresh_token": token}).json["code"] == "refresh_reused"


def is_committed(live, person):
    """Whether the database knows already what is still to be answered."""
    row = "SELECT s.ended_at, u.role FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.id = :id"
    return any(ended_at or role != "user" for ended_at, role in live.house.execute(row, id=person.id))


def answered(end, *arguments):
    """When a revocation was answered."""
    end(*arguments)
    return time.monotonic()


ENDS = [(sign_out, name) for name in FAULTS] + [(fall, "stopped"), (fall, "full"), (disable, "paused"), (be_caught, "stopped")]


@pytest.mark.parametrize(("end", "fault"), ENDS, ids=lambda value: getattr(value, "__name__", value))
def test_what_was_taken_away_while_redis_was_in_trouble_does_not_come_back_with_it(services, trusting, store, end, fault):
    """Nobody else asks meanwhile, so no worker but the one that revokes can know that anything was amiss."""
    live, fault = trusting, FAULTS[fault]
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    assert store.dbsize(), "the workers remember nothing, so nothing could be wrong"
    fault.befall(services, store)

    with ThreadPoolExecutor(1) as pool:
        revocation = pool.submit(answered, end, live, person)
        until(lambda: is_committed(live, person))
        fault.mend(services, store)
        with Crowd(lambda: live.get(ME, person=person).status) as crowd:
            moment = revocation.result(timeout=30)
            crowd.go_on_after(moment)

    assert crowd.statuses(after=moment) == {401}
    assert "crashed" not in live.log()


@pytest.mark.parametrize("fault", ["stopped", "paused"])
def test_others_are_served_while_a_sign_out_waits_for_redis(services, trusting, store, fault):
    live, fault = trusting, FAULTS[fault]
    leaver, stayer = live.house.register(), live.house.register()
    for person in (leaver, stayer):
        assert seen_by_every_worker(live, person) == {200}

    with (
        ThreadPoolExecutor(1) as pool,
        Crowd(lambda: live.get(ME, person=leaver).status, threads=4) as gone,
        Crowd(lambda: live.get(ME, person=stayer).status, threads=4) as served,
    ):
        gone.meet(200, times=4)
        served.meet(200, times=4)
        fault.befall(services, store)
        revocation = pool.submit(answered, sign_out, live, leaver)
        until(lambda: is_committed(live, leaver))
        served.go_on_after(time.monotonic(), times=6)
        fault.mend(services, store)
        moment = revocation.result(timeout=30)
        gone.go_on_after(moment)
        served.go_on_after(moment)

    assert gone.statuses(after=moment) == {401}
    assert served.statuses() == {200}
    assert live.post(REFRESH, json={"refresh_token": leaver.tokens.refresh}).status == 401
    assert live.post(REFRESH, json={"refresh_token": stayer.tokens.refresh}).status == 200
    assert "crashed" not in live.log()


def test_when_many_sign_out_at_once_some_are_told_to_try_again_and_everybody_else_is_served(services, trusting, store):
    """Answers that are held cost a thread each: whoever signs out must not be able to take all of them from the others."""
    live = trusting
    # More than all workers together may hold.
    many = live.settings.web_concurrency * (live.settings.web_threads // 4) + 8
    stayer, leavers = live.house.register(), [live.house.register() for _ in range(many)]
    for person in (stayer, *leavers):
        assert live.get(ME, person=person).status == 200
    services.redis.stop()

    def leave(person):
        return live.post(LOGOUT, person=person).status, time.monotonic()

    with ThreadPoolExecutor(len(leavers)) as pool:
        waiting = [pool.submit(leave, person) for person in leavers]
        until(lambda: any(one.done() for one in waiting))
        began = time.monotonic()
        assert seen_by_every_worker(live, stayer) == {200}
        assert time.monotonic() - began < 5
        services.redis.start()
        answers = [one.result(timeout=30) for one in waiting]

    statuses = [status for status, _ in answers]
    assert set(statuses) == {200, 503}
    gone = [person for person, status in zip(leavers, statuses, strict=True) if status == 200]
    assert set(together([lambda person=person: live.get(ME, person=person).status for person in gone])) == {401}
    # What was 503 is in force wherever the database is asked, and trying again makes it so everywhere.
    for person, status in zip(leavers, statuses, strict=True):
        if status == 503:
            assert live.post(LOGOUT, person=person).status in {200, 401}
            assert live.get(ME, person=person).status == 401


@pytest.mark.parametrize("end", [sign_out, fall])
def test_a_redis_that_comes_back_with_what_it_knew_yesterday_lets_nobody_in(services, trusting, store, end, request):
    """A snapshot, or a replica that takes over, has the copy of a caller and not the mark that came after it."""
    live = trusting
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    store.save()
    dump = os.path.join(store.config_get("dir")["dir"], "dump.rdb")  # noqa: PTH118 - Redis says it as text
    request.addfinalizer(lambda: os.unlink(dump))  # noqa: PTH108 - likewise
    end(live, person)
    services.redis.stop(signal.SIGKILL)
    services.redis.start()
    assert store.dbsize(), "the snapshot is empty, so nothing was proved"

    with Crowd(lambda: live.get(ME, person=person).status) as crowd:
        crowd.go_on_after(0, times=6)

    assert crowd.statuses() == {401}


def keys_about(store, person):
    return sorted(store.scan_iter(f"*{person.id}*"))


@pytest.mark.parametrize("end", [sign_out, fall])
def test_whatever_a_full_redis_throws_away_nobody_is_in_again(trusting, store, end):
    """With an eviction policy it may forget any key at any time: a mark, and not the copy that the mark has made worthless."""
    live = trusting
    for number in range(MANY):
        person = live.house.register()
        assert seen_by_every_worker(live, person) == {200}
        before = {key: store.dump(key) for key in keys_about(store, person)}
        end(live, person)
        keys = keys_about(store, person)
        if number >= len(keys):
            break
        store.delete(keys[number])

        assert seen_by_every_worker(live, person) == {401}, (keys[number], before.keys())
        assert seen_by_every_worker(live, person) == {401}
    assert number > 0


@pytest.mark.parametrize("fault", ["read only", "without its replicas", "full"])
def test_a_redis_that_can_be_read_but_not_written_vouches_for_nobody(services, trusting, store, fault):
    """The bound for the one case in which no mark can be seen: zero. Nobody is told of this end, as if the mark had got lost."""
    live, fault = trusting, FAULTS[fault]
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    fault.befall(services, store)

    live.house.execute("UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE user_id = :id", id=person.id)

    assert seen_by_every_worker(live, person) == {401}


def test_a_sign_out_without_the_database_is_503_and_promises_nothing(services, trusting):
    live = trusting
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    services.postgres.stop()

    assert live.post(LOGOUT, person=person).status == 503
    services.postgres.start()

    until(lambda: live.post(LOGOUT, person=person).status == 200)
    assert seen_by_every_worker(live, person) <= {401, 503}
    until(lambda: seen_by_every_worker(live, person) == {401})


def test_a_sign_out_while_the_database_hangs_is_right_whenever_it_is_answered(services, trusting):
    live = trusting
    person = live.house.register()
    assert seen_by_every_worker(live, person) == {200}
    services.postgres.pause()

    with ThreadPoolExecutor(1) as pool:
        revocation = pool.submit(lambda: (live.post(LOGOUT, person=person).status, time.monotonic()))
        assert {live.get("/livez").status for _ in range(MANY)} == {200}
        services.postgres.resume()
        status, moment = revocation.result(timeout=30)

    assert status == 200
    with Crowd(lambda: live.get(ME, person=person).status) as crowd:
        crowd.go_on_after(moment)
    assert crowd.statuses() == {401}


@pytest.fixture
def cut_off(shaken, live):
    """One more server on the same stores, in this process, whose way to Redis can be cut while everybody else's is well."""
    url = live.settings.redis_url
    wire = Wire(urlsplit(url).port)
    house = House(dataclasses.replace(live.settings, redis_url=url.replace(f":{urlsplit(url).port}", f":{wire.port}")))
    yield house, wire
    house.close()
    wire.close()


def test_whoever_revokes_without_redis_waits_until_those_who_have_it_have_forgotten(trusting, cut_off):
    """Slow: nothing tells the others of it, so their copies must die first. A sign-out and a fall from office, side by side."""
    live, (house, wire) = trusting, cut_off
    leaver, fallen = live.house.register(), live.house.register()
    for person in (leaver, fallen):
        assert seen_by_every_worker(live, person) == {200}
    wire.cut()

    def use(person, revocation):
        """The owner's client goes on at its own pace, which must not keep the copy alive."""
        began = []
        while not revocation.done():
            now = time.monotonic()
            if live.get(ME, person=person).status == 200:
                began.append(now)
            with suppress(TimeoutError):
                until(revocation.done, seconds=0.1)
        return began

    def sign_out_here():
        assert house.client().post(LOGOUT, headers=leaver.headers).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(answered, sign_out_here), pool.submit(answered, change_role, house, fallen, "viewer")]
        uses = [pool.submit(use, person, end) for person, end in zip((leaver, fallen), ends, strict=True)]
        moments = [end.result(timeout=60) for end in ends]
        accepted = [begun.result() for begun in uses]

    for person, moment, begun in zip((leaver, fallen), moments, accepted, strict=True):
        assert begun, "the others did not believe a copy, so nothing was proved"
        assert max(begun) < moment
        assert set(together([lambda person=person: live.get(ME, person=person).status] * MANY)) == {401}
