"""`@idempotent` on views as others write them: made by factories, answering with anything, refusing in the way of the framework."""

from http import HTTPStatus

import pytest
from flask import Response, abort, request

from journeys.answers import assert_problem
from secureapi.core.api import Blueprint, accepts
from secureapi.core.schemas import StrictSchema, Text
from secureapi.security.guard import signed_in
from secureapi.security.idempotency import idempotent


class Wanted(StrictSchema):
    """What somebody wants."""

    text = Text(most=20, required=True)


class Works:
    """Endpoints that one factory has made, and how often each was at work."""

    def __init__(self):
        self.done = []

        def create(_wanted):
            """Make what is asked for by the address."""
            return Response(request.path, HTTPStatus.CREATED)

        self._everywhere = signed_in(accepts(Wanted)(idempotent(create)))
        self.blueprint = Blueprint("works", __name__, url_prefix="/works")
        answers = {
            "books": lambda: Response("book", HTTPStatus.CREATED),
            "orders": lambda: Response("order", HTTPStatus.CREATED),
            "bytes": lambda: Response(b"\xff\xfe", HTTPStatus.CREATED, content_type="application/octet-stream"),
            "refused": lambda: abort(HTTPStatus.CONFLICT),
        }
        for name, answer in answers.items():
            self._make(name, answer)
        for at in ("drafts", "letters"):
            self._at(at)
        self._make("once", lambda: Response("secret", HTTPStatus.CREATED), never_replayed=("value",))

    def _at(self, name):
        self.blueprint.post(f"/{name}", endpoint=name)(self._everywhere)

    def _make(self, name, answer, **options):
        def create(wanted):
            """Make one."""
            self.done.append((name, wanted["text"]))
            return answer()

        once = idempotent(**options)(create) if options else idempotent(create)
        self.blueprint.post(f"/{name}", endpoint=name)(signed_in(accepts(Wanted)(once)))


@pytest.fixture
def works():
    return Works()


@pytest.fixture
def ask(make_house, works):
    """`ask(name)`: always the same person, with the same key and the same body."""
    house = make_house("embedded", blueprints=(works.blueprint,))
    person = house.register()

    def asking(name):
        return house.client().post(f"/works/{name}", json={"text": "t"}, headers=person.headers | {"Idempotency-Key": "same"})

    return asking


def test_two_endpoints_of_one_factory_do_not_answer_for_one_another(ask, works):
    assert [ask(name).text for name in ("books", "orders", "books", "orders")] == ["book", "order"] * 2
    assert works.done == [("books", "t"), ("orders", "t")]


def test_an_answer_that_is_no_text_comes_again_as_it_was(ask, works):
    first, second = ask("bytes"), ask("bytes")

    assert (first.data, first.content_type) == (second.data, second.content_type) == (b"\xff\xfe", "application/octet-stream")
    assert (second.headers["Idempotency-Replayed"], works.done) == ("true", [("bytes", "t")])


def test_a_refusal_of_the_framework_gives_the_key_back(ask, works):
    assert [ask("refused").status_code for _ in range(2)] == [409, 409]
    assert works.done == [("refused", "t")] * 2


def test_an_answer_of_which_nothing_can_be_left_out_is_sent_and_not_kept(ask, works):
    assert ask("once").text == "secret"

    assert_problem(ask("once"), 409, "idempotency_in_progress")
    assert works.done == [("once", "t")]


def test_one_view_at_two_endpoints_has_keys_for_each_of_them(ask):
    first, second, again = ask("drafts"), ask("letters"), ask("drafts")

    assert (first.text, second.text, again.text) == ("/works/drafts", "/works/letters", "/works/drafts")
    assert ["Idempotency-Replayed" in answer.headers for answer in (first, second, again)] == [False, False, True]
