"""Who follows whom: every step from phase to phase, and what it leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from secureapi.auth.errors import NoSuchKey, SharedSecretInUse
from secureapi.auth.keys import KeyRing
from secureapi.auth.keys import rotation as module
from secureapi.auth.models import Phase, SigningKey
from secureapi.auth.repository import KeyRepository
from secureapi.auth.service import SigningKeys
from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.models import AuditEvent
from secureapi.security.trail import Trail

CLIENT = Client(address="", user_agent="tests", request_id="request-0001")
BEGINNING = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRET = "the secret of this installation, long enough"
KEYS = table_of(SigningKey)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Keys:
    """The keys of an installation, and what one of its workers and its administrator do with them."""

    def __init__(self, database, settings, clock, secret=SECRET):
        self.database, self.clock = database, clock
        self.ring = KeyRing(settings=settings, database=database, secret_box=SecretBox(secret), clock=clock, trail=Trail(clock))
        self.service = SigningKeys(settings=settings, database=database, keys=self.ring)

    def phases(self):
        """`{"active": [kid], ...}`, oldest first."""
        found = {}
        for row in self.rows():
            found.setdefault(row.phase, []).append(row.kid)
        return found

    def rows(self):
        with self.database.reading() as connection:
            return connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.kid)).all()

    def row(self, kid):
        return next(row for row in self.rows() if row.kid == kid)

    def change(self, kid, **values):
        with self.database.writing() as connection:
            connection.execute(update(KEYS).where(KEYS.c.kid == kid).values(**values))

    def events(self):
        """What was left since this was asked last: (type, kid, reason)."""
        table = table_of(AuditEvent)
        query = select(table).where(table.c.type.like("auth.key.%"), table.c.id > getattr(self, "_seen", 0)).order_by(table.c.id)
        with self.database.reading() as connection:
            found = connection.execute(query).all()
        self._seen = found[-1].id if found else getattr(self, "_seen", 0)
        return [(event.type.removeprefix("auth.key."), event.details["kid"], event.details.get("reason")) for event in found]


@pytest.fixture
def clock():
    return FrozenClock(BEGINNING)


@pytest.fixture
def keys_with(database, make_settings, clock):
    def make(*, secret=SECRET, **overrides):
        return Keys(database, make_settings(**overrides), clock, secret)

    return make


@pytest.fixture
def keys(keys_with):
    """An installation with its first keys, the events of which have been seen."""
    made = keys_with()
    made.ring.ensure(CLIENT)
    made.clock.advance(HOUR)
    made.events()
    return made


class TestRotate:
    def test_each_key_moves_up_and_a_new_one_follows(self, keys):
        before = keys.phases()
        signs = keys.service.rotate(client=CLIENT)
        after = keys.phases()
        assert [signs] == before["next"] == after["active"]
        assert after["retiring"] == before["active"]
        assert after["next"] not in (before["next"], before["active"])
        old, new = keys.row(before["active"][0]), keys.row(signs)
        assert old.verifies_until == keys.clock.now() + DAY
        assert old.private_key
        assert new.activated_at == keys.clock.now()
        assert keys.events() == [
            ("retiring", old.kid, None),
            ("activated", signs, "command"),
            ("created", after["next"][0], None),
        ]

    def test_what_signs_now_is_known_to_this_process_at_once(self, keys):
        assert keys.service.rotate(client=CLIENT) == keys.ring.signing_key().kid

    def test_every_change_of_a_row_is_in_the_trail_too(self, keys):
        keys.service.rotate(client=CLIENT)
        table = table_of(AuditEvent)
        with keys.database.reading() as connection:
            changed = [r.details for r in connection.execute(select(table).where(table.c.type.like("%row%"))).all()]
        touched = {(change["key"][0], change["action"]) for change in changed if change["table"] == "signing_keys"}
        phases = keys.phases()
        assert {(phases["retiring"][0], "update"), (phases["active"][0], "update"), (phases["next"][0], "insert")} <= touched

    def test_three_in_a_row_leave_three_that_still_verify(self, keys):
        first = keys.phases()["active"][0]
        for _ in range(3):
            keys.service.rotate(client=CLIENT)
        phases = keys.phases()
        assert (len(phases["retiring"]), len(phases["active"]), len(phases["next"])) == (3, 1, 1)
        assert keys.ring.find(first).kid == first

    def test_of_two_who_saw_the_same_key_signing_one_rotates(self, keys):
        seen = keys.phases()["active"][0]
        assert keys.service.rotate(client=CLIENT, instead_of=seen)
        assert keys.service.rotate(client=CLIENT, instead_of=seen) is None
        assert len(keys.rows()) == 3

    def test_with_no_key_at_all_it_makes_the_first(self, keys_with):
        keys = keys_with()
        signs = keys.service.rotate(client=CLIENT)
        assert {phase: len(kids) for phase, kids in keys.phases().items()} == {"active": 1, "next": 1}
        assert keys.phases()["active"] == [signs]

    def test_a_failure_in_the_middle_leaves_everything_as_it_was(self, keys, monkeypatch):
        before = keys.rows()

        def fail(_repository, _key):
            raise RuntimeError("the power went")

        monkeypatch.setattr(KeyRepository, "add", fail)
        with pytest.raises(RuntimeError):
            keys.service.rotate(client=CLIENT)
        assert keys.rows() == before
        assert keys.events() == []

    def test_a_shared_secret_is_not_rotated_here(self, keys_with):
        keys = keys_with(jwt_algorithm="HS256")
        for rotate in (keys.service.rotate, keys.service.rotate_if_due):
            with pytest.raises(SharedSecretInUse):
                rotate(client=CLIENT)
        assert keys.rows() == []


class TestAge:
    def test_a_key_that_is_old_enough_gives_way_and_a_younger_one_does_not(self, keys):
        before = keys.phases()
        since = keys.row(before["active"][0]).activated_at
        keys.clock.advance(since + 90 * DAY - keys.clock.now() - timedelta(microseconds=1))
        assert keys.ring.maintain(CLIENT) is None
        assert keys.phases() == before
        keys.clock.advance(timedelta(microseconds=1))
        assert keys.ring.maintain(CLIENT) == before["next"][0]
        assert keys.phases()["retiring"] == before["active"]
        assert ("activated", before["next"][0], "age") in keys.events()

    def test_doing_it_again_does_nothing(self, keys):
        keys.clock.advance(91 * DAY)
        assert keys.ring.maintain(CLIENT)
        before = keys.rows()
        keys.events()
        for _ in range(3):
            assert keys.ring.maintain(CLIENT) is None
        assert keys.rows() == before
        assert keys.events() == []

    def test_never_when_the_settings_say_never(self, keys_with):
        keys = keys_with(signing_key_rotation_days=0)
        keys.ring.ensure(CLIENT)
        before = keys.rows()
        keys.clock.advance(3650 * DAY)
        assert keys.ring.maintain(CLIENT) is None
        assert keys.rows() == before

    def test_a_key_that_no_verifier_can_know_yet_does_not_sign_by_age(self, keys):
        """After an update there is an old key and none that follows: it is published first, and signs later."""
        (old,) = keys.phases()["active"]
        keys.change(keys.phases()["next"][0], phase="retired")
        keys.clock.advance(91 * DAY)
        assert keys.ring.maintain(CLIENT) is None
        assert keys.phases()["active"] == [old]
        (following,) = keys.phases()["next"]
        keys.clock.advance(module.PUBLISHED_FIRST)
        assert keys.ring.maintain(CLIENT) == following

    def test_what_retires_is_retired_when_the_overlap_is_over_and_not_before(self, keys):
        (old,) = keys.phases()["active"]
        keys.service.rotate(client=CLIENT)
        keys.clock.advance(DAY - timedelta(microseconds=1))
        keys.events()
        keys.ring.maintain(CLIENT)
        assert keys.row(old).phase == "retiring"
        keys.clock.advance(timedelta(microseconds=1))
        keys.ring.maintain(CLIENT)
        row = keys.row(old)
        assert (row.phase, row.private_key, row.retired_at) == ("retired", b"", keys.clock.now())
        assert keys.events() == [("retired", old, "overlap")]

    def test_a_key_that_somebody_made_retire_by_hand_gets_an_end(self, keys):
        (old,) = keys.phases()["active"]
        keys.change(old, phase="retiring")
        keys.ring.maintain(CLIENT)
        assert keys.row(old).verifies_until == keys.clock.now() + DAY

    @pytest.mark.parametrize(
        "make_due", [lambda keys: keys.clock.advance(91 * DAY), lambda keys: keys.change(keys.phases()["next"][0], phase="retired")]
    )
    def test_whatever_is_due_is_seen_to_be_due_and_then_no_longer(self, keys, make_due):
        keys.ring.reload()
        assert keys.ring._is_care_due is False
        make_due(keys)
        keys.ring.reload()
        assert keys.ring._is_care_due is True
        keys.ring.maintain(CLIENT)
        assert keys.ring._is_care_due is False

    def test_if_due_makes_the_first_key_too_and_says_what_signs(self, keys_with):
        keys = keys_with()
        assert [keys.service.rotate_if_due(client=CLIENT)] == keys.phases()["active"]
        assert keys.service.rotate_if_due(client=CLIENT) is None
        keys.clock.advance(91 * DAY)
        assert [keys.service.rotate_if_due(client=CLIENT)] == keys.phases()["active"]


class TestRetire:
    def test_an_active_key_has_a_successor_before_it_is_gone(self, keys):
        before = keys.phases()
        (active,), (following,) = before["active"], before["next"]
        done = keys.service.retire(kid=active, client=CLIENT)
        assert (done.was, done.replaced_by) == (Phase.ACTIVE, following)
        row = keys.row(active)
        assert (row.phase, row.private_key, row.verifies_until) == ("retired", b"", None)
        assert keys.phases()["active"] == [following]
        assert len(keys.phases()["next"]) == 1
        assert keys.ring.find(active) is None
        assert keys.ring.signing_key().kid == following
        assert [event[:2] for event in keys.events()] == [
            ("retired", active),
            ("activated", following),
            ("created", keys.phases()["next"][0]),
        ]

    def test_a_key_that_has_signed_nothing_is_replaced(self, keys):
        before = keys.phases()
        done = keys.service.retire(kid=before["next"][0], client=CLIENT)
        assert (done.was, done.replaced_by) == (Phase.NEXT, None)
        assert keys.phases()["active"] == before["active"]
        assert keys.phases()["next"] != before["next"]

    def test_a_key_that_retires_anyway_is_over_at_once(self, keys):
        (old,) = keys.phases()["active"]
        keys.service.rotate(client=CLIENT)
        assert keys.ring.find(old)
        done = keys.service.retire(kid=old, client=CLIENT)
        assert (done.was, done.replaced_by) == (Phase.RETIRING, None)
        assert keys.ring.find(old) is None

    def test_twice_is_once(self, keys):
        (active,) = keys.phases()["active"]
        keys.service.retire(kid=active, client=CLIENT)
        before = keys.rows()
        keys.events()
        assert keys.service.retire(kid=active, client=CLIENT).was == Phase.RETIRED
        assert keys.rows() == before
        assert keys.events() == []

    def test_nobody_knows_a_key_that_is_none(self, keys):
        with pytest.raises(NoSuchKey):
            keys.service.retire(kid="x" * 43, client=CLIENT)

    def test_a_key_that_cannot_be_read_can_still_be_retired(self, keys):
        (active,), (following,) = keys.phases()["active"], keys.phases()["next"]
        keys.change(active, private_key=b"x" * 50)
        keys.change(following, private_key=b"x" * 50)
        done = keys.service.retire(kid=active, client=CLIENT)
        assert done.replaced_by not in {active, following, None}
        assert set(keys.phases()["retired"]) == {active, following}
        assert ("retired", following, "unreadable") in keys.events()


class TestSeveralAlgorithms:
    """A rolling deployment runs the settings of yesterday and of today side by side."""

    def test_each_has_its_own_keys_and_none_touches_the_others(self, keys, keys_with):
        edwards = keys_with(jwt_algorithm="EdDSA")
        edwards.ring.ensure(CLIENT)
        for _ in range(3):
            edwards.ring.maintain(CLIENT)
            keys.ring.maintain(CLIENT)
        assert sorted((row.algorithm, row.phase) for row in keys.rows()) == [
            ("ES256", "active"),
            ("ES256", "next"),
            ("EdDSA", "active"),
            ("EdDSA", "next"),
        ]
        assert edwards.ring.find(keys.ring.signing_key().kid)

    def test_those_for_whom_it_is_in_force_rotate_it_at_its_age_and_the_others_do_not(self, keys, keys_with):
        edwards = keys_with(jwt_algorithm="EdDSA")
        edwards.ring.ensure(CLIENT)
        before = keys.phases()
        (old,) = [row.kid for row in keys.rows() if (row.algorithm, row.phase) == ("ES256", "active")]
        keys.clock.advance(90 * DAY)
        edwards.ring.maintain(CLIENT)
        assert keys.row(old).phase == "active"
        keys.ring.maintain(CLIENT)
        assert keys.row(old).phase == "retiring"
        assert keys.ring.signing_key().kid in before["next"]

    @pytest.mark.parametrize("now", ["EdDSA", "HS256"])
    def test_one_that_nobody_uses_any_more_retires_in_the_end(self, keys, keys_with, now):
        others = keys_with(jwt_algorithm=now)
        others.ring.ensure(CLIENT)
        (old,), (following,) = [[row.kid for row in keys.rows() if (row.algorithm, row.phase) == ("ES256", p)] for p in ("active", "next")]
        others.clock.advance(90 * DAY + 23 * HOUR - HOUR)
        others.ring.maintain(CLIENT)
        assert keys.row(old).phase == "active"
        others.clock.advance(HOUR)
        others.ring.reload()
        assert others.ring._is_care_due
        others.ring.maintain(CLIENT)
        assert (keys.row(old).phase, keys.row(following).phase) == ("retiring", "retired")
        assert others.ring.find(old), "what it has signed is still good"
        others.clock.advance(DAY)
        others.ring.maintain(CLIENT)
        assert keys.row(old).phase == "retired"
        others.ring.reload()
        assert not others.ring._is_care_due

    def test_by_hand_it_goes_at_once_and_is_not_replaced(self, keys, keys_with):
        edwards = keys_with(jwt_algorithm="EdDSA")
        edwards.ring.ensure(CLIENT)
        (old,), (following,) = [[row.kid for row in keys.rows() if (row.algorithm, row.phase) == ("ES256", p)] for p in ("active", "next")]
        assert edwards.service.retire(kid=old, client=CLIENT).replaced_by is None
        edwards.ring.maintain(CLIENT)
        assert (keys.row(old).phase, keys.row(following).phase) == ("retired", "retired")


class TestUnreadable:
    OTHER = "another secret of this installation, also long"

    def test_time_does_nothing_to_keys_that_only_this_process_cannot_read(self, keys, keys_with):
        misled = keys_with(secret=self.OTHER)
        keys.clock.advance(91 * DAY)
        before = keys.rows()
        misled.ring.reload()
        assert misled.ring._is_care_due is False
        assert misled.ring.maintain(CLIENT) is None
        assert keys.rows() == before

    def test_a_next_key_that_was_damaged_is_replaced(self, keys):
        (following,) = keys.phases()["next"]
        keys.change(following, private_key=b"x" * 50)
        keys.ring.reload()
        assert keys.ring._is_care_due
        keys.ring.maintain(CLIENT)
        assert keys.row(following).phase == "retired"
        assert len(keys.phases()["next"]) == 1
        keys.ring.reload()
        assert not keys.ring._is_care_due

    def test_the_place_is_taken_with_a_reason_and_the_overlap(self, keys, keys_with):
        (old,), (following,) = keys.phases()["active"], keys.phases()["next"]
        misled = keys_with(secret=self.OTHER)
        assert misled.ring.ensure(CLIENT) is True
        assert keys.row(old).phase == "retiring"
        assert keys.row(old).verifies_until == keys.clock.now() + DAY
        (signs,) = keys.phases()["active"]
        assert {("retiring", old, None), ("retired", following, "unreadable"), ("activated", signs, "unreadable")} <= set(keys.events())

    def test_a_list_says_which(self, keys, keys_with):
        assert [key.is_readable for key in keys.service.list_keys()] == [True, True]
        assert [key.is_readable for key in keys_with(secret=self.OTHER).service.list_keys()] == [False, False]


def test_the_list_leaves_out_what_is_over_unless_it_is_asked_for(keys):
    (old,) = keys.phases()["active"]
    keys.service.retire(kid=old, client=CLIENT)
    assert old not in {key.kid for key in keys.service.list_keys()}
    (found,) = [key for key in keys.service.list_keys(with_retired=True) if key.kid == old]
    assert (found.phase, found.retired_at, found.is_readable) == ("retired", keys.clock.now(), True)
