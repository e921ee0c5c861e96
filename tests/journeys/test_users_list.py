"""Other people's accounts: who sees them, how they are listed, and that everybody else finds nothing there."""

import re
import secrets
from urllib.parse import parse_qs, urlsplit

import pytest

from journeys.answers import as_seen, assert_headers, assert_problem, faults
from secureapi.core.masking import masked_email
from support.cases import Cases

USERS = "/api/v1/users"
SEES = {"admin": 200, "moderator": 200, "user": 403, "viewer": 403}


@pytest.fixture(scope="module")
def full_houses():
    return {}


@pytest.fixture
def village(house, engine_of, full_houses):
    """The shared house with 45 people more, whose names begin with one word."""
    if engine_of not in full_houses:
        word = f"v{secrets.token_hex(4)}"
        people = [house.register(username=f"{word}-{number:02d}", email=f"{word}.{number:02d}@example.com") for number in range(45)]
        full_houses[engine_of] = (house.administrator(), word, people)
    return full_houses[engine_of]


@pytest.fixture
def engine_of(house):
    return "embedded" if house.is_embedded else "scaled"


def listed(house, person, **query):
    return house.client().get(USERS, headers=person.headers, query_string=query)


def links(answer):
    found = re.findall(r'<([^>]*)>; rel="([a-z]+)"', answer.headers["Link"])
    return {
        relation: {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()} for target, relation in found if relation != "canonical"
    }


def test_who_may_see_the_list(house, base):
    with Cases() as case:
        for role, status in SEES.items():
            person = house.person(role=role)
            for slash in ("", "/"):
                with case(role, status, slash):
                    answer = house.client().get(f"{base}/users{slash}", headers=person.headers)

                    assert answer.status_code == status
                    assert_headers(answer)
                    assert answer.history == ()


def test_a_stranger_sees_no_list(house, base):
    assert_problem(house.client().get(f"{base}/users"), 401, "unauthenticated")
    assert_problem(house.client().get(f"{base}/users/"), 401, "unauthenticated")


def test_the_envelope_and_the_links_of_the_first_page(house, village):
    administrator, word, people = village

    answer = listed(house, administrator, q=word)

    assert answer.json.keys() == {"users", "total", "page", "per_page", "pages"}
    assert (answer.json["total"], answer.json["page"], answer.json["per_page"], answer.json["pages"]) == (45, 1, 20, 3)
    assert [user["username"] for user in answer.json["users"]] == [person.username for person in people[:20]]
    assert "password_hash" not in answer.text
    assert people[0].password not in answer.text
    assert "canonical" not in answer.text
    common = {"q": word, "per_page": "20"}
    assert links(answer) == {"first": common | {"page": "1"}, "next": common | {"page": "2"}, "last": common | {"page": "3"}}


def test_walking_along_the_links_meets_everybody_once(house, village):
    administrator, word, people = village
    seen, query = [], {"q": word, "per_page": "7", "sort": "-username"}

    while query:
        answer = listed(house, administrator, **query)
        seen += [user["username"] for user in answer.json["users"]]
        query = links(answer).get("next")

    assert seen == [person.username for person in reversed(people)]


def test_a_page_beyond_the_last_is_empty(house, village):
    administrator, word, _ = village

    answer = listed(house, administrator, q=word, page=9)

    assert (answer.status_code, answer.json["users"], answer.json["total"]) == (200, [], 45)
    assert links(answer).keys() == {"first", "last"}


def test_the_list_is_sorted_as_asked(house, village):
    administrator, word, people = village

    with Cases() as case:
        for sort in ("created_at", "-created_at", "username", "-username"):
            with case(sort):
                answer = listed(house, administrator, q=word, sort=sort, per_page=45)

                names = [person.username for person in people]
                assert [user["username"] for user in answer.json["users"]] == (names[::-1] if sort.startswith("-") else names)


