"""Another address for an account: it waits until it is confirmed, the present one is told, and whoever reads there can take it back."""

import secrets
from datetime import timedelta

import pytest

from journeys.answers import as_seen, assert_problem
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.users.service import Profiles
from support.races import together

API = "/api/v1"
ME, LOGIN = f"{API}/users/me", f"{API}/auth/login"
CONFIRM, NOT_ME = f"{API}/auth/email/confirm", f"{API}/auth/not-me"
FORGOT, RESET = f"{API}/auth/password/forgot", f"{API}/auth/password/reset"
TERMINAL = Client.of_command_line()


@pytest.fixture(params=["optional", "required"])
def home_settings(request):
    return {"email_verification": request.param}


@pytest.fixture
def make_home(make_house, engine, letters):
    """`make_home(**options)`: a house of the test's own on each engine in turn, whose messages are in `letters`."""
    return lambda **options: make_house(engine, **letters.settings, **options)


def somebody(house, letters):
    person = house.person()
    letters.deliver(house)
    return person


def elsewhere(word="new"):
    return f"{word}-{secrets.token_hex(5)}@example.com"


def post(house, path, **body):
    return house.client().post(path, json=body)


def change(house, person, email, method="patch"):
    return getattr(house.client(), method)(ME, headers=person.headers, json={"email": email})


def me(house, person):
    return house.client().get(ME, headers=person.headers)


def token_in(message, purpose):
    (found,) = [link for link in message.links if f"/{purpose}#" in link]
    return found.partition("#")[2]


def by_address(messages):
    found = {message.to: message for message in messages}
    assert len(found) == len(messages)
    return found


def wanted(house, letters, person, email):
    """Ask for another address; the token that comes there, and the one that the present address gets."""
    present = me(house, person).json["email"]
    assert change(house, person, email).status_code == 200
    came = by_address(letters.deliver(house))
    assert came.keys() == {email, present}
    return token_in(came[email], "confirm-email"), token_in(came[present], "not-me")


def moved(house, letters, person, email):
    """Have another address and confirm it; the token that the former address gets then."""
    present = me(house, person).json["email"]
    token, _ = wanted(house, letters, person, email)
    assert post(house, CONFIRM, token=token).status_code == 200
    (message,) = letters.deliver(house)
    assert message.to == present
    return token_in(message, "not-me")


def given_back(house, letters, *, displaced):
    """The link for a new password that is sent when an account has got an address back; whoever reads at the other one hears of it."""
    came = by_address(letters.deliver(house))
    told = came.pop(displaced)
    assert "does not have this address any more" in told.subject
    assert told.links == [], "nothing by which it could be turned round"
    (message,) = came.values()
    assert token_in(message, "reset-password")
    return message


def signs_in(house, person, email):
    return post(house, LOGIN, email=email, password=person.password).status_code == 200


# ---- the ordinary way


@pytest.mark.parametrize("method", ["put", "patch"])
def test_another_address_waits_until_it_is_confirmed(home, letters, method):
    person, email = somebody(home, letters), elsewhere()

    answer = change(home, person, email, method)

    assert answer.status_code == 200
    assert (answer.json["email"], answer.json["pending_email"], answer.json["is_email_verified"]) == (person.email, email, True)
    assert answer.json == me(home, person).json
    assert [signs_in(home, person, address) for address in (email, person.email)] == [False, True]
    (event,) = home.events("users.email.change_requested", subject=person)
    assert email not in str(event)
    assert home.events("users.email.changed", subject=person) == []


def test_whoever_reads_there_confirms_it_and_sessions_go_on(home, letters):
    person, email = somebody(home, letters), elsewhere()
    token, _ = wanted(home, letters, person, email)

    answer = post(home, CONFIRM, token=token)

    assert answer.status_code == 200
    assert answer.json.keys() == {"message"}
    now = me(home, person)
    assert now.status_code == 200
    assert (now.json["email"], now.json["pending_email"], now.json["is_email_verified"]) == (email, None, True)
    assert [signs_in(home, person, address) for address in (email, person.email)] == [True, False]
    (event,) = home.events("users.email.changed", subject=person)
    assert email not in str(event)
    assert person.email not in str(event)
    (told,) = letters.deliver(home)
    assert told.to == person.email
    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")


def test_an_address_in_another_spelling_is_the_same_and_needs_no_confirmation(home, letters):
    person = somebody(home, letters)

    answer = change(home, person, person.email.upper())

    assert (answer.json["email"], answer.json["pending_email"], answer.json["is_email_verified"]) == (person.email.upper(), None, True)
    assert letters.deliver(home) == []


