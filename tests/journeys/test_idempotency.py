"""The same request twice: one creation, one answer, whoever is at it, however many there are, and whatever breaks in between."""

import contextlib
import json
import sqlite3
import threading
from datetime import timedelta
from http import HTTPStatus

import pytest
from flask import Blueprint

from journeys.answers import assert_problem
from secureapi.core.api import Blueprint as DocumentedBlueprint
from secureapi.core.api import accepts, returns
from secureapi.core.errors import Rejected
from secureapi.core.schemas import StrictSchema, Text
from secureapi.security.guard import for_clients, public, signed_in
from secureapi.security.idempotency import idempotent
from secureapi.security.kept_answers import GIVEN_UP_AFTER, KEPT_FOR
from support.races import together

SECRET = "sa_live_0123456789abcdefghijABCDEFGHIJ01"


class ThingRequest(StrictSchema):
    """A thing that somebody wants."""

    name = Text(most=100, required=True)
    colour = Text(most=20)


class ThingResponse(StrictSchema):
    """A thing."""

    number = Text(most=20)
    name = Text(most=100)
    value = Text(most=100)


class Workshop:
    """Makes things, and counts them. `before` is called in the middle of the work."""

    def __init__(self):
        self.made = []
        self.before = lambda: None
        self.blueprint = DocumentedBlueprint("workshop", __name__, url_prefix="/things")
        declared = signed_in(accepts(ThingRequest)(idempotent(returns(ThingResponse, HTTPStatus.CREATED)(self.make))))
        self.blueprint.post("", endpoint="make")(declared)
        inside = signed_in(accepts(ThingRequest)(idempotent(returns(ThingResponse, HTTPStatus.CREATED)(self.make_inside))))
        self.blueprint.post("/<box>", endpoint="inside")(inside)
        answering = idempotent(never_replayed=("value",))(returns(ThingResponse, HTTPStatus.CREATED)(self.make_secret))
        self.blueprint.post("/secret", endpoint="secret")(signed_in(accepts(ThingRequest)(answering)))

    def make(self, wanted):
        """Make a thing."""
        self.before()
        self.made.append(wanted["name"])
        return {"number": str(len(self.made)), "name": wanted["name"]}, {"Location": f"/things/{len(self.made)}"}

    def make_inside(self, wanted, box):
        """Make a thing in a box."""
        return self.make(wanted)

    def make_secret(self, wanted):
        """Make a thing with something that is shown once."""
        answer, _ = self.make(wanted)
        return answer | {"value": SECRET}


@pytest.fixture
def workshop():
    return Workshop()


@pytest.fixture
def house(make_house, engine, clock, workshop):
    return make_house(engine, clock=clock, blueprints=(workshop.blueprint,))


def order(house, person, key='"first"', body=None, path="/things"):
    headers = person.headers | ({} if key is None else {"Idempotency-Key": key})
    return house.client().post(path, json=body or {"name": "chair"}, headers=headers)


def kept(house):
    return house.execute("SELECT * FROM kept_answers")


