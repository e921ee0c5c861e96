"""Lost passwords, locks, and "this was not me": what a link does, what it does not, and what strangers learn from asking for one."""

# ruff: noqa: RUF001 - letters that look alike are a subject here

import secrets
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from journeys.answers import as_seen, assert_headers, assert_problem, faults
from secureapi.auth.service import Credentials
from secureapi.core.database import Base, Database
from secureapi.core.delivery import Delivery
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.security.errors import HashingBusy
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.passwords import PasswordHasher
from support.letters import Letters
from support.races import Crowd, together

API = "/api/v1"
ME, LOGIN, REFRESH = f"{API}/users/me", f"{API}/auth/login", f"{API}/auth/refresh"
FORGOT, RESET, RESEND = f"{API}/auth/password/forgot", f"{API}/auth/password/reset", f"{API}/auth/email/resend"
UNLOCK, NOT_ME, VERIFY, CONFIRM = f"{API}/auth/unlock", f"{API}/auth/not-me", f"{API}/auth/email/verify", f"{API}/auth/email/confirm"
TERMINAL = Client.of_command_line()
PUBLIC = "https://auth.example.com"


@pytest.fixture
def letters(tmp_path):
    return Letters(tmp_path / "mail")


@pytest.fixture
def make_home(make_house, engine, letters):
    """`make_home(**options)`: a house on each engine in turn, whose messages are in `letters`."""
    return lambda **options: make_house(engine, **letters.settings, **({"public_url": PUBLIC} | options))


@pytest.fixture
def home(make_home):
    return make_home()


def post(house, path, options=None, **body):
    return house.client().post(path, json=body, **(options or {}))


def fresh():
    return f"Other-Trees-{secrets.token_hex(4)}!"


def somebody(house, letters, **fields):
    """A person with an account, who has read what was sent on the occasion."""
    person = house.register(**fields)
    assert person.tokens
    letters.deliver(house)
    return person


def token_in(message, purpose):
    """What stands behind the # of the link for this purpose."""
    (found,) = [link for link in message.links if f"/{purpose}#" in link]
    return found.partition("#")[2]


def asked(house, letters, person, path=FORGOT):
    """The token of the link that somebody gets who asks for one."""
    assert post(house, path, email=person.email).status_code == 202
    (message,) = letters.deliver(house)
    assert message.to == person.email
    return token_in(message, "reset-password" if path == FORGOT else "verify-email")


def reset(house, token, password=None):
    return post(house, RESET, token=token, new_password=password or fresh())


def log_in(house, person, password=None, options=None):
    return post(house, LOGIN, options, email=person.email, password=password or person.password)


def is_alive(house, tokens):
    return house.client().get(ME, headers=tokens.headers).status_code == 200


def notice(house, letters, person, topic="notice.password_changed"):
    """A message about something that happened to an account, as a use case would have it sent."""
    with house.service(Database).transaction() as session:
        house.service(Outbox).add(session, topic, user_id=person.id, address="203.0.113.9", lane="strangers")
    (message,) = letters.deliver(house)
    return message


def stored(house, person):
    return person.id.replace("-", "") if house.is_embedded else person.id


# ---- a new password


def test_the_owner_who_forgot_gets_in_again_and_everybody_else_is_out(home, letters):
    owner = somebody(home, letters)
    password = fresh()

    answer = reset(home, asked(home, letters, owner), password)

    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.json.keys() == {"message"}, "nobody is signed in by it"
    assert "Set-Cookie" not in answer.headers
    assert not is_alive(home, owner.tokens)
    assert post(home, REFRESH, refresh_token=owner.tokens.refresh).status_code == 401
    assert log_in(home, owner).status_code == 401
    assert log_in(home, owner, password).status_code == 200
    (left,) = home.events("auth.password.reset", subject=owner)
    assert (left.severity, left.details) == ("WARNING", {"ended": 1})


def test_the_owner_is_told_that_his_password_was_reset(home, letters):
    owner = somebody(home, letters)
    reset(home, asked(home, letters, owner))

    (message,) = letters.deliver(home)

    assert (message.to, message.subject) == (owner.email, f"The password of your {home.settings.app_name} account was reset")
    assert token_in(message, "not-me")