@pytest.mark.parametrize("spelling", [str, str.upper])
def test_the_present_address_cancels_one_that_waits(home, letters, spelling):
    person = somebody(home, letters)
    token, _ = wanted(home, letters, person, elsewhere())

    answer = change(home, person, spelling(person.email))

    assert (answer.json["email"], answer.json["pending_email"]) == (spelling(person.email), None)
    assert len(home.events("users.email.change_cancelled", subject=person)) == 1
    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")


def test_a_second_wish_takes_the_place_of_the_first(home, letters):
    person = somebody(home, letters)
    first, _ = wanted(home, letters, person, elsewhere("first"))
    email = elsewhere("second")
    second, _ = wanted(home, letters, person, email)

    assert_problem(post(home, CONFIRM, token=first), 400, "invalid_link")
    assert post(home, CONFIRM, token=second).status_code == 200
    assert me(home, person).json["email"] == email


def test_twenty_who_confirm_at_once_are_one(make_home, letters):
    home = make_home()
    person = somebody(home, letters)
    token, _ = wanted(home, letters, person, elsewhere())

    answers = together([lambda: post(home, CONFIRM, token=token) for _ in range(20)])

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert len(home.events("users.email.changed", subject=person)) == 1


def test_the_link_is_good_for_a_day(make_home, letters, clock):
    home = make_home(clock=clock)
    person = somebody(home, letters)
    token, _ = wanted(home, letters, person, elsewhere())

    clock.advance(timedelta(hours=24))

    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")


def test_the_owner_alone_sees_what_waits(home, letters):
    person, administrator = somebody(home, letters), home.administrator()
    email = elsewhere()
    change(home, person, email)

    for path in (f"{API}/users/{person.id}", f"{API}/users?per_page=100"):
        answer = home.client().get(path, headers=administrator.headers)
        assert answer.status_code == 200
        assert person.email in answer.text
        assert email not in answer.text
        assert "pending" not in answer.text


# ---- strangers


def test_whether_somebody_has_the_address_already_is_not_told(home, letters):
    curious, victim = somebody(home, letters), somebody(home, letters)
    taken, free = victim.email, f"user-{secrets.token_hex(6)}@example.com"
    seen, came = [], []

    for email in (taken, free):
        answer = change(home, curious, email)
        came.append(sorted(message.to for message in letters.deliver(home)))
        assert answer.json["pending_email"] == email
        status, headers, body = as_seen(answer)
        seen.append((status, [pair for pair in headers if pair[0] != "RateLimit"], body.replace(email, "<address>")))

    assert seen[0] == seen[1]
    assert came == [[curious.email], sorted([curious.email, free])], "the owner of the one that is taken has nothing to do"


def test_an_address_that_was_taken_meanwhile_is_refused_to_whoever_reads_there(home, letters):
    slow, quick, email = somebody(home, letters), somebody(home, letters), elsewhere()
    tokens = [wanted(home, letters, person, email)[0] for person in (slow, quick)]
    assert post(home, CONFIRM, token=tokens[1]).status_code == 200

    assert_problem(post(home, CONFIRM, token=tokens[0]), 400, "profile_refused")

    assert me(home, slow).json["email"] == slow.email
    assert me(home, quick).json["email"] == email


def test_ten_accounts_that_want_one_address_send_it_five_messages(make_home, letters):
    home, email = make_home(), elsewhere("victim")
    people = [home.person() for _ in range(10)]
    letters.deliver(home)
    for person in people:
        assert change(home, person, email).status_code == 200

    came = [message.to for message in letters.deliver(home)]

    assert came.count(email) == 5
    assert {came.count(person.email) for person in people} == {1}


def test_a_link_of_a_disabled_account_does_not_come_back_to_life(home, letters):
    person = somebody(home, letters)
    token, _ = wanted(home, letters, person, elsewhere())
    home.service(Administration).disable(user_id=person.id, caller=None, client=TERMINAL)

    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")

    home.service(Administration).enable(user_id=person.id, caller=None, client=TERMINAL)
    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")


# ---- thieves


def test_a_thief_who_waits_for_a_confirmation_loses_it_with_the_owners_new_password(make_home, letters):
    home = make_home()
    owner = somebody(home, letters)
    token, _ = wanted(home, letters, owner, elsewhere("thief"))
    new = {"current_password": owner.password, "new_password": "Other-Trees-43!"}
    assert home.client().post(f"{API}/auth/change-password", headers=owner.headers, json=new).status_code == 200

    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")


