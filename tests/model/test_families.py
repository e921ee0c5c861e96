"""Families of refresh tokens against a model of them: whatever is done in whatever order, each token is worth what the model says.

The model is the rules in a dozen lines, without a database, a hash or a cache. Hypothesis makes up the order of what happens, and the
real application answers. The clock is moved; nobody waits.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis
from sqlalchemy import select

from secureapi.auth.models import UserSession
from secureapi.auth.refresh_tokens import RefreshTokens
from secureapi.auth.service import Administration
from secureapi.core.database import Database, table_of
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from support.races import change_role

AUTH, ME = "/api/v1/auth", "/api/v1/users/me"
GRACE, IDLE, ABSOLUTE = timedelta(seconds=10), timedelta(days=7), timedelta(days=9)
TERMINAL = Client(address="", user_agent="model", request_id="model-of-the-tests")
MOMENTS = [timedelta(seconds=seconds) for seconds in (0, 1, 4, 9, 10, 11)]
SPANS = [*MOMENTS[1:], timedelta(hours=1), timedelta(days=3)]
which = st.sampled_from([0, 0, 0, 1, 2, 3])
"""Picks one of a list, from its end, whatever its length."""


@dataclass
class Family:
    """What the model knows of one session."""

    refresh_tokens: list[str]
    """One for each generation. Only the last is good."""
    access_tokens: list[tuple[str, str]]
    """With the role that each one names."""
    idle_until: datetime
    over_at: datetime
    rotated_at: datetime | None = None
    is_ended: bool = False
    seen: Counter = field(default_factory=Counter)
    """How often each kind of event must be in the trail."""

    @property
    def generation(self):
        return len(self.refresh_tokens) - 1

    def is_alive(self, now):
        return not self.is_ended and now < min(self.idle_until, self.over_at)

    def foresee(self, index, now, *, owner_is_active):
        """What presenting the token of this generation comes to."""
        if not owner_is_active or not self.is_alive(now):
            return "refused"
        if index == self.generation:
            return "moved on"
        is_previous = index == self.generation - 1
        return "given again" if is_previous and now - self.rotated_at < GRACE else "reused"


class Families(RuleBasedStateMachine):
    """One person, her sessions, and everybody who holds a token of hers."""

    def __init__(self, house, clock):
        super().__init__()
        self.house, self.clock = house, clock
        self.secrets = RefreshTokens(SecretBox(house.settings.secret_key))
        self.client = house.client()
        self.families, self.role, self.is_active, self.passwords = [], "user", True, 0

    @initialize()
    def register(self):
        self.person = self.house.register()
        self.sign_in()
        self.sign_in()

    # ---- what somebody with a password does

    @precondition(lambda self: self.is_active)
    @rule()
    def sign_in(self):
        tokens, now = self.house.sign_in(self.person), self.clock.now()
        self.families.append(Family([tokens.refresh], [(tokens.access, self.role)], now + IDLE, now + ABSOLUTE))

    # ---- what somebody with a refresh token does

    @rule(one=which, times=st.integers(1, 3))
    def refresh(self, one, times):
        family = self.pick(one)
        for _ in range(times):
            self.present(family, family.generation)

    @rule(one=which, back=st.sampled_from([1, 1, 2, 3]), later=st.sampled_from(MOMENTS), again=st.integers(1, 2))
    def replay(self, one, back, later, again):
        """Whoever has lost an answer, or is a thief, comes with a token that has been used: after one moment or another, and again."""
        family = self.pick(one)
        self.present(family, family.generation)
        for _ in range(again):
            self.wait(later)
            self.present(family, max(0, family.generation - back))

    @rule(one=which, span=st.sampled_from([timedelta(days=3), IDLE - timedelta(seconds=1), IDLE]), times=st.integers(1, 4))
    def refresh_now_and_then(self, one, span, times):
        """Until the session has lain unused for too long, or has lived for too long however often it was used."""
        family = self.pick(one)
        for _ in range(times):
            self.wait(span)
            self.present(family, family.generation)

    @rule(one=which, place=st.integers(4, 66))
    def forge_a_refresh_token(self, one, place):
        """Nobody but us can make one, so a made-up one neither opens nor closes anything."""
        token = self.pick(one).refresh_tokens[-1]
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert self.ask("/refresh", json={"refresh_token": forged}) == (401, "invalid_refresh_token")

    # ---- what somebody with an access token does

    @rule(one=which, token=which)
    def call(self, one, token):
        family = self.pick(one)
        self.assert_is_let_in_as_foreseen(family, *family.access_tokens[-1 - token % len(family.access_tokens)])

    @rule(one=which, place=st.integers(1, 80))
    def forge_an_access_token(self, one, place):
        token = self.pick(one).access_tokens[-1][0]
        forged = token[:-place] + ("A" if token[-place] != "A" else "Q") + token[len(token) - place + 1 :]
        assert self.read(forged) == 401

    @rule(one=which, how=st.sampled_from(["log out", "log out everywhere", "change the password"]))
    def leave(self, one, how):
        family = self.pick(one)
        if how == "log out":
            if self.act(family, "/logout"):
                family.is_ended = True
        elif how == "log out everywhere":
            if self.act(family, "/logout-all"):
                self.end_all()
        else:
            passwords = {"current_password": self.person.password, "new_password": f"Quite-Other-Trees-{self.passwords}!"}
            if self.act(family, "/change-password", json=passwords):
                self.passwords, self.person.password = self.passwords + 1, passwords["new_password"]
                self.end_all(but=family)

    @rule(one=which, another=which)
    def end_one_from_another(self, one, another):
        family, other = self.pick(one), self.pick(another)
        is_there = other.is_alive(self.clock.now())
        access, role = family.access_tokens[-1]
        answer = self.client.delete(f"{AUTH}/sessions/{self.session_of(other)}", headers={"Authorization": f"Bearer {access}"})
        if not self.is_good(family, role):
            assert answer.status_code == 401
        else:
            assert answer.status_code == (204 if is_there else 404)
            other.is_ended = other.is_ended or is_there

    # ---- what administrators do, and time

    @rule(what=st.sampled_from(["disable", "viewer", "user", "moderator"]))
    def administer(self, what):
        if what != "disable":
            change_role(self.house, self.person, what)
            self.role = what
            return
        self.house.service(Administration).disable(user_id=self.person.id, caller=None, client=TERMINAL)
        self.is_active = False
        self.end_all()

    @precondition(lambda self: not self.is_active)
    @rule()
    def enable(self):
        self.house.service(Administration).enable(user_id=self.person.id, caller=None, client=TERMINAL)
        self.is_active = True

    @rule(span=st.sampled_from(SPANS))
    def wait(self, span):
        self.clock.advance(span)
        if self.house.settings.redis_url:
            # Redis has a clock of its own, which stands still: the copies that would have died by then must be taken away.
            with Redis.from_url(self.house.settings.redis_url, ssl_ca_certs=self.house.settings.redis_ca_file) as store:
                store.flushdb()

    # ---- what must be true whatever happened

    @invariant()
    def each_family_has_one_good_token_and_what_has_ended_stays_ended(self):
        table = table_of(UserSession)
        with self.house.service(Database).reading() as connection:
            rows = connection.execute(select(table).where(table.c.user_id == self.person.id)).all()
        known = {self.session_of(family): family for family in self.families}
        assert {row.id for row in rows} == known.keys()
        for row in rows:
            family = known[row.id]
            assert row.generation == family.generation
            # One that is over by itself is closed on the way when its owner signs in again, or is left as it is.
            is_over = not family.is_ended and not family.is_alive(self.clock.now())
            assert is_over or (row.ended_at is not None) == family.is_ended
            assert row.token_hash == sha256(self.secrets.read(family.refresh_tokens[-1]).raw).digest()

    def teardown(self):
        """Every token once more, and the trail has each fact as often as it happened."""
        for family in self.families:
            for access, role in family.access_tokens:
                self.assert_is_let_in_as_foreseen(family, access, role)
            told = Counter(e.type for e in self.house.events(subject=self.person) if e.session_id == self.session_of(family))
            for kind in ("refreshed", "refresh_repeated", "refresh_refused", "refresh_reused"):
                assert told[f"auth.session.{kind}"] == family.seen[kind], kind
            assert family.seen["refreshed"] == family.generation
            assert family.seen["refresh_reused"] <= 1

    # ---- words

    def pick(self, one):
        """One of the families, and mostly one that is alive: all of them are over sooner or later."""
        now = self.clock.now()
        ordered = sorted(self.families, key=lambda family: family.is_alive(now))
        return ordered[-1 - one % len(ordered)]

    def session_of(self, family):
        return self.secrets.read(family.refresh_tokens[0]).session_id

    def end_all(self, *, but=None):
        for family in self.families:
            family.is_ended = family.is_ended or family is not but

    def present(self, family, index):
        now = self.clock.now()
        foreseen = family.foresee(index, now, owner_is_active=self.is_active)
        answer = self.client.post(f"{AUTH}/refresh", json={"refresh_token": family.refresh_tokens[index]})
        if foreseen == "refused":
            assert (answer.status_code, answer.json["code"]) == (401, "invalid_refresh_token")
            family.seen["refresh_refused"] += 1
        elif foreseen == "reused":
            assert (answer.status_code, answer.json["code"]) == (401, "refresh_reused")
            family.is_ended = True
            family.seen["refresh_reused"] += 1
        else:
            assert answer.status_code == 200, answer.text
            if foreseen == "moved on":
                family.refresh_tokens.append(answer.json["refresh_token"])
                family.rotated_at, family.idle_until = now, now + IDLE
                family.seen["refreshed"] += 1
            else:
                family.seen["refresh_repeated"] += 1
            assert answer.json["refresh_token"] == family.refresh_tokens[-1]
            family.access_tokens.append((answer.json["access_token"], self.role))

    def is_good(self, family, role):
        """Whether an access token of a family, which names this role, is let in."""
        return self.is_active and family.is_alive(self.clock.now()) and role == self.role

    def assert_is_let_in_as_foreseen(self, family, access, role):
        assert self.read(access) == (200 if self.is_good(family, role) else 401)

    def act(self, family, path, **body):
        """Call an endpoint with the newest access token of a family. Whether it was let in, which must be as foreseen."""
        access, role = family.access_tokens[-1]
        is_good = self.is_good(family, role)
        status, _ = self.ask(path, headers={"Authorization": f"Bearer {access}"}, **body)
        assert status == (200 if is_good else 401)
        return is_good

    def read(self, access):
        return self.client.get(ME, headers={"Authorization": f"Bearer {access}"}).status_code

    def ask(self, path, **options):
        answer = self.client.post(f"{AUTH}{path}", **options)
        return answer.status_code, answer.json.get("code")


@pytest.mark.parametrize(("engine", "examples"), [("embedded", 25), ("scaled", 8)], ids=["embedded", "scaled"])
def test_every_token_is_worth_what_the_model_says(make_house, clock, engine, examples):
    house = make_house(
        engine,
        clock=clock,
        refresh_reuse_grace_seconds=10,
        refresh_token_expire_days=IDLE.days,
        session_lifetime_days=ABSOLUTE.days,
        max_login_attempts=10_000,
        reauthentication_max_age_minutes=10_000_000,
    )

    run_state_machine_as_test(
        lambda: Families(house, clock),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # without shrinking, which takes minutes: put Phase.shrink here to understand a failure
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
