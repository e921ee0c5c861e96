import pytest
from journeys import test_not_me_order as t
from journeys.test_not_me_order import letters, make_home
from secureapi.users.repository import UserRepository
from support.races import together
from journeys.recovering import CONFIRM, post, somebody

@pytest.mark.parametrize("fixed", [True, False])
def test_swaps(make_house, letters, monkeypatch, fixed):
    home = make_house("scaled", **letters.settings, public_url=t.PUBLIC)
    if not fixed:
        original = UserRepository.lock_people
        monkeypatch.setattr(UserRepository, "lock_people", lambda self, ids, *, known_as=(), **k: original(self, ids, **k))
    seen = {}
    for _ in range(200):
        people = [somebody(home, letters) for _ in range(2)]
        for person, other in zip(people, reversed(people), strict=True):
            t.change(home, person.tokens, email=other.email)
        came = letters.deliver(home)
        tokens = [t.token_to(came, person.email, "confirm-email") for person in people]
        answers = together([lambda token=token: post(home, CONFIRM, token=token) for token in tokens])
        key = tuple(sorted(a.status_code for a in answers))
        seen[key] = seen.get(key, 0) + 1
    print("FIXED" if fixed else "BEFORE", seen)
    open("/tmp/swaps/out", "a").write(f"{'FIXED' if fixed else 'BEFORE'} {seen}\n")