def test_a_wish_that_was_noted_before_the_owner_threw_everybody_out_is_not_followed_later(make_home, letters):
    home = make_home()
    owner, email = somebody(home, letters), elsewhere("thief")
    change(home, owner, email)
    new = {"current_password": owner.password, "new_password": "Other-Trees-43!"}
    assert home.client().post(f"{API}/auth/change-password", headers=owner.headers, json=new).status_code == 200

    assert {message.to for message in letters.deliver(home)} == {owner.email}


def test_the_owner_of_the_former_address_takes_the_account_back(home, letters):
    owner, thiefs = somebody(home, letters), elsewhere("thief")
    token = moved(home, letters, owner, thiefs)

    assert post(home, NOT_ME, token=token).status_code == 200

    assert me(home, owner).status_code == 401
    assert [signs_in(home, owner, address) for address in (thiefs, owner.email)] == [False, False]
    (row,) = home.execute("SELECT email, email_canonical, email_verified_at FROM users WHERE username = :name", name=owner.username)
    assert (row.email, row.email_canonical, bool(row.email_verified_at)) == (owner.email, owner.email, True)
    (event,) = home.events("users.email.restored", subject=owner)
    assert event.severity == "CRITICAL"
    message = given_back(home, letters, displaced=thiefs)
    assert message.to == owner.email
    owner.password = "Other-Trees-43!"
    reset = post(home, RESET, token=token_in(message, "reset-password"), new_password=owner.password)
    assert reset.status_code == 200
    assert signs_in(home, owner, owner.email)


def test_any_earlier_notice_takes_it_back_as_well(home, letters):
    """The one that told of the wish, before it was confirmed."""
    owner, thiefs = somebody(home, letters), elsewhere("thief")
    confirm, warned = wanted(home, letters, owner, thiefs)
    post(home, CONFIRM, token=confirm)
    letters.deliver(home)

    assert post(home, NOT_ME, token=warned).status_code == 200

    message = given_back(home, letters, displaced=thiefs)
    assert message.to == owner.email, "and not to the thief, whose address the account had"
    assert len(home.events("users.email.restored", subject=owner)) == 1


def test_a_thief_cannot_take_back_what_the_owner_took_back(home, letters):
    """He moved the account twice, so that his first address is a former one too."""
    owner, first, second = somebody(home, letters), elsewhere("thief-1"), elsewhere("thief-2")
    owners = moved(home, letters, owner, first)
    thiefs = moved(home, letters, owner, second)

    assert post(home, NOT_ME, token=owners).status_code == 200

    assert_problem(post(home, NOT_ME, token=thiefs), 400, "invalid_link")
    assert given_back(home, letters, displaced=second).to == owner.email


def test_the_owner_takes_back_what_a_thief_took_back(home, letters):
    owner, first, second = somebody(home, letters), elsewhere("thief-1"), elsewhere("thief-2")
    owners = moved(home, letters, owner, first)
    thiefs = moved(home, letters, owner, second)
    assert post(home, NOT_ME, token=thiefs).status_code == 200
    assert given_back(home, letters, displaced=second).to == first

    assert post(home, NOT_ME, token=owners).status_code == 200

    assert given_back(home, letters, displaced=first).to == owner.email
    (row,) = home.execute("SELECT email FROM users WHERE username = :name", name=owner.username)
    assert row.email == owner.email


def test_an_address_that_somebody_else_has_by_now_is_not_taken_from_him(home, letters):
    owner, thiefs = somebody(home, letters), elsewhere("thief")
    token = moved(home, letters, owner, thiefs)
    successor = home.person(email=owner.email)
    letters.deliver(home)

    assert post(home, NOT_ME, token=token).status_code == 200

    assert me(home, owner).status_code == 401
    assert me(home, successor).status_code == 200
    (event,) = home.events("users.email.not_restored", subject=owner)
    assert (event.severity, event.outcome) == ("CRITICAL", "failure")
    message = given_back(home, letters, displaced=thiefs)
    assert message.to == owner.email, "the link for a new password goes to whoever has shown that he reads there"
    reset = post(home, RESET, token=token_in(message, "reset-password"), new_password="Other-Trees-43!")
    assert reset.status_code == 200
    assert post(home, LOGIN, username=owner.username, password="Other-Trees-43!").status_code == 200
    for email in (thiefs, successor.email):
        post(home, FORGOT, email=email)
    assert [message.to for message in letters.deliver(home) if message.to != successor.email] == [], "the thief's address is worth nothing"


