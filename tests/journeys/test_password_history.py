"""Former passwords do not come back: as many as the setting says, on both engines, two changes at once included."""

import dataclasses
import secrets

import pytest

from journeys.answers import assert_problem
from secureapi.auth.errors import PasswordChangedMeanwhile
from secureapi.auth.service import Credentials
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.core.requests import Client
from secureapi.security.errors import WeakPassword
from secureapi.security.passwords import PasswordHasher
from support.races import together

PATH = "/api/v1/auth/change-password"
CONSOLE = Client.of_command_line()


@pytest.fixture
def kept(make_house, engine):
    """`kept(2)`: a house that keeps two former passwords, on each engine in turn."""
    return lambda most, **settings: make_house(engine, password_history=most, **settings)


def change(house, person, new):
    """Change a password over HTTP; the person knows the new one when it was accepted."""
    answer = house.client().post(PATH, headers=person.headers, json={"current_password": person.password, "new_password": new})
    if answer.status_code == 200:
        person.password = new
    return answer


def refused(answer):
    return [fault["code"] for fault in assert_problem(answer, 400, "weak_password")["errors"]]


def set_by_administrator(house, person, new):
    house.service(Credentials).set_password(user_id=person.id, new_password=new, client=CONSOLE)


def hashes(house, person):
    found = house.execute("SELECT password_hash FROM password_history WHERE user_id = :id ORDER BY id", id=stored_id(house, person))
    return [row.password_hash for row in found]


def stored_id(house, person):
    return person.id.replace("-", "") if house.is_embedded else person.id


def fresh():
    return f"Other-Trees-{secrets.token_hex(4)}!"


def test_the_last_passwords_do_not_come_back_and_older_ones_may(kept):
    house = kept(2)
    person = house.register()
    first, second, third, fourth = person.password, fresh(), fresh(), fresh()
    for new in (second, third):
        assert change(house, person, new).status_code == 200

    assert refused(change(house, person, first)) == ["reused"]
    assert refused(change(house, person, second)) == ["reused"]
    assert refused(change(house, person, third)) == ["unchanged"]
    assert change(house, person, fourth).status_code == 200
    assert refused(change(house, person, second)) == ["reused"]
    assert change(house, person, first).status_code == 200


def test_an_accent_typed_apart_makes_no_other_password(kept):
    house = kept(1)
    person = house.register(password="Caf\u00e9-Trees-42!")
    assert refused(change(house, person, "Cafe\u0301-Trees-42!")) == ["unchanged"]
    assert change(house, person, fresh()).status_code == 200
    assert refused(change(house, person, "Cafe\u0301-Trees-42!")) == ["reused"]


def test_all_rules_are_named_together(kept):
    house = kept(1)
    person = house.register(password=fresh())
    former = person.password
    assert change(house, person, fresh()).status_code == 200
    house.execute("UPDATE users SET full_name = :name WHERE username = :who", name=former, who=person.username)

    assert refused(change(house, person, former)) == ["guessable", "personal", "reused"]


def test_only_hashes_are_kept_and_only_so_many(kept):
    house = kept(2)
    person = house.register()
    passwords = [person.password]
    for _ in range(4):
        passwords.append(fresh())
        assert change(house, person, passwords[-1]).status_code == 200

    stored = hashes(house, person)

    assert len(stored) == 2
    for password, hashed in zip(passwords[2:4], stored, strict=True):
        assert house.service(PasswordHasher).verify(password, hashed)
    assert not [password for password in passwords if password in str(stored)]


def test_nothing_of_it_is_in_the_trail(kept):
    house = kept(3)
    person = house.register()
    former = person.password
    change(house, person, fresh())
    refused(change(house, person, former))

    events = house.events(subject=person)

    assert {event.type for event in events} >= {"auth.password.changed", "auth.password.change_refused"}
    for secret in (former, person.password, *hashes(house, person)):
        assert secret not in str(events)
    (refusal,) = [event for event in events if event.type == "auth.password.change_refused"]
    assert refusal.details == {"reason": "weak_password"}


def test_without_the_setting_nothing_is_kept(make_house, engine):
    house = make_house(engine)
    person = house.register()
    first = person.password
    assert change(house, person, fresh()).status_code == 200
    assert hashes(house, person) == []
    assert change(house, person, first).status_code == 200


