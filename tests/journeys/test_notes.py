"""The example extension under attack: whose a note is decides who sees, changes and deletes it, whichever way its id comes in."""

import json
import re

import pytest

from journeys.answers import assert_problem
from secureapi.security.permissions import Role
from support.cases import Cases
from support.notes import flask, installed
from support.races import change_role, together

MISSING = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module", params=["embedded", "scaled"])
def notes(request, site, tmp_path_factory):
    """gunicorn with the example plugged in by its name, as an installed package."""
    own = site.within()
    live = own.live(request.param, PLUGINS="notes", **installed(tmp_path_factory.mktemp("installed")))
    flask(live, "db", "upgrade")
    yield live
    own.close()


def write(notes, person, text="Water the plants", **headers):
    answer = notes.post("/notes", json={"text": text}, person=person, headers=headers)
    assert answer.status == 201, answer.text
    return answer.json["id"]


def texts(notes, person):
    return [note["text"] for note in notes.get("/notes", person=person).json["notes"]]


def exists(notes, note_id, owner):
    return notes.get(f"/notes/{note_id}", person=owner).status == 200


ACTIONS = {
    "see": ("GET", "/notes/{id}", None),
    "change": ("PATCH", "/notes/{id}", {"text": "changed"}),
    "delete": ("DELETE", "/notes/{id}", None),
    "delete in bulk": ("POST", "/notes/delete", {"ids": ["{id}"]}),
}
MATRIX = """
                          own  foreign    missing
user       see            200  404        404
user       change         200  404        404
user       delete         204  404        404
user       delete in bulk 200  404        404
viewer     see            200  404        404
viewer     change         403  403        403
viewer     delete         403  403        403
viewer     delete in bulk 403  403        403
moderator  see            200  200        404
moderator  change         200  403        404
moderator  delete         204  204        404
moderator  delete in bulk 200  200        404
admin      see            200  200        404
admin      change         200  403        404
admin      delete         204  204        404
admin      delete in bulk 200  200        404
"""


def act(notes, action, note_id, person):
    method, path, body = ACTIONS[action]
    sent = None if body is None else json.loads(json.dumps(body).replace("{id}", note_id))
    return notes.request(method, path.replace("{id}", note_id), json=sent, person=person)


def written_before(notes, person, role):
    """A note of somebody in this role. A viewer writes nothing; what is his was written before he became one."""
    change_role(notes.house, person, Role.USER)
    note = write(notes, fresh(notes, person))
    change_role(notes.house, person, role)
    return note


def test_who_may_do_what_with_whose(notes):
    with Cases() as case:
        for line in MATRIX.strip("\n").split("\n")[1:]:
            with case(line):
                role, action, own, foreign, missing = re.fullmatch(r"(\S+) +(.+?) +(\d+) +(\d+) +(\d+)", line).groups()
                person, other = notes.house.person(role=role), notes.house.person()

                targets = {"own": written_before(notes, person, role), "foreign": write(notes, other), "missing": MISSING}
                caller = fresh(notes, person)
                answers = {whose: act(notes, action, note_id, caller) for whose, note_id in targets.items()}

                assert [answer.status for answer in answers.values()] == [int(own), int(foreign), int(missing)]
                for answer in answers.values():
                    if answer.status == 404:
                        assert_problem(answer, 404, "note_not_found")
                    if answer.status == 403:
                        assert_problem(answer, 403, "insufficient_permission" if role == "viewer" else "not_your_own")
                if action.startswith("delete"):
                    assert exists(notes, targets["foreign"], other) == (foreign in {"403", "404"})


def fresh(notes, person):
    """The same person with a session that was opened under his present role."""
    person._tokens = None
    assert person.tokens
    return person


def test_what_is_not_there_and_what_is_somebody_elses_look_the_same(notes):
    person, other = notes.house.person(), notes.house.person()
    foreign = write(notes, other)

    for action in ACTIONS:
        answers = [act(notes, action, note_id, person) for note_id in (foreign, MISSING)]
        bodies = [re.sub(r"[0-9a-f-]{36}", "", answer.text) for answer in answers]
        assert bodies[0] == bodies[1]
        assert list(answers[0].headers) == list(answers[1].headers)