def test_an_account_that_was_left_without_an_address_gets_another_one(home, letters):
    owner, email, thiefs = somebody(home, letters), elsewhere(), elsewhere("thief")
    token = moved(home, letters, owner, thiefs)
    home.person(email=owner.email)
    letters.deliver(home)
    post(home, NOT_ME, token=token)
    message = given_back(home, letters, displaced=thiefs)
    owner.password = "Other-Trees-43!"
    post(home, RESET, token=token_in(message, "reset-password"), new_password=owner.password)
    tokens = home.sign_in(owner)
    letters.deliver(home)

    answer = home.client().patch(ME, headers=tokens.headers, json={"email": email})

    assert (answer.status_code, answer.json["email"]) == (200, f"{owner.id}@no-address.invalid")
    (message,) = letters.deliver(home)
    assert message.to == email
    assert post(home, CONFIRM, token=token_in(message, "confirm-email")).status_code == 200
    assert post(home, FORGOT, email=email).status_code == 202
    assert [message.to for message in letters.deliver(home)] == [email]
    assert home.execute("SELECT topic FROM outbox WHERE dead_at IS NOT NULL") == [], "nothing was sent to where nothing can be sent"


def test_a_reset_link_that_was_sent_to_the_former_address_is_void(home, letters):
    person, email = somebody(home, letters), elsewhere()
    post(home, FORGOT, email=person.email)
    (message,) = letters.deliver(home)
    moved(home, letters, person, email)

    answer = post(home, RESET, token=token_in(message, "reset-password"), new_password="Other-Trees-43!")

    assert_problem(answer, 400, "invalid_link")


def test_a_reset_by_the_owner_ends_what_a_thief_waits_for(home, letters):
    owner = somebody(home, letters)
    confirm, _ = wanted(home, letters, owner, elsewhere("thief"))
    post(home, FORGOT, email=owner.email)
    (message,) = letters.deliver(home)
    assert post(home, RESET, token=token_in(message, "reset-password"), new_password="Other-Trees-43!").status_code == 200

    assert_problem(post(home, CONFIRM, token=confirm), 400, "invalid_link")

    (row,) = home.execute("SELECT email, pending_email FROM users WHERE username = :name", name=owner.username)
    assert tuple(row) == (owner.email, None)


def test_everything_at_once_ends_in_one_of_the_orders(make_home, letters):
    """Nobody waits for ever for somebody who waits for him: whatever touches an account locks it first."""
    home = make_home()
    for _ in range(5):
        owner, email = somebody(home, letters), elsewhere()
        confirm, warned = wanted(home, letters, owner, email)
        post(home, FORGOT, email=owner.email)
        (message,) = letters.deliver(home)
        reset = token_in(message, "reset-password")
        calls = [
            lambda t=confirm: post(home, CONFIRM, token=t),
            lambda t=warned: post(home, NOT_ME, token=t),
            lambda t=reset: post(home, RESET, token=t, new_password="Other-Trees-43!"),
            lambda p=owner: change(home, p, p.email),
            lambda p=owner: post(home, FORGOT, email=p.email),
        ]

        answers = together(calls * 2)

        assert {answer.status_code for answer in answers} <= {200, 202, 400, 401}
        assert [answer.status_code for answer in answers[1::5]].count(200) == 1, "an earlier notice is good whatever else happens"
        (row,) = home.execute("SELECT email, pending_email FROM users WHERE username = :name", name=owner.username)
        assert tuple(row) == (owner.email, None)
        letters.deliver(home)


def test_a_thief_whose_request_was_under_way_when_the_owner_threw_him_out_has_asked_for_nothing(home, letters, monkeypatch):
    owner, thiefs = somebody(home, letters), elsewhere("thief")
    _, warned = wanted(home, letters, owner, elsewhere("thief-before"))
    profiles = home.service(Profiles)
    original = profiles.change_mine

    def later(**options):
        assert post(home, NOT_ME, token=warned).status_code == 200
        return original(**options)

    monkeypatch.setattr(profiles, "change_mine", later)

    assert_problem(change(home, owner, thiefs), 401)
    (row,) = home.execute("SELECT email, pending_email FROM users WHERE username = :name", name=owner.username)
    assert tuple(row) == (owner.email, None)
    assert thiefs not in [message.to for message in letters.deliver(home)]