def test_whoever_followed_the_link_has_shown_that_he_reads_there(home, letters):
    owner = somebody(home, letters)
    password = fresh()
    reset(home, asked(home, letters, owner), password)

    tokens = log_in(home, owner, password).json["access_token"]

    me = home.client().get(ME, headers={"Authorization": f"Bearer {tokens}"}).json
    assert me["is_email_verified"] is True


def test_a_reset_lifts_the_lock(home, letters, from_elsewhere):
    owner, password = somebody(home, letters), fresh()
    stranger = from_elsewhere()
    for _ in range(home.settings.max_login_attempts + 1):
        log_in(home, owner, "wrong", stranger)
    assert log_in(home, owner, options=stranger).status_code == 401
    letters.deliver(home)

    assert reset(home, asked(home, letters, owner), password).status_code == 200

    assert log_in(home, owner, password, stranger).status_code == 200


def test_twenty_who_use_one_link_at_once_are_one(home, letters):
    owner = somebody(home, letters)
    token = asked(home, letters, owner)
    passwords = [fresh() for _ in range(20)]

    answers = together([lambda p=password: reset(home, token, p) for password in passwords])

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert {answer.json["code"] for answer in answers if answer.status_code == 400} == {"invalid_link"}
    assert len(home.events("auth.password.reset", subject=owner)) == 1
    (winner,) = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 200]
    assert log_in(home, owner, winner).status_code == 200


def test_a_password_that_is_weak_is_named_with_every_rule_and_the_link_stays(home, letters):
    owner = somebody(home, letters)
    token = asked(home, letters, owner)

    answer = reset(home, token, "weak")

    assert_problem(answer, 400, "weak_password")
    assert set(faults(answer)) == {"/new_password"}
    assert len(answer.json["errors"]) > 1
    (left,) = home.events("auth.reset.refused", subject=owner)
    assert left.details == {"reason": "weak_password"}
    assert is_alive(home, owner.tokens)
    assert reset(home, token).status_code == 200


def test_a_former_password_does_not_come_back_by_a_link(make_home, letters):
    home = make_home(password_history=2)
    owner = somebody(home, letters)
    token = asked(home, letters, owner)

    answer = reset(home, token, owner.password)

    assert [fault["code"] for fault in assert_problem(answer, 400, "weak_password")["errors"]] == ["reused"]
    assert reset(home, token).status_code == 200


def test_a_link_may_be_tried_only_so_often(home, letters):
    owner = somebody(home, letters)
    token = asked(home, letters, owner)

    codes = [reset(home, token, "weak").json["code"] for _ in range(22)]

    assert codes == ["weak_password"] * 20 + ["invalid_link"] * 2
    assert_problem(reset(home, token), 400, "invalid_link")
    assert log_in(home, owner).status_code == 200


def test_a_server_that_is_busy_leaves_the_link_as_it_was(home, letters, monkeypatch):
    owner = somebody(home, letters)
    token = asked(home, letters, owner)

    def busy(*_args):
        raise HashingBusy(retry_after=1)

    with monkeypatch.context() as patched:
        patched.setattr(home.service(PasswordHasher), "hash", busy)
        for _ in range(25):
            assert_problem(reset(home, token), 503, "busy")

    assert reset(home, token).status_code == 200


# ---- links that are none


def made_up(house, _person, _letters):
    return "A" * 54


def of_another_purpose(house, person, letters):
    return token_in(notice(house, letters, person), "not-me")


def of_another_house(house, person, letters):
    token = asked(house, letters, person)
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def used(house, person, letters):
    token = asked(house, letters, person)
    assert reset(house, token).status_code == 200
    return token


def withdrawn_by_a_newer_one(house, person, letters):
    token = asked(house, letters, person)
    assert asked(house, letters, person) != token
    return token


def of_a_password_that_was_changed_since(house, person, letters):
    token = asked(house, letters, person)
    house.service(Credentials).set_password(user_id=person.id, new_password=fresh(), client=TERMINAL)
    return token