def test_a_stranger_gets_nowhere(notes):
    for method, path, body in (*ACTIONS.values(), ("GET", "/notes", None), ("POST", "/notes", {"text": "x"})):
        assert_problem(notes.request(method, path.replace("{id}", MISSING), json=body), 401, "unauthenticated")


SPELLINGS = {
    "upper": str.upper,
    "braces": lambda known: f"{{{known}}}",
    "urn": lambda known: f"urn:uuid:{known}",
    "no dashes": lambda known: known.replace("-", ""),
    "space": lambda known: f"{known} ",
}


def test_an_id_in_another_spelling_reaches_nothing(notes):
    person, other = notes.house.person(), notes.house.person()
    own, foreign = write(notes, person), write(notes, other)

    with Cases() as case:
        for name, spell in SPELLINGS.items():
            with case(name):
                for note_id in (own, foreign):
                    odd = spell(note_id)
                    for action in ("see", "delete"):
                        assert act(notes, action, odd.replace(" ", "%20"), person).status == 404
                    assert_problem(notes.post("/notes/delete", json={"ids": [odd]}, person=person), 422, "invalid_input")

                assert exists(notes, own, person)
                assert exists(notes, foreign, other)


def test_one_foreign_id_among_ones_own_and_nothing_is_deleted(notes):
    person, other = notes.house.person(), notes.house.person()
    own, foreign = [write(notes, person, text) for text in ("1", "2")], write(notes, other)

    for ids in ([*own, foreign], [foreign, *own], [own[0], foreign, own[1]], [*own, MISSING], [own[0], own[0], foreign]):
        assert_problem(notes.post("/notes/delete", json={"ids": ids}, person=person), 404, "note_not_found")

    assert texts(notes, person) == ["2", "1"]
    assert exists(notes, foreign, other)
    assert notes.post("/notes/delete", json={"ids": [*own, own[0]]}, person=person).json == {"deleted": 2}
    assert texts(notes, person) == []


def test_lists_and_totals_show_only_what_one_may_see(notes):
    person, other, moderator = notes.house.person(), notes.house.person(), notes.house.person(role="moderator")
    for text in ("a", "b", "c"):
        write(notes, person, text)
    write(notes, other, "d")

    page = notes.get("/notes?per_page=2", person=person)
    assert ([note["text"] for note in page.json["notes"]], page.json["total"], page.json["pages"]) == (["c", "b"], 3, 2)
    assert {note["owner_id"] for note in page.json["notes"]} == {person.id}
    assert notes.get("/notes", person=notes.house.person()).json["total"] == 0
    assert notes.get("/notes", person=moderator).json["total"] >= 4
    for query in (f"owner_id={other.id}", "owner=all", f"ids={MISSING}"):
        assert_problem(notes.get(f"/notes?{query}", person=person), 422)


def test_nobody_can_say_whose_a_note_is(notes):
    person = notes.house.person()
    note = write(notes, person)

    with Cases() as case:
        for extra in ({"owner_id": MISSING}, {"id": MISSING}, {"note": {"owner_id": MISSING}}, {"ownerId": MISSING}):
            with case(extra):
                assert_problem(notes.post("/notes", json={"text": "x"} | extra, person=person), 422, "invalid_input")
                assert_problem(notes.patch(f"/notes/{note}", json={"text": "x"} | extra, person=person), 422, "invalid_input")
                assert notes.get(f"/notes/{note}", person=person).json["owner_id"] == person.id


def test_every_refusal_is_remembered_with_what_was_wanted(notes):
    person, other, moderator = notes.house.person(), notes.house.person(), notes.house.person(role="moderator")
    foreign = write(notes, other)

    act(notes, "see", foreign, person)
    act(notes, "delete", MISSING, person)
    act(notes, "change", foreign, moderator)

    def remembered(who):
        return [
            tuple(event.details[name] for name in ("kind", "object_id", "wanted", "reason"))
            for event in notes.house.events("security.access.denied", subject=who)
        ]

    assert remembered(person) == [("notes", foreign, "see", "not_yours"), ("notes", MISSING, "delete", "not_there")]
    assert remembered(moderator) == [("notes", foreign, "change", "not_yours")]
    (event, *_) = notes.house.events("security.access.denied", subject=person)
    assert (event.actor_id, event.outcome) == (person.id, "denied")