def test_the_same_request_twice_creates_once_and_gets_the_same_answer(house, workshop):
    person = house.register()

    first, second = order(house, person), order(house, person)

    assert workshop.made == ["chair"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (first.status_code, first.data) == (second.status_code, second.data) == (201, b'{"number": "1", "name": "chair"}')
    for name in ("Content-Type", "Location", "Cache-Control"):
        assert first.headers[name] == second.headers[name]


def test_without_a_key_every_request_creates(house, workshop):
    person = house.register()

    answers = [order(house, person, key=None) for _ in range(2)]

    assert [answer.json["number"] for answer in answers] == ["1", "2"]
    assert kept(house) == []


def test_of_twenty_at_once_one_creates_and_nobody_gets_another_answer(house, workshop):
    person = house.person()

    answers = together([lambda: order(house, person)] * 20)

    assert workshop.made == ["chair"]
    created = {answer.data for answer in answers if answer.status_code == 201}
    assert created == {order(house, person).data}
    assert sum(answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert_problem(answer, 409, "idempotency_in_progress")


def test_while_the_first_is_under_way_the_others_are_told_so(house, workshop):
    person = house.register()
    begun, may_end = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert may_end.wait(timeout=60)

    workshop.before = wait
    answers = []
    first = threading.Thread(target=lambda: answers.append(order(house, person)))
    first.start()
    assert begun.wait(timeout=60)
    meanwhile = order(house, person), order(house, person, body={"name": "table"})
    may_end.set()
    first.join(timeout=60)

    assert_problem(meanwhile[0], 409, "idempotency_in_progress")
    assert_problem(meanwhile[1], 422, "idempotency_key_reused")
    assert answers[0].status_code == 201
    assert order(house, person).data == answers[0].data
    assert workshop.made == ["chair"]


def test_a_key_is_for_one_request(house, workshop):
    person = house.register()
    order(house, person)

    assert_problem(order(house, person, body={"name": "table"}), 422, "idempotency_key_reused")
    assert_problem(order(house, person, body={"name": "chair", "colour": "red"}), 422, "idempotency_key_reused")
    assert workshop.made == ["chair"]


def test_the_spelling_of_the_body_does_not_matter(house, workshop):
    headers = house.register().headers | {"Idempotency-Key": '"first"', "Content-Type": "application/json"}
    spellings = ('{"name":"chair","colour":"red"}', '{ "colour": "r\\u0065d",\n "name": "chair" }')

    answers = [house.client().post("/things", data=text, headers=headers) for text in spellings]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert workshop.made == ["chair"]


def test_a_key_with_quotes_and_without_is_the_same(house, workshop):
    person = house.register()
    bare = "8e03978e-40d5-43dd-bc93-6894a57f9324"

    for key in (f'"{bare}"', bare, f' "{bare}" '):
        assert order(house, person, key=key).status_code == 201

    assert workshop.made == ["chair"]


GOOD_KEYS = ('"a key with spaces, commas; and more"', '"\\"quoted\\" \\\\"', "x" * 255, f'"{"y" * 255}"', "A.b_c~d:e/f+g=h-i")
BAD_KEYS = (
    "",
    '""',
    " ",
    "x" * 300,
    f'"{"x" * 300}"',
    "two words",
    '"one","two"',
    "one, two",
    '"open',
    'open"',
    '"a"b"',
    '"a\\b"',
    '"a";b=1',
    "nul\x00",
    '"nul\x00"',
    '"tab\t"',
    "café",
    '"café"',
    "\xf0\x9f\x94\x91",
    "'single'",
    "x\x7f",
)


def test_keys_that_are_good(house, workshop):
    person = house.register()

    for number, key in enumerate(GOOD_KEYS, start=1):
        assert order(house, person, key=key).status_code == 201, key
        assert order(house, person, key=key).headers["Idempotency-Replayed"] == "true", key
        assert len(workshop.made) == number


def test_keys_that_cannot_be_read_create_nothing(house, workshop):
    person = house.person()

    for key in BAD_KEYS:
        environ = {"HTTP_IDEMPOTENCY_KEY": key}
        answer = house.client().post("/things", json={"name": "chair"}, headers=person.headers, environ_overrides=environ)
        assert_problem(answer, 400, "idempotency_key_malformed")

    assert workshop.made == []
    assert kept(house) == []


def test_keys_belong_to_a_caller_and_to_an_endpoint(house, workshop):
    ann, ben = house.register(), house.register()

    answers = [
        order(house, ann, body={"name": "ann's"}),
        order(house, ben, body={"name": "ben's"}),
        order(house, ann, path="/things/box-1"),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert order(house, ben, body={"name": "ben's"}).json["name"] == "ben's"
    assert_problem(order(house, ann, path="/things/box-2"), 422, "idempotency_key_reused")
    assert workshop.made == ["ann's", "ben's", "chair"]


def test_what_may_not_enter_is_stopped_before_anything_is_replayed(house, workshop):
    person = house.register()
    order(house, person)
    house.client().post("/api/v1/auth/logout", headers=person.headers)

    assert_problem(order(house, person), 401, "invalid_token")


def test_a_body_that_is_refused_uses_no_key(house, workshop):
    person = house.register()

    assert_problem(order(house, person, body={"title": "chair"}), 422, "invalid_input")
    assert order(house, person).status_code == 201


def test_a_refusal_gives_the_key_back(house, workshop):
    person = house.register()

    def refuse():
        raise Rejected

    workshop.before = refuse
    assert_problem(order(house, person), 400)
    assert kept(house) == []
    workshop.before = lambda: None
    assert order(house, person).status_code == 201


def test_after_a_day_a_key_means_nothing_any_more(house, workshop, clock):
    person = house.register()
    order(house, person)
    clock.advance(KEPT_FOR - timedelta(seconds=1))
    later = house.sign_in(person)
    assert order(house, later).headers["Idempotency-Replayed"] == "true"
    clock.advance(timedelta(seconds=1))

    assert order(house, later, body={"name": "table"}).status_code == 201
    assert workshop.made == ["chair", "table"]


def test_what_is_over_is_removed_by_those_who_come_later(house, workshop, clock):
    person = house.register()
    for number in range(5):
        order(house, person, key=f"key-{number}")
    clock.advance(KEPT_FOR)

    order(house, house.sign_in(person), key="newer")

    assert len(kept(house)) == 1


def test_a_request_that_died_half_way_is_given_up_after_a_while(house, workshop, clock):
    """An accident stands for a worker that was killed: nobody is left to say whether something was created."""
    person = house.register()

    def die():
        raise RuntimeError

    workshop.before = die
    assert order(house, person).status_code == 500
    workshop.before = lambda: None
    assert_problem(order(house, person), 409, "idempotency_in_progress")
    clock.advance(GIVEN_UP_AFTER)

    assert order(house, person).status_code == 201
    assert order(house, person).headers["Idempotency-Replayed"] == "true"


def test_one_that_was_given_up_and_was_only_slow_does_not_overwrite_its_successors_answer(house, workshop, clock):
    person = house.register()
    successors = []

    def be_slow():
        workshop.before = lambda: None
        clock.advance(GIVEN_UP_AFTER)
        # In a thread of its own, as requests are.
        successors.extend(together([lambda: order(house, person)]))

    workshop.before = be_slow
    slow = order(house, person)

    assert (slow.json["number"], successors[0].json["number"]) == ("2", "1")
    assert order(house, person).json["number"] == "1"


def test_a_secret_is_never_replayed_and_nothing_of_the_answer_lies_open(house, workshop):
    person = house.register()

    first = order(house, person, path="/things/secret", key='"a-key-that-nobody-should-read"', body={"name": "a private name"})
    second = order(house, person, path="/things/secret", key='"a-key-that-nobody-should-read"', body={"name": "a private name"})

    assert first.json == {"number": "1", "name": "a private name", "value": SECRET}
    assert second.json == {"number": "1", "name": "a private name"}
    (row,) = kept(house)
    written = b" ".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in row)
    for hidden in (SECRET, "a private name", "a-key-that-nobody-should-read"):
        assert hidden.encode() not in written


def test_the_answers_kept_for_an_account_go_with_it(house, workshop):
    person, other = house.register(), house.register()
    order(house, person)
    order(house, other)

    house.execute("DELETE FROM users WHERE username = :name", name=person.username)

    assert len(kept(house)) == 1


@pytest.fixture
def busy(make_house, workshop):
    """A house on SQLite that waits for nobody, and how to take its database away."""
    house = make_house("embedded", database_timeout_seconds=0.2, blueprints=(workshop.blueprint,))

    @contextlib.contextmanager
    def taken():
        with contextlib.closing(sqlite3.connect(house.settings.sqlite_path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    return house, taken


def test_nothing_is_created_while_nobody_can_say_whether_it_is_the_first(busy, workshop):
    house, taken = busy
    person = house.register()
    assert person.headers

    with taken():
        assert_problem(order(house, person), 503, "unavailable")

    assert workshop.made == []
    assert order(house, person).status_code == 201


def test_what_was_created_is_answered_also_when_it_cannot_be_noted(busy, workshop):
    house, taken = busy
    person = house.register()
    with contextlib.ExitStack() as stack:
        workshop.before = lambda: stack.enter_context(taken())
        assert order(house, person).status_code == 201
    workshop.before = lambda: None

    assert_problem(order(house, person), 409, "idempotency_in_progress")
    assert workshop.made == ["chair"]


def plain(view):
    blueprint = Blueprint("own", __name__)
    blueprint.post("/own")(view)
    return blueprint


def test_where_it_cannot_work_the_application_does_not_start(make_house):
    answering, *others = (idempotent(returns(ThingResponse)(lambda wanted: {})) for _ in range(3))
    reading = accepts(ThingRequest)(answering)
    opened = [declare(accepts(ThingRequest)(other)) for declare, other in zip((public, for_clients), others, strict=True)]

    for view in (*opened, signed_in(idempotent(dict))):
        with pytest.raises(RuntimeError, match=r"@idempotent stands below @accepts.*: own\."):
            make_house(blueprints=(plain(view),))
    with pytest.raises(TypeError, match="below @accepts"):
        idempotent(reading)
    with pytest.raises(TypeError, match="once"):
        idempotent(answering)


def test_the_description_of_the_api_says_it(house):
    described = house.client().get("/openapi.json").json["paths"]["/things"]["post"]

    (parameter,) = (each for each in described["parameters"] if each["name"] == "Idempotency-Key")
    assert (parameter["in"], parameter["required"]) == ("header", False)
    assert {"409", "422"} <= described["responses"].keys()
    assert "Idempotency-Replayed" in described["responses"]["201"]["headers"]


def test_the_answer_is_bound_to_its_key_and_to_the_secret_of_the_installation(house, workshop):
    """Whoever can write the table cannot pass off one answer for another."""
    person = house.register()
    order(house, person, key="one")
    order(house, person, key="two", body={"name": "table"})
    house.execute("UPDATE kept_answers SET answer = (SELECT answer FROM kept_answers ORDER BY key_hash LIMIT 1)")

    answers = [order(house, person, key="one"), order(house, person, key="two", body={"name": "table"})]

    assert sorted(answer.status_code for answer in answers) == [201, 500]
    assert [json.loads(answer.data)["name"] for answer in answers if answer.status_code == 201] in (["chair"], ["table"])