def of_a_disabled_account(house, person, letters):
    token = asked(house, letters, person)
    house.service(Credentials).disable(user_id=person.id, client=TERMINAL)
    return token


def of_an_account_that_was_enabled_again(house, person, letters):
    token = of_a_disabled_account(house, person, letters)
    house.service(Credentials).enable(user_id=person.id, client=TERMINAL)
    return token


def of_an_account_that_is_gone(house, person, letters):
    """AC-19."""
    token = asked(house, letters, person)
    house.execute("DELETE FROM users WHERE username = :name", name=person.username)
    house.register(username=person.username, email=person.email, password=person.password)
    return token


WORTHLESS = [
    made_up,
    of_another_purpose,
    of_another_house,
    used,
    withdrawn_by_a_newer_one,
    of_a_password_that_was_changed_since,
    of_a_disabled_account,
    of_an_account_that_was_enabled_again,
    of_an_account_that_is_gone,
]


@pytest.mark.parametrize("worthless", WORTHLESS, ids=lambda way: way.__name__)
def test_whatever_is_wrong_with_a_link_the_answer_is_the_same(home, letters, worthless):
    """AC-19, AC-37."""
    person, other = somebody(home, letters), somebody(home, letters)
    token = worthless(home, person, letters)

    answer = reset(home, token)

    assert_problem(answer, 400, "invalid_link")
    assert as_seen(answer)[2] == as_seen(reset(home, "A" * 54))[2]
    assert home.events("auth.link.refused")[-1].details == {"purpose": "reset-password"}
    assert is_alive(home, other.tokens)


def test_a_link_is_over_after_thirty_minutes(make_home, letters, clock):
    home = make_home(clock=clock)
    owner = somebody(home, letters)
    first = asked(home, letters, owner)
    clock.advance(timedelta(minutes=29, seconds=59))
    assert_problem(reset(home, first, "weak"), 400, "weak_password")

    clock.advance(timedelta(seconds=1))

    assert_problem(reset(home, first), 400, "invalid_link")


def test_links_of_one_purpose_open_nothing_of_another(home, letters):
    owner = somebody(home, letters)
    tokens = {"reset-password": asked(home, letters, owner), "not-me": token_in(notice(home, letters, owner), "not-me")}
    tokens["unlock"] = token_in(notice(home, letters, owner, "notice.locked"), "unlock")
    doors = {"reset-password": RESET, "not-me": NOT_ME, "unlock": UNLOCK, "verify-email": VERIFY, "confirm-email": CONFIRM}

    for purpose, token in tokens.items():
        for door, path in doors.items():
            if door != purpose:
                body = {"token": token} | ({"new_password": fresh()} if path == RESET else {})
                assert_problem(post(home, path, **body), 400, "invalid_link")

    assert is_alive(home, owner.tokens)


@pytest.mark.parametrize("path", [RESET, UNLOCK, NOT_ME, VERIFY, CONFIRM])
@pytest.mark.parametrize("token", ["", "x" * 129, None, 7, "a\x00b"])
def test_what_cannot_be_a_token_is_422(house, path, token):
    body = {"token": token} | ({"new_password": fresh()} if path == RESET else {})

    answer = post(house, path, **body)

    assert_problem(answer, 422)
    assert list(faults(answer)) == ["/token"]


# ---- what strangers learn


@pytest.fixture
def four(home, letters):
    """Addresses with an account that is in use, confirmed, disabled; and one that nobody has. All of the same length."""
    plain, confirmed, disabled = (home.register(), home.person(), home.register())
    home.service(Credentials).disable(user_id=disabled.id, client=TERMINAL)
    letters.deliver(home)
    return [plain.email, confirmed.email, disabled.email, f"user-{secrets.token_hex(6)}@example.com"]