def test_a_moderator_who_deletes_a_note_is_remembered_and_its_owner_named(notes):
    person, moderator = notes.house.person(), notes.house.person(role="moderator")
    own, foreign = write(notes, moderator), write(notes, person)

    notes.post("/notes/delete", json={"ids": [own, foreign]}, person=moderator)

    (event,) = notes.house.events("notes.note.deleted_by_another", subject=person)
    assert (event.actor_id, event.details) == (moderator.id, {"note_id": foreign})


def test_a_moderator_who_reads_notes_is_remembered(notes):
    person, moderator = notes.house.person(), notes.house.person(role="moderator")
    foreign = write(notes, person)

    assert exists(notes, foreign, moderator)
    assert "Water the plants" in texts(notes, moderator)

    (event,) = notes.house.events("security.object.read", subject=person)
    assert (event.actor_id, event.details) == (moderator.id, {"kind": "notes", "object_id": foreign})
    (listed,) = (event for event in notes.house.events("security.object.read") if event.actor_id == moderator.id and not event.subject_id)
    assert listed.details["count"] >= 1


def test_a_demoted_moderator_sees_what_everybody_sees(notes):
    person, moderator = notes.house.person(), notes.house.person(role="moderator")
    foreign = write(notes, person)
    assert exists(notes, foreign, moderator)

    change_role(notes.house, moderator, Role.USER)
    fresh(notes, moderator)

    assert_problem(act(notes, "delete", foreign, moderator), 404, "note_not_found")
    assert texts(notes, moderator) == []


def test_of_twenty_at_once_over_all_workers_one_writes(notes):
    person = notes.house.person()
    body, key = {"text": "once"}, {"Idempotency-Key": '"over-all-workers"'}

    answers = together([lambda: notes.post("/notes", json=body, headers=key, person=person)] * 20)
    again = notes.post("/notes", json=body, headers=key, person=person)

    assert texts(notes, person) == ["once"]
    assert {answer.status for answer in answers} <= {201, 409}
    assert {answer.body for answer in answers if answer.status == 201} == {again.body}
    assert again.headers["Idempotency-Replayed"] == "true"


def test_two_who_delete_the_same_notes_in_opposite_order_do_not_wait_for_one_another(notes):
    person = notes.house.person()
    ids = [write(notes, person, str(number)) for number in range(10)]

    orders = (ids, ids[::-1]) * 5
    answers = together([lambda order=order: notes.post("/notes/delete", json={"ids": order}, person=person) for order in orders])

    assert sorted(answer.status for answer in answers) == [200] + [404] * 9
    assert texts(notes, person) == []


def test_the_description_of_the_api_has_it(notes):
    paths = notes.get("/openapi.json").json["paths"]

    assert {path for path in paths if path.startswith("/notes")} == {"/notes", "/notes/{note_id}", "/notes/delete"}
    assert "Who: content:write" in paths["/notes"]["post"]["description"]


def test_switched_off_the_endpoints_are_gone_and_the_tables_stay(notes):
    person = notes.house.person()
    note = write(notes, person)

    assert_problem(notes.house.client().get(f"/notes/{note}", headers=person.headers), 404, "not_found")
    assert not [rule for rule in notes.house.app.url_map.iter_rules() if rule.rule.startswith("/notes")]
    assert "up to date" in flask(notes, "doctor", PLUGINS=""), "so that nothing would be taken back"
    assert exists(notes, note, person)


def test_an_account_that_is_deleted_takes_its_notes_along(notes):
    person, moderator = notes.house.person(), notes.house.person(role="moderator")
    note = write(notes, person)

    notes.house.execute("DELETE FROM users WHERE username = :name", name=person.username)

    assert_problem(act(notes, "see", note, moderator), 404, "note_not_found")