def test_what_was_kept_goes_once_the_setting_is_lowered(kept):
    house = kept(3)
    person = house.register()
    for _ in range(3):
        assert change(house, person, fresh()).status_code == 200
    assert len(hashes(house, person)) == 3

    for most in (1, 0):
        passwords = house.service(NewPasswords)
        passwords._policy = dataclasses.replace(passwords._policy, remembered=most)
        assert change(house, person, fresh()).status_code == 200
        assert len(hashes(house, person)) == most


def test_one_persons_history_is_nobody_elses(kept):
    house = kept(2)
    one, other = house.register(), house.register()
    former = one.password
    assert change(house, one, fresh()).status_code == 200
    assert change(house, other, former).status_code == 200
    assert len(hashes(house, other)) == 1


def test_the_history_goes_with_the_account(kept):
    house = kept(2)
    person = house.register()
    change(house, person, fresh())
    house.execute("DELETE FROM users WHERE username = :name", name=person.username)
    assert hashes(house, person) == []


def test_an_administrator_cannot_set_a_former_password_nor_the_present_one(kept):
    house = kept(2)
    person = house.register()
    former = person.password
    set_by_administrator(house, person, fresh())
    present = fresh()
    set_by_administrator(house, person, present)

    for password in (former, present):
        with pytest.raises(WeakPassword) as weak:
            set_by_administrator(house, person, password)
        assert [(fault.pointer, fault.code) for fault in weak.value.faults] == [("/new_password", "reused")]


def test_a_thief_learns_nothing_about_former_passwords_without_the_present_one(kept):
    house = kept(2)
    person = house.register()
    former = person.password
    assert change(house, person, fresh()).status_code == 200
    person.password = "wrong"

    assert_problem(change(house, person, former), 403, "wrong_current_password")


def test_a_new_cost_of_hashing_forgets_no_former_password(kept):
    house = kept(2)
    person = house.register()
    former = person.password
    house.execute(
        "UPDATE users SET password_hash = :hash WHERE username = :name",
        hash=type(house.service(PasswordHasher))(dataclasses.replace(house.settings, bcrypt_rounds=5), secret_box_of(house)).hash(former),
        name=person.username,
    )
    assert change(house, person, fresh()).status_code == 200
    assert refused(change(house, person, former)) == ["reused"]


def secret_box_of(house):
    from secureapi.core.secret_values import SecretBox

    return SecretBox(house.settings.secret_key)


def test_two_changes_at_once_leave_one_password_and_every_other_in_the_history(kept):
    house = kept(5)
    person = house.register()
    first = person.password
    assert person.headers
    new = [fresh() for _ in range(4)]

    answers = together(
        [
            lambda p=password: house.client().post(PATH, headers=person.headers, json={"current_password": first, "new_password": p})
            for password in new
        ]
    )

    (winner,) = [password for password, answer in zip(new, answers, strict=True) if answer.status_code == 200]
    (stored,) = hashes(house, person)
    assert house.service(PasswordHasher).verify(first, stored)
    person.password = winner
    assert refused(change(house, person, first)) == ["reused"]


def test_one_password_set_twice_at_once_is_set_once(kept):
    """Each looks at the history before the other has written to it: whoever comes second has to look again."""
    house = kept(5)
    person = house.register()
    new = fresh()

    def attempt():
        try:
            set_by_administrator(house, person, new)
        except WeakPassword as weak:
            return [fault.code for fault in weak.faults]
        return []

    outcomes = together([attempt] * 4)

    assert sorted(outcomes) == [[], ["reused"], ["reused"], ["reused"]]
    assert len(hashes(house, person)) == 1


def test_different_passwords_set_at_once_are_all_in_the_history(kept):
    house = kept(8)
    person = house.register()
    new = [fresh() for _ in range(3)]

    together([lambda p=password: set_by_administrator(house, person, p) for password in new])

    stored = hashes(house, person)
    assert len(stored) == 3
    verify = house.service(PasswordHasher).verify
    in_history = {password for password in (person.password, *new) if any(verify(password, hashed) for hashed in stored)}
    (present,) = {person.password, *new} - in_history
    person.password = present
    assert house.sign_in(person)


def test_who_is_overtaken_again_and_again_is_told_so(kept, monkeypatch):
    house = kept(1)
    person = house.register()
    passwords = house.service(NewPasswords)
    really = passwords.refuse_unfit

    def overtaken(user, password, **rest):
        really(user, password, **rest)
        house.execute("UPDATE users SET password_hash = password_hash || 'x' WHERE username = :name", name=person.username)

    monkeypatch.setattr(passwords, "refuse_unfit", overtaken)

    with pytest.raises(PasswordChangedMeanwhile):
        set_by_administrator(house, person, fresh())
    assert hashes(house, person) == []