def test_a_searcher_with_wildcards_finds_only_who_is_written_so(house, village):
    administrator, word, _ = village

    with Cases() as case:
        for text in ("%", "_", "\\", "%%%%____", "a%" * 40, "(a+)+$", "' OR 1=1 --", "*", "[a-z]", "\\%", "%25"):
            with case(text):
                assert listed(house, administrator, q=text).json["total"] == 0
                assert listed(house, administrator, q=word + text).status_code in {200, 422}


def test_the_search_is_by_name_and_by_address_in_any_case(house, village):
    administrator, word, people = village

    assert listed(house, administrator, q=people[7].username.upper()).json["total"] == 1
    assert listed(house, administrator, q=people[7].email.title()).json["users"][0]["id"] == people[7].id
    assert listed(house, administrator, q=word[1:]).json["total"] == 0


def test_a_search_that_fits_many_finds_the_first_in_the_alphabet_and_sorts_those(house, village, monkeypatch):
    administrator, word, people = village
    monkeypatch.setattr("secureapi.users.lists.MOST_FOUND", 3)

    answer = listed(house, administrator, q=word, sort="-username")

    assert [user["username"] for user in answer.json["users"]] == [person.username for person in reversed(people[:3])]
    assert answer.json["total"] == 3


def test_a_moderator_finds_nobody_by_an_address_that_he_may_not_see(house, village):
    _, word, people = village
    moderator = house.person(role="moderator")

    found = listed(house, moderator, q=people[7].username)

    assert [user["email"] for user in found.json["users"]] == [masked_email(people[7].email)]
    assert listed(house, moderator, q=people[7].email).json["total"] == 0
    assert listed(house, moderator, q=f"{word}.").json["total"] == 0


def test_the_list_can_be_narrowed_to_a_role_or_a_status(house, village):
    administrator, word, _ = village
    viewer = house.person(role="viewer", username=f"z{word}-viewer")
    house.execute("UPDATE users SET status = 'disabled' WHERE username = :name", name=viewer.username)

    assert [u["id"] for u in listed(house, administrator, q=f"z{word}", role="viewer").json["users"]] == [viewer.id]
    assert [u["is_active"] for u in listed(house, administrator, q=f"z{word}", status="disabled").json["users"]] == [False]
    assert listed(house, administrator, q=f"z{word}", status="active").json["total"] == 0


def test_behind_what_is_counted_the_links_go_on_by_place(make_house, engine, monkeypatch):
    house = make_house(engine)
    administrator = house.administrator()
    people = [house.register().username for _ in range(12)]
    for module in ("lists", "routes", "schemas"):
        monkeypatch.setattr(f"secureapi.users.{module}.MOST_PASSED", 4)

    with Cases() as case:
        for sort in ("created_at", "-created_at", "username", "-username"):
            with case(sort):
                seen, query, steps = [], {"per_page": "2", "sort": sort, "role": "user"}, []

                while query:
                    steps.append("after" if "after" in query else "page")
                    answer = listed(house, administrator, **query)
                    assert answer.json["total"] == 4
                    seen += [user["username"] for user in answer.json["users"]]
                    query = links(answer).get("next") if answer.headers.get("Link") else None

                expected = sorted(people) if "username" in sort else people
                assert seen == (expected[::-1] if sort.startswith("-") else expected)
                assert steps == ["page", "page", *["after"] * 5]
                assert_problem(listed(house, administrator, per_page=2, page=3), 422)


