"""What the owner of an account does about strangers and thieves by a link in a notice: lift a lock, and throw everybody out."""

import secrets
import time
from datetime import timedelta

import pytest

from journeys.answers import assert_problem
from journeys.recovering import (
    CONFIRM,
    ME,
    NOT_ME,
    REFRESH,
    RESET,
    TERMINAL,
    UNLOCK,
    asked,
    fresh,
    is_alive,
    log_in,
    notice,
    post,
    reset,
    somebody,
    stored,
    token_in,
)
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.delivery import Delivery
from secureapi.core.outbox import Outbox
from secureapi.security.links import OneTimeLinks, Purpose
from support.races import Crowd, together

# ---- the lock


def test_the_owner_lifts_a_lock_by_mail(home, letters, from_elsewhere):
    owner = home.register()
    letters.deliver(home)
    stranger = from_elsewhere()
    for _ in range(home.settings.max_login_attempts):
        log_in(home, owner, "wrong", stranger)
    assert log_in(home, owner, options=stranger).status_code == 401
    (message,) = letters.deliver(home)
    token = token_in(message, "unlock")

    answer = post(home, UNLOCK, token=token)

    assert answer.status_code == 200
    assert answer.json.keys() == {"message"}
    assert len(home.events("security.account.unlocked", subject=owner)) == 1
    tokens = log_in(home, owner, options=stranger)
    assert tokens.status_code == 200
    assert_problem(post(home, UNLOCK, token=token), 400, "invalid_link")
    assert post(home, NOT_ME, token=token_in(message, "not-me")).status_code == 200


def test_a_disabled_account_is_not_unlocked(home, letters):
    owner = somebody(home, letters)
    token = token_in(notice(home, letters, owner, "notice.locked"), "unlock")
    home.service(Administration).disable(user_id=owner.id, caller=None, client=TERMINAL)

    assert_problem(post(home, UNLOCK, token=token), 400, "invalid_link")


# ---- this was not me


def test_the_owner_throws_a_thief_out_and_chooses_a_new_password(home, letters):
    owner = somebody(home, letters)
    thief = home.sign_in(owner)
    token = token_in(notice(home, letters, owner), "not-me")

    answer = post(home, NOT_ME, token=token)

    assert answer.status_code == 200
    assert answer.json.keys() == {"message"}
    assert [is_alive(home, tokens) for tokens in (owner.tokens, thief)] == [False, False]
    assert post(home, REFRESH, refresh_token=thief.refresh).status_code == 401
    assert log_in(home, owner).status_code == 401, "the password is known to somebody else"
    (left,) = home.events("auth.account.disowned", subject=owner)
    assert (left.severity, left.details) == ("CRITICAL", {"ended": 2})
    (message,) = letters.deliver(home)
    password = fresh()
    assert reset(home, token_in(message, "reset-password"), password).status_code == 200
    assert log_in(home, owner, password).status_code == 200


def test_whatever_a_thief_has_asked_for_is_worth_nothing_afterwards(home, letters):
    owner = somebody(home, letters)
    thief = home.sign_in(owner)
    elsewhere = f"thief-{secrets.token_hex(4)}@example.com"
    reset_token = asked(home, letters, owner)
    home.client().patch(ME, headers=thief.headers, json={"email": elsewhere})
    warned, wanted = sorted(letters.deliver(home), key=lambda message: message.to == elsewhere)
    unlock_token = token_in(notice(home, letters, owner, "notice.locked"), "unlock")

    assert post(home, NOT_ME, token=token_in(warned, "not-me")).status_code == 200

    assert_problem(reset(home, reset_token), 400, "invalid_link")
    assert_problem(post(home, CONFIRM, token=token_in(wanted, "confirm-email")), 400, "invalid_link")
    assert_problem(post(home, UNLOCK, token=unlock_token), 400, "invalid_link")
    (row,) = home.execute("SELECT email, pending_email FROM users WHERE username = :name", name=owner.username)
    assert tuple(row) == (owner.email, None)


def test_twenty_who_disown_at_once_are_one(home, letters):
    owner = somebody(home, letters)
    token = token_in(notice(home, letters, owner), "not-me")

    answers = together([lambda: post(home, NOT_ME, token=token) for _ in range(20)])

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert len(letters.deliver(home)) == 1


def test_a_disabled_account_ends_and_gets_no_message(home, letters):
    owner = somebody(home, letters)
    token = token_in(notice(home, letters, owner), "not-me")
    home.service(Administration).disable(user_id=owner.id, caller=None, client=TERMINAL)

    assert post(home, NOT_ME, token=token).status_code == 200

    assert letters.deliver(home) == []
    assert len(home.events("auth.account.disowned", subject=owner)) == 1


def test_a_notice_is_good_for_a_week(make_home, letters, clock):
    home = make_home(clock=clock)
    owner = somebody(home, letters)
    tokens = [token_in(notice(home, letters, owner), "not-me") for _ in range(2)]

    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    assert post(home, NOT_ME, token=tokens[0]).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert_problem(post(home, NOT_ME, token=tokens[1]), 400, "invalid_link")


@pytest.mark.parametrize("purpose", [Purpose.RESET_PASSWORD, Purpose.NOT_ME], ids=str)
def test_no_request_that_starts_after_the_answer_is_accepted_on_any_worker(live, purpose):
    person = live.house.register()
    assert person.tokens, "nobody of the crowd signs in after the answer"
    with live.house.service(Database).transaction() as session:
        topic = "request.reset" if purpose is Purpose.RESET_PASSWORD else "notice.refresh_reused"
        live.house.service(Outbox).add(session, topic, user_id=person.id)
    body = {"token": newest_token(live.house, person, purpose)}
    path = NOT_ME
    if purpose is Purpose.RESET_PASSWORD:
        path, body = RESET, body | {"new_password": fresh()}

    with Crowd(lambda: live.get(ME, person=person).status, threads=6) as crowd:
        crowd.meet(200, times=20)
        assert live.post(path, json=body).status == 200
        answered = time.monotonic()
        crowd.go_on_after(answered)

    assert crowd.statuses(after=answered) == {401}


def newest_token(house, person, purpose):
    """Of the link that was made when a note about this person was handled."""
    house.service(Delivery).deliver_due()
    found = house.execute(
        "SELECT id FROM one_time_links WHERE user_id = :id AND purpose = :purpose ORDER BY created_at DESC",
        id=stored(house, person),
        purpose=purpose.value,
    )
    return house.service(OneTimeLinks).token(purpose, str(found[0].id))
