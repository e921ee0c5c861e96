"""Lost passwords: what a link does and what it does not, where it leads, and what of it is left behind."""

import secrets
from datetime import timedelta

from journeys.answers import as_seen, assert_headers, assert_problem, faults
from journeys.recovering import (
    CONFIRM,
    FORGOT,
    ME,
    NOT_ME,
    PUBLIC,
    REFRESH,
    RESEND,
    RESET,
    TERMINAL,
    UNLOCK,
    VERIFY,
    asked,
    fresh,
    is_alive,
    log_in,
    notice,
    post,
    reset,
    rows_of,
    somebody,
    token_in,
)
from secureapi.auth.service import Administration, Credentials
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher
from support.cases import Cases
from support.races import together

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

    def busy(*_args, **_options):
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
    house.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL)
    return token


def of_an_account_that_was_enabled_again(house, person, letters):
    token = of_a_disabled_account(house, person, letters)
    house.service(Administration).enable(user_id=person.id, caller=None, client=TERMINAL)
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


def test_whatever_is_wrong_with_a_link_the_answer_is_the_same(home, letters):
    """AC-19, AC-37."""
    with Cases() as case:
        for worthless in WORTHLESS:
            with case(worthless):
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


def test_what_cannot_be_a_token_is_422(house):
    with Cases() as case:
        for path in (RESET, UNLOCK, NOT_ME, VERIFY, CONFIRM):
            for token in ("", "x" * 129, None, 7, "a\x00b"):
                with case(path, token):
                    body = {"token": token} | ({"new_password": fresh()} if path == RESET else {})

                    answer = post(house, path, **body)

                    assert_problem(answer, 422)
                    assert list(faults(answer)) == ["/token"]


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


# ---- what is left behind


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
    tokens += [token_in(message, "reset-password") for message in letters.deliver(home) if message.links]
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