WRONG = [
    *({"after": place} for place in ("", "x", "2026-01-01~x", "2026-01-01T00:00:00~01890000-0000-7000-8000-000000000000", "~", "x" * 101)),
    {"after": "x", "page": "2", "sort": "username"},
    {"page": "101"},
    *({"page": page} for page in ("0", "-1", "1.5", "1_0", "٣", " 7", "7 ", "1e3", "0x10", "9" * 30, "", "NaN", "true", "100001")),
    *({"per_page": size} for size in ("0", "101", "-20", "99999999999999999999")),
    *({"sort": order} for order in ("password_hash", "username;--", "", "USERNAME", "--username")),
    {"role": "superuser"},
    {"status": "frozen"},
    {"q": ""},
    {"q": "x" * 101},
    {"q": "a\u0000b"},
    {"unknown": "1"},
    {"page[]": "1"},
    {"page[x]": "1"},
    {"order_by": "1"},
]


def test_a_query_that_is_not_understood_is_422_and_not_guessed(house):
    administrator = house.administrator()

    with Cases() as case:
        for query in WRONG:
            with case(query):
                answer = listed(house, administrator, **query)

                assert_problem(answer, 422, "invalid_input")
                assert len(faults(answer)) == 1


def test_a_polluter_who_gives_a_parameter_twice_is_refused(house):
    administrator = house.administrator()

    answer = house.client().get(f"{USERS}?page=1&page=2", headers=administrator.headers)

    assert_problem(answer, 422)
    assert faults(answer) == {"/page": "repeated"}


def test_who_may_not_see_accounts_finds_nothing_where_one_is_and_where_none_is(house):
    with Cases() as case:
        for role, status in SEES.items():
            with case(role):
                person, victim = house.person(role=role), house.register()
                nowhere = victim.id[:-4] + ("0000" if victim.id[-4:] != "0000" else "0001")

                there = house.client().get(f"{USERS}/{victim.id}", headers=person.headers)
                absent = house.client().get(f"{USERS}/{nowhere}", headers=person.headers)

                assert_problem(absent, 404, "user_not_found")
                if status == 200:
                    assert there.json["id"] == victim.id
                    assert there.json["email"] == (victim.email if role == "admin" else masked_email(victim.email))
                    (event,) = house.events("users.record.read", subject=victim)
                    assert event.actor_id == person.id
                else:
                    hidden = ("ratelimit", "ratelimit-policy")
                    seen = [
                        (s, [h for h in headers if h[0].lower() not in hidden], body)
                        for s, headers, body in (as_seen(there), as_seen(absent))
                    ]
                    assert seen[0] == seen[1]
                    assert house.events("users.record.read", subject=victim) == []


def test_everybody_finds_himself_under_his_own_id(house, base):
    with Cases() as case:
        for role in SEES:
            with case(role):
                person = house.person(role=role)

                assert house.client().get(f"{base}/users/{person.id}", headers=person.headers).json["id"] == person.id


SPELLINGS = {
    "upper": str.upper,
    "no dashes": lambda i: i.replace("-", ""),
    "braces": lambda i: f"{{{i}}}",
    "urn": lambda i: f"urn:uuid:{i}",
    "space behind": lambda i: f"{i}%20",
    "newline": lambda i: f"{i}%0A",
    "nul": lambda i: f"{i}%00",
    "slash": lambda i: f"{i}/",
    "path": lambda i: f"./{i}",
    "up and down": lambda i: f"x/../{i}",
    "full width": lambda i: i.replace("0", "%EF%BC%90"),
    "number": lambda _: "1",
    "injection": lambda _: "1%27%20OR%20%271%27=%271",
}


def test_an_id_has_one_spelling_and_any_other_is_404(house):
    administrator = house.administrator()

    with Cases() as case:
        for name, spelling in SPELLINGS.items():
            with case(name):
                assert_problem(house.client().get(f"{USERS}/{spelling(administrator.id)}", headers=administrator.headers), 404)


def test_reading_the_list_leaves_an_event(house, village):
    administrator, word, _ = village
    before = {row.id for row in house.events("users.record.read")}

    listed(house, administrator, q=word, page=2)

    (event,) = [row for row in house.events("users.record.read") if row.id not in before]
    assert (event.actor_id, event.details) == (administrator.id, {"page": 2, "count": 20})
    assert word not in str(event)