@pytest.mark.parametrize("path", [FORGOT, RESEND])
def test_a_stranger_cannot_tell_who_has_an_account(home, four, from_elsewhere, path):
    """AC-49, to the byte; and the same statements are run, and the same rows left."""
    seen, left, run = [], [], []
    for email in four:
        rows = rows_of(home)
        with statements(home) as made:
            answer = post(home, path, from_elsewhere(), email=email)
        assert answer.status_code == 202
        seen.append(as_seen(answer))
        run.append(made)
        after = rows_of(home)
        left.append({table: len(after[table]) - len(rows[table]) for table in after if len(after[table]) != len(rows[table])})

    assert [one == seen[0] for one in seen] == [True] * 4
    assert left == [{"audit_events": 1, "outbox": 1}] * 4
    assert [one == run[0] for one in run] == [True] * 4
    assert len(run[0]) >= 2


@contextmanager
def statements(house):
    """What is sent to the database meanwhile."""
    made = []

    def note(_connection, _cursor, statement, *_rest):
        made.append(statement)

    engines = (house.service(Database).engine, house.service(Database).reader)
    for one in engines:
        event.listen(one, "before_cursor_execute", note)
    yield made
    for one in engines:
        event.remove(one, "before_cursor_execute", note)


def test_nobody_gets_a_message_at_an_address_without_an_account_or_of_a_disabled_one(home, letters, four):
    for email in four:
        post(home, FORGOT, email=email)

    assert sorted(message.to for message in letters.deliver(home)) == sorted(four[:2])


def test_only_who_waits_for_it_gets_the_confirmation_again(home, letters, four):
    for email in four:
        post(home, RESEND, email=email)

    assert [message.to for message in letters.deliver(home)] == four[:1]


@pytest.mark.parametrize(
    ("stored_as", "typed"),
    [
        ("kate-{}@example.com", "\u212aATE-{}@example.com"),
        ("strasse-{}@example.com", "straße-{}@example.com"),
        ("KATE-{}@example.com", "kate-{}@example.com"),
        ("flower-{}@example.com", "\ufb02ower-{}@example.com"),
        ("kate-{}@bücher.example", "Kate-{}@XN--BCHER-KVA.example"),
    ],
)
def test_a_twin_of_an_address_has_the_message_sent_to_the_one_that_the_account_has(home, letters, stored_as, typed):
    """AC-14."""
    word = secrets.token_hex(4)
    owner = somebody(home, letters, email=stored_as.format(word))

    assert post(home, FORGOT, email=typed.format(word)).status_code == 202

    (message,) = letters.deliver(home)
    assert message.to == owner.email.replace("bücher", "xn--bcher-kva")


@pytest.mark.parametrize("typed", ["İ-{}@example.com", "ı-{}@example.com"])
def test_what_only_looks_like_an_address_is_nobodys(home, letters, typed):
    word = secrets.token_hex(4)
    somebody(home, letters, email=f"i-{word}@example.com")

    assert post(home, FORGOT, email=typed.format(word)).status_code == 202

    assert letters.deliver(home) == []


@pytest.mark.parametrize("path", [FORGOT, RESEND])
@pytest.mark.parametrize("email", ["nobody", "a@b", "a@example.com\n", "a" * 255 + "@example.com", "", None, ["a@example.com"]])
def test_what_is_no_address_is_422(house, path, email):
    answer = post(house, path, email=email)

    assert_problem(answer, 422)
    assert list(faults(answer)) == ["/email"]


# ---- where links lead


def test_no_host_header_gets_into_a_link(home, letters):
    owner = somebody(home, letters)
    hostile = {"Host": "localhost", "X-Forwarded-Host": "evil.example", "X-Original-Host": "evil.example", "Forwarded": "host=evil.example"}

    home.client().post(FORGOT, json={"email": owner.email}, headers=hostile)

    (message,) = letters.deliver(home)
    assert message.link.startswith(f"{PUBLIC}/account/reset-password#")
    for kind in (message.text, message.html):
        assert message.link in kind
        assert "evil.example" not in kind
        assert "localhost" not in kind


def test_links_lead_to_the_operators_own_pages_where_he_has_some(make_home, letters):
    home = make_home(account_pages_url="https://app.example.org/me/")
    owner = somebody(home, letters)
    post(home, FORGOT, email=owner.email)

    (message,) = letters.deliver(home)

    assert message.link.startswith("https://app.example.org/me/reset-password#")
    assert reset(home, message.token).status_code == 200


