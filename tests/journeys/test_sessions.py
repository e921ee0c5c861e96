"""My sessions: what I see of them, and ending those that are not mine any more."""

from datetime import datetime, timedelta

from journeys.answers import as_seen, assert_headers, assert_problem
from secureapi.core.identifiers import new_id
from support.browser import browser_of
from support.cases import Cases
from support.house import Tokens
from support.races import together

API = "/api/v1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def sign_in(house, person, agent, **options):
    credentials = {"username": person.username, "password": person.password}
    answer = house.client().post(f"{API}/auth/login", json=credentials, headers={"User-Agent": agent}, **options)
    return Tokens(answer.json["access_token"], answer.json["refresh_token"])


def sessions(house, tokens, base=API):
    answer = house.client().get(f"{base}/auth/sessions", headers=tokens.headers)
    assert answer.status_code == 200, answer.text
    return answer.json["sessions"]


def current(house, tokens):
    (one,) = [session["id"] for session in sessions(house, tokens) if session["is_current"]]
    return one


def end(house, tokens, session_id, base=API):
    return house.client().delete(f"{base}/auth/sessions/{session_id}", headers=tokens.headers)


def is_alive(house, tokens):
    """Whether a session's access token opens something; its refresh token is then good too, or else neither is."""
    status = house.client().get(f"{API}/users/me", headers=tokens.headers).status_code
    if status == 200:
        return True
    assert status == 401
    assert house.client().post(f"{API}/auth/refresh", json={"refresh_token": tokens.refresh}).status_code == 401
    return False


def test_somebody_sees_his_own_sessions_with_device_and_address_the_last_used_first(house, base, from_elsewhere):
    person, neighbour = house.register(), house.register()
    elsewhere = from_elsewhere()
    laptop = sign_in(house, person, FIREFOX, **elsewhere)
    script = sign_in(house, person, "curl/8.5.0")
    assert neighbour.tokens

    answer = house.client().get(f"{base}/auth/sessions", headers=laptop.headers)

    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    first, second = answer.json["sessions"]
    assert (first["device"], first["address"], first["is_current"]) == ("curl 8.5", "127.0.0.1", False)
    assert (second["device"], second["is_current"]) == ("Firefox 128 on Linux", True)
    assert second["address"] == elsewhere["environ_overrides"]["REMOTE_ADDR"]
    assert second.keys() == {"id", "device", "address", "created_at", "last_used_at", "expires_at", "is_current"}
    assert [session["is_current"] for session in sessions(house, script)] == [True, False]


def test_a_refresh_is_a_use_and_a_request_is_none(make_house, engine, clock):
    house = make_house(engine, clock=clock)
    person = house.register()
    older = sign_in(house, person, "older/1")
    clock.advance(timedelta(minutes=1))
    newer = sign_in(house, person, "newer/1")
    clock.advance(timedelta(minutes=1))
    before = sessions(house, older)
    assert [session["device"] for session in before] == ["newer/1", "older/1"]
    assert all(session["last_used_at"] == session["created_at"] for session in before)

    house.client().post(f"{API}/auth/refresh", json={"refresh_token": older.refresh})

    first, _ = sessions(house, newer)
    assert first["device"] == "older/1"
    used, created = (datetime.fromisoformat(first[name]) for name in ("last_used_at", "created_at"))
    assert used - created == timedelta(minutes=2)


def test_a_session_ends_when_it_lies_unused_or_at_the_latest_whichever_is_sooner(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_token_expire_days=7, session_lifetime_days=10, access_token_expire_minutes=1440)
    person = house.register()
    tokens = sign_in(house, person, "x")
    (session,) = sessions(house, tokens)
    began = datetime.fromisoformat(session["created_at"])
    assert datetime.fromisoformat(session["expires_at"]) - began == timedelta(days=7)

    clock.advance(timedelta(days=6))
    newer = house.client().post(f"{API}/auth/refresh", json={"refresh_token": tokens.refresh}).json
    (session,) = sessions(house, Tokens(newer["access_token"], newer["refresh_token"]))

    assert datetime.fromisoformat(session["expires_at"]) - began == timedelta(days=10)


def test_sessions_that_are_over_are_not_listed_and_cannot_be_ended(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_token_expire_days=7)
    person = house.register()
    forgotten, left = sign_in(house, person, "forgotten"), sign_in(house, person, "left")
    forgotten_id = current(house, forgotten)
    house.client().post(f"{API}/auth/logout", headers=left.headers)

    clock.advance(timedelta(days=8))
    present = sign_in(house, person, "present")

    assert [session["device"] for session in sessions(house, present)] == ["present"]
    assert_problem(end(house, present, forgotten_id), 404, "no_such_session")


def test_the_owner_ends_a_lost_phone_from_his_laptop_and_its_tokens_are_refused_at_once(house, base):
    person = house.register()
    laptop, phone, tablet = person.tokens, house.sign_in(person), house.sign_in(person)
    assert is_alive(house, phone)
    lost = current(house, phone)

    answer = end(house, laptop, lost, base)

    assert answer.status_code == 204
    assert answer.get_data() == b""
    assert_headers(answer)
    assert [is_alive(house, tokens) for tokens in (phone, laptop, tablet)] == [False, True, True]
    assert lost not in {session["id"] for session in sessions(house, laptop)}
    (event,) = house.events("auth.session.revoked", subject=person)
    assert (event.actor_id, event.session_id, event.details) == (person.id, lost, {})


