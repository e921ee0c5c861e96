"""Two who want what the other has, at one moment: neither waits for the other for ever, and neither gets a name that is taken."""

import secrets

import pytest

from support.letters import Letters
from support.races import together

API = "/api/v1"
ME, USERS = f"{API}/users/me", f"{API}/users"


@pytest.mark.parametrize("who", ["they themselves", "administrators"])
def test_two_who_want_the_usernames_of_each_other_do_not_wait_for_one_another(house, who):
    admin = house.administrator()
    for _ in range(4):
        people = [house.register() for _ in range(2)]
        assert all(person.tokens for person in people)

        def take(person, other):
            path, headers = (ME, person.headers) if who == "they themselves" else (f"{USERS}/{person.id}", admin.headers)
            return house.client().patch(path, headers=headers, json={"username": other.username})

        answers = together([lambda p=p, o=o: take(p, o) for p, o in (people, people[::-1])])

        assert [answer.status_code for answer in answers] == [400, 400]


def test_an_owner_and_an_administrator_who_move_two_accounts_crosswise_do_not_wait_for_one_another(make_house, engine, tmp_path):
    """One confirms the other's address while an administrator gives his to somebody else."""
    letters = Letters(tmp_path / "mail")
    house = make_house(engine, **letters.settings)
    admin = house.administrator()
    for _ in range(3):
        one, other = house.register(), house.register()
        free = f"free-{secrets.token_hex(4)}@example.com"
        moves = [(one, other.email), (other, one.email), (one, free)]

        def give(person, address):
            return house.client().patch(f"{USERS}/{person.id}", headers=admin.headers, json={"email": address}).status_code

        statuses = together([lambda p=p, a=a: give(p, a) for p, a in moves])

        assert set(statuses) <= {200, 400}
        left = house.execute("SELECT DISTINCT email_canonical FROM users WHERE username IN (:a, :b)", a=one.username, b=other.username)
        assert len(left) == 2