# ---- floods


def test_five_hundred_who_ask_for_one_address_send_its_owner_five_messages(home, letters, from_elsewhere):
    """AC-86, and nobody at an address that has no account."""
    owner, nobody = somebody(home, letters), f"user-{secrets.token_hex(6)}@example.com"

    for email in (owner.email, nobody):
        for path in (FORGOT, RESEND):
            assert {post(home, path, from_elsewhere(), email=email).status_code for _ in range(250)} == {202}
    came = letters.deliver(home)

    assert {message.to for message in came} == {owner.email}
    kinds = [message.subject for message in came]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        f"A new password for your {home.settings.app_name} account": 5,
        # One of these was sent when he registered.
        f"Confirm your address for {home.settings.app_name}": 4,
    }
    assert len(home.events("mail.withheld", subject=owner)) == 500 - 9
    last = [message for message in came if "reset-password#" in message.text][-1]
    assert reset(home, last.token).status_code == 200, "what is left out withdraws nothing"


def test_a_flood_does_not_drown_what_tells_of_a_thief(home, letters, from_elsewhere):
    owner = somebody(home, letters)
    for _ in range(20):
        post(home, FORGOT, from_elsewhere(), email=owner.email)
    letters.deliver(home)

    new = fresh()
    changed = {"current_password": owner.password, "new_password": new}
    assert home.client().post(f"{API}/auth/change-password", headers=owner.headers, json=changed).status_code == 200
    assert home.client().patch(ME, headers=owner.headers, json={"email": f"thief-{secrets.token_hex(4)}@example.com"}).status_code == 200

    told = [message for message in letters.deliver(home) if message.to == owner.email]
    assert len(told) == 2
    assert all(token_in(message, "not-me") for message in told)


def test_the_budget_is_whole_again_after_an_hour(make_home, letters, clock):
    home = make_home(clock=clock)
    owner = somebody(home, letters)
    for _ in range(8):
        post(home, FORGOT, email=owner.email)
    assert len(letters.deliver(home)) == 5

    clock.advance(timedelta(hours=1))
    post(home, FORGOT, email=owner.email)

    assert len(letters.deliver(home)) == 1


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
    home.service(Credentials).disable(user_id=owner.id, client=TERMINAL)

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
    home.service(Credentials).disable(user_id=owner.id, client=TERMINAL)

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


# ---- confirming an address


def test_somebody_confirms_the_address_that_he_registered_with(home, letters):
    person = home.register()
    (message,) = letters.deliver(home)
    assert message.to == person.email

    answer = post(home, VERIFY, token=token_in(message, "verify-email"))

    assert answer.status_code == 200
    assert answer.json.keys() == {"message"}
    assert home.client().get(ME, headers=person.headers).json["is_email_verified"] is True
    assert len(home.events("users.email.verified", subject=person)) == 1
    assert_problem(post(home, VERIFY, token=token_in(message, "verify-email")), 400, "invalid_link")


def test_the_message_that_confirms_an_address_is_sent_again_and_the_first_is_void(home, letters):
    person = home.register()
    (first,) = letters.deliver(home)
    token = asked(home, letters, person, RESEND)

    assert_problem(post(home, VERIFY, token=token_in(first, "verify-email")), 400, "invalid_link")
    assert post(home, VERIFY, token=token).status_code == 200
    assert post(home, RESEND, email=person.email).status_code == 202
    assert letters.deliver(home) == []


def test_a_link_for_an_address_that_the_account_has_no_more_confirms_nothing(home, letters):
    person = home.register()
    (message,) = letters.deliver(home)
    home.execute(
        "UPDATE users SET email = 'x-' || email, email_canonical = 'x-' || email_canonical WHERE username = :name", name=person.username
    )

    assert_problem(post(home, VERIFY, token=token_in(message, "verify-email")), 400, "invalid_link")
    assert home.client().get(ME, headers=person.headers).json["is_email_verified"] is False


# ---- what is left behind