def test_somebody_elses_session_an_ended_one_and_one_that_never_was_are_answered_alike(house):
    person, neighbour = house.register(), house.register()
    ended = current(house, house.sign_in(person))
    assert end(house, person.tokens, ended).status_code == 204
    theirs = current(house, neighbour.tokens)

    answers = [end(house, person.tokens, session_id) for session_id in (theirs, ended, new_id())]

    for answer in answers:
        assert_problem(answer, 404, "no_such_session")
    masked = [(status, body) for status, _, body in map(as_seen, answers)]
    assert masked[0] == masked[1] == masked[2]
    assert is_alive(house, neighbour.tokens)
    assert house.events("auth.session.revoked", subject=neighbour) == []


def test_what_is_no_id_is_no_address(house):
    person = house.register()

    with Cases() as case:
        for path in ("1", "%00", "..%2f..", "0" * 36, "01890000-0000-7000-8000-00000000000G"):
            with case(path):
                assert end(house, person.tokens, path).status_code == 404
                assert is_alive(house, person.tokens)


def test_an_id_in_another_spelling_ends_nothing(house):
    person = house.register()

    assert_problem(end(house, person.tokens, current(house, person.tokens).upper()), 404, "not_found")
    assert is_alive(house, person.tokens)


def test_ending_the_current_session_is_signing_out(house):
    person = house.register()
    other = house.sign_in(person)

    assert end(house, person.tokens, current(house, person.tokens)).status_code == 204

    assert [is_alive(house, tokens) for tokens in (person.tokens, other)] == [False, True]
    (event,) = house.events("auth.logout.succeeded", subject=person)
    assert event.actor_id == person.id


def test_a_browser_that_ends_its_own_session_loses_its_cookies_and_no_others_do(house):
    person = house.register()
    browser, other = browser_of(house, person), browser_of(house, person)
    own = next(session["id"] for session in browser.get("/auth/sessions").json["sessions"] if session["is_current"])
    another = current(house, person.tokens)

    assert browser.ask("DELETE", f"{API}/auth/sessions/{another}").status_code == 204
    assert browser.jar
    assert browser.ask("DELETE", f"{API}/auth/sessions/{own}", with_csrf=False).status_code == 403
    assert browser.ask("DELETE", f"{API}/auth/sessions/{own}").status_code == 204

    assert [name for name, _ in browser.jar] == ["__Host-secureapi_device"]
    assert other.get("/auth/sessions").status_code == 200


def test_ending_all_others_keeps_the_one_that_asks(house, base):
    person, neighbour = house.register(), house.register()
    mine, others = person.tokens, [house.sign_in(person) for _ in range(3)]
    assert all(is_alive(house, tokens) for tokens in (mine, neighbour.tokens, *others))

    answer = house.client().delete(f"{base}/auth/sessions", headers=mine.headers)

    assert (answer.status_code, answer.json) == (200, {"sessions_ended": 3})
    assert [is_alive(house, tokens) for tokens in others] == [False] * 3
    assert is_alive(house, mine)
    assert is_alive(house, neighbour.tokens)
    assert house.client().post(f"{API}/auth/refresh", json={"refresh_token": mine.refresh}).status_code == 200
    (event,) = house.events("auth.sessions.revoked", subject=person)
    assert (event.actor_id, event.details) == (person.id, {"ended": 3})


def test_nobody_is_counted_who_had_left_before(house):
    person = house.register()
    left = house.sign_in(person)
    house.client().post(f"{API}/auth/logout", headers=left.headers)

    assert house.client().delete(f"{API}/auth/sessions", headers=person.headers).json == {"sessions_ended": 0}


def test_a_viewer_may_look_after_his_own_sessions(house):
    viewer = house.person(role="viewer")
    other = house.sign_in(viewer)

    assert len(sessions(house, viewer.tokens)) == 2
    assert end(house, viewer.tokens, current(house, other)).status_code == 204


def test_a_thief_with_an_ended_session_cannot_end_the_owners(house):
    person = house.register()
    stolen = house.sign_in(person)
    stolen_id, own = current(house, stolen), current(house, person.tokens)
    end(house, person.tokens, stolen_id)

    assert_problem(end(house, stolen, own), 401, "invalid_token")
    assert_problem(house.client().delete(f"{API}/auth/sessions", headers=stolen.headers), 401, "invalid_token")
    assert is_alive(house, person.tokens)


def test_on_four_workers_no_request_after_the_answer_is_accepted(live):
    person = live.house.register()
    tokens = [live.house.sign_in(person) for _ in range(4)]
    me = [lambda headers=one.headers: live.get(f"{API}/users/me", headers=headers).status for one in tokens for _ in range(10)]
    assert set(together(me)) == {200}
    listed = live.get(f"{API}/auth/sessions", headers=tokens[3].headers).json["sessions"]
    (last,) = [session["id"] for session in listed if session["is_current"]]
    assert len(listed) == 4

    assert live.delete(f"{API}/auth/sessions/{last}", headers=tokens[0].headers).status == 204
    assert together(me) == [200] * 30 + [401] * 10
    assert live.delete(f"{API}/auth/sessions", headers=tokens[0].headers).json == {"sessions_ended": 2}
    assert together(me) == [200] * 10 + [401] * 30