def rows_of(house):
    """Every row of every table, as text."""
    with house.service(Database).reading() as connection:
        return {name: [str(tuple(row)) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in Base.metadata.tables}


def test_no_token_and_no_address_lies_anywhere(make_home, letters, capfd):
    """Not in a log, an event, a note or a link: an address only where the account has it."""
    home = make_home(log_level="DEBUG")
    owner = somebody(home, letters, email=f"canary-{secrets.token_hex(4)}@orchard.example")
    elsewhere, unknown = "moved.canary@orchard.example", "unknown.canary@orchard.example"
    tokens = [asked(home, letters, owner)]
    for path in (FORGOT, RESEND):
        post(home, path, email=unknown)
    home.client().patch(ME, headers=owner.headers, json={"email": elsewhere})
    for message in letters.deliver(home):
        tokens += [link.partition("#")[2] for link in message.links]
        if "confirm-email#" in message.text:
            assert post(home, CONFIRM, token=token_in(message, "confirm-email")).status_code == 200
    for message in letters.deliver(home):
        tokens += [link.partition("#")[2] for link in message.links]
        assert message.to == owner.email
        assert post(home, NOT_ME, token=token_in(message, "not-me")).status_code == 200
    tokens += [token_in(message, "reset-password") for message in letters.deliver(home)]
    for token in tokens:
        reset(home, token, "weak")
        post(home, NOT_ME, token=token)

    assert len(tokens) == 5
    written = "".join(capfd.readouterr())
    assert FORGOT in written
    rows = {name: "\n".join(found) for name, found in rows_of(home).items() if name != "users"}
    for word in (*tokens, "orchard", "canary"):
        assert word not in written
        assert [name for name, found in rows.items() if word in found] == []


def test_every_note_was_handled_and_none_is_dead(home, letters):
    owner = somebody(home, letters)
    asked(home, letters, owner)

    assert home.execute("SELECT topic FROM outbox WHERE delivered_at IS NULL OR dead_at IS NOT NULL") == []


# ---- where accounts begin with a confirmed address


@pytest.fixture
def strict(make_home):
    return make_home(email_verification="required")


def wanted(house, letters, **fields):
    """Somebody who waits for his account; what he asked for, and the token that was sent."""
    word = secrets.token_hex(6)
    asked_for = {"username": f"new-{word}", "email": f"new-{word}@example.com", "password": "Tall-Trees-42!"} | fields
    assert post(house, f"{API}/auth/register", **asked_for).status_code == 202
    (message,) = letters.deliver(house)
    return asked_for, token_in(message, "verify-email")


def test_an_account_that_is_waited_for_opens_by_its_link_and_nobody_is_signed_in(strict, letters):
    asked_for, token = wanted(strict, letters)

    answer = post(strict, VERIFY, token=token)

    assert (answer.status_code, answer.json.keys()) == (200, {"message"})
    assert post(strict, LOGIN, email=asked_for["email"], password=asked_for["password"]).status_code == 200
    assert_problem(post(strict, VERIFY, token=token), 400, "invalid_link")


def test_whoever_waits_gets_his_message_again(strict, letters):
    asked_for, first = wanted(strict, letters)
    assert post(strict, RESEND, email=asked_for["email"].upper()).status_code == 202

    (message,) = letters.deliver(strict)

    assert message.to == asked_for["email"]
    assert token_in(message, "verify-email") != first
    assert post(strict, VERIFY, token=token_in(message, "verify-email")).status_code == 200


def test_nobody_gets_a_message_for_an_address_that_nobody_waits_with(strict, letters):
    assert post(strict, RESEND, email=f"user-{secrets.token_hex(6)}@example.com").status_code == 202

    assert letters.deliver(strict) == []
    assert strict.execute("SELECT topic FROM outbox WHERE delivered_at IS NULL OR dead_at IS NOT NULL") == []


def test_a_name_that_was_taken_meanwhile_uses_the_link_up(strict, letters):
    asked_for, token = wanted(strict, letters)
    strict.person(username=asked_for["username"])

    assert_problem(post(strict, VERIFY, token=token), 400, "registration_refused")

    assert_problem(post(strict, VERIFY, token=token), 400, "invalid_link")
