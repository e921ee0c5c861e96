"""Nobody enters where nothing is declared: the table of every route, and what happens to one that declares nothing."""

import re

import pytest
from flask import Blueprint

from journeys.answers import assert_problem
from journeys.with_keys import make_key
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.security.guard import admission_of, public, requires, signed_in, undeclared_endpoints
from secureapi.security.limits import limit_of
from secureapi.security.permissions import PERMISSIONS_OF, Permission
from support.cases import Cases

API = "/api/v1"

VERSIONED = """
POST       /auth/register                             public                       register
POST       /auth/login                                public                       login
POST       /auth/refresh                              public                       refresh
POST       /auth/logout                               any caller                   api
POST       /auth/logout-all                           any caller                   api
POST       /auth/reauthenticate                       any caller                   login
POST       /auth/change-password                      any caller                   login
POST       /auth/password/check                       public                       password_check
POST       /auth/password/forgot                      public                       recovery
POST       /auth/password/reset                       public                       recovery
POST       /auth/invitation/accept                   public                       recovery
POST       /auth/unlock                               public                       recovery
POST       /auth/not-me                               public                       recovery
POST       /auth/email/verify                         public                       recovery
POST       /auth/email/resend                         public                       recovery
POST       /auth/email/confirm                        public                       recovery
GET        /auth/sessions                             any caller                   api
DELETE     /auth/sessions                             any caller                   api
DELETE     /auth/sessions/<id:session_id>             any caller                   api
GET        /auth/api-keys                             any caller                   api
POST       /auth/api-keys                             any caller                   api
POST       /auth/api-keys/<id:key_id>/rotate          any caller                   api
DELETE     /auth/api-keys/<id:key_id>                 any caller                   api
GET        /auth/api-keys/<id:key_id>/usage           any caller                   api
POST       /auth/introspect                           client                       client
POST       /auth/revoke                               client                       client
GET        /users                                     users:read                   api
GET        /users/me                                  self:read                    api
PUT        /users/me                                  self:write                   profile
PATCH      /users/me                                  self:write                   profile
POST       /users/me/change-password                  any caller                   login
GET        /users/<id:user_id>                        self:read or users:read      api
POST       /users                                     admin:write and users:write  api
POST       /users/import                              admin:read and admin:write and users:read and users:write (no keys)  user_import
PATCH      /users/<id:user_id>                        users:write                  api
DELETE     /users/<id:user_id>                        users:delete (no keys)       api
POST       /users/<id:user_id>/invite                 admin:write and users:write (no keys)  api
POST       /users/<id:user_id>/lock                   admin:write and users:write (no keys) api
POST       /users/<id:user_id>/unlock                 admin:write and users:write (no keys) api
POST       /users/<id:user_id>/disable                admin:write and users:write (no keys) api
POST       /users/<id:user_id>/enable                 admin:write and users:write (no keys) api
POST       /users/<id:user_id>/require-password-change  admin:write and users:write (no keys)  api
GET        /users/<id:user_id>/sessions               admin:read and users:read (no keys)    api
DELETE     /users/<id:user_id>/sessions               admin:write and users:write (no keys)  api
DELETE     /users/<id:user_id>/sessions/<id:session_id>  admin:write and users:write (no keys)  api
GET        /security/events                           admin:read                   api
GET        /security/health                           any caller                   api
GET        /admin/stats                               admin:read                   api
GET        /admin/roles                               admin:read                   api
POST       /admin/roles                               admin:write (no keys)        api
PATCH      /admin/roles/<name>                        admin:write (no keys)        api
DELETE     /admin/roles/<name>                        admin:write (no keys)        api
GET        /admin/authz/explain                       admin:read and users:read    api
GET        /admin/config                              admin:read                   api
POST       /admin/config                              admin:write (no keys)        api
GET        /admin/config/versions                     admin:read                   api
"""
OTHERS = """
GET        /livez                     public       -
GET        /readyz                    public       -
GET        /health                    public       -
GET        /metrics                   public       -
GET        /openapi.json              public       api
GET        /docs                      public       api
GET        /docs/assets/<name>        public       api
GET        /.well-known/security.txt  public       api
GET        /.well-known/change-password  public    -
GET        /account/<name>            public       -
GET        /account/assets/<name>     public       -
GET        /.well-known/jwks.json     public       -
GET        /.well-known/oauth-authorization-server  public  -
"""


def rows(table, prefix=""):
    return {(method, prefix + path, who, limit) for line in table.split("\n") if line for method, path, who, limit in [parsed(line)]}


def parsed(line):
    method, path, *words = line.split()
    return method, path, " ".join(words[:-1]), words[-1]


def declared(app):
    found = set()
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            found.add((method, rule.rule, admission_of(view), limit_of(view) or "-"))
    return found


def test_the_table_of_every_route_and_who_may_enter(house):
    assert declared(house.app) == rows(VERSIONED, API) | rows(VERSIONED) | rows(OTHERS)


def test_the_unversioned_paths_can_be_closed(make_house):
    house = make_house(unversioned_paths=False)

    assert declared(house.app) == rows(VERSIONED, API) | rows(OTHERS)
    for line in filter(None, VERSIONED.split("\n")):
        method, path, *_ = parsed(line)
        assert_problem(house.client().open(path, method=method), 404, "not_found")


def test_a_stranger_is_stopped_at_every_door_that_is_not_public(house, base):
    with Cases() as case:
        for line in [line for line in VERSIONED.split("\n") if line and "public" not in line]:
            with case(line):
                method, path, who, _ = parsed(line)

                answer = house.client().open(
                    base + re.sub("<(id:)?[a-z_]+>", "01890000-0000-7000-8000-000000000000", path), method=method, json={}
                )

                assert_problem(answer, 401, "invalid_client" if who == "client" else "unauthenticated")


def test_an_api_key_enters_only_where_the_table_asks_for_permissions_that_are_in_its_scopes(house):
    """Generated: what is new and lets keys in by mistake is either in the table, or fails above."""
    administrator = house.administrator()
    everything = make_key(administrator, scopes=[permission.value for permission in Permission])
    nothing = make_key(administrator, scopes=["content:delete"])

    def ask(key, method, path):
        spelled = API + re.sub("<(id:)?[a-z_]+>", house.register().id, path)
        return house.client().open(spelled, method=method, headers=key.headers, json={"unknown": "field"})

    with Cases() as case:
        for line in [line for line in VERSIONED.split("\n") if line and "public" not in line]:
            with case(line):
                method, path, who, _ = parsed(line)
                if who == "client":
                    assert_problem(ask(everything, method, path), 400, "invalid_request")
                elif who == "any caller" or who.endswith("(no keys)"):
                    assert_problem(ask(everything, method, path), 403, "key_not_allowed")
                    assert_problem(ask(nothing, method, path), 403, "key_not_allowed")
                else:
                    assert ask(everything, method, path).status_code not in {401, 403}, "it came as far as its body, or was let in"
                    assert_problem(ask(nothing, method, path), 403, "insufficient_permission")


ADMITTED = {
    ("GET", "/users"): {"admin", "moderator"},
    ("GET", "/users/me"): {"admin", "moderator", "user", "viewer"},
    ("PATCH", "/users/me"): {"admin", "moderator", "user"},
    ("PUT", "/users/me"): {"admin", "moderator", "user"},
    ("GET", "/security/events"): {"admin"},
    ("GET", "/security/health"): {"admin", "moderator", "user", "viewer"},
    ("GET", "/admin/stats"): {"admin"},
    ("GET", "/auth/sessions"): {"admin", "moderator", "user", "viewer"},
    ("GET", "/users/{id}/sessions"): {"admin"},
    ("DELETE", "/users/{id}/sessions"): {"admin"},
}


def test_each_role_enters_exactly_where_the_table_lets_it(house):
    with Cases() as case:
        for role in PERMISSIONS_OF:
            with case(role):
                person, other = house.person(role=role), house.register()

                entered = set()
                for method, path in ADMITTED:
                    body = {"full_name": "x"} if method in {"PUT", "PATCH"} else None
                    answer = house.client().open(API + path.format(id=other.id), method=method, headers=person.headers, json=body)
                    if answer.status_code == 403:
                        assert_problem(answer, 403, "insufficient_permission")
                    else:
                        assert answer.status_code == 200
                        entered.add((method, path))

                assert entered == {door for door, roles in ADMITTED.items() if role in roles}


def undeclared():
    blueprint = Blueprint("careless", __name__)
    blueprint.get("/careless")(lambda: "secret")
    return blueprint


def test_a_house_with_an_undeclared_endpoint_is_not_built(make_house):
    with pytest.raises(RuntimeError, match=r"do not declare who may enter .*: careless\.<lambda>"):
        make_house(blueprints=(undeclared(),))


def test_the_guard_stops_everybody_at_an_endpoint_that_slipped_in_later(make_house):
    house = make_house()
    administrator = house.administrator()
    house.app._got_first_request = False
    house.app.register_blueprint(undeclared())

    assert undeclared_endpoints(house.app) == ["careless.<lambda>"]
    assert_problem(house.client().get("/careless"), 403, "undeclared_endpoint")
    assert_problem(house.client().get("/careless", headers=administrator.headers), 403, "undeclared_endpoint")


@pytest.fixture
def with_doors(make_house):
    blueprint = Blueprint("own", __name__, url_prefix="/own")
    doors = {"open": public, "any": signed_in, "nobody": requires(), "both": requires(Permission.SELF_READ, Permission.USERS_DELETE)}
    for name, declare in doors.items():

        def view(name=name):
            return {"entered": name}

        blueprint.add_url_rule(f"/{name}", name, declare(view))
    return make_house(blueprints=(blueprint,))


def test_a_blueprint_of_the_operators_stands_under_the_same_guard(with_doors):
    user, administrator = with_doors.person(), with_doors.administrator()

    def status(path, person=None):
        return with_doors.client().get(f"/own/{path}", headers=person.headers if person else {}).status_code

    assert [status("open"), status("open", user)] == [200, 200]
    assert [status("any"), status("any", user)] == [401, 200]
    assert [status("both"), status("both", user), status("both", administrator)] == [401, 403, 200]


def test_an_empty_set_of_permissions_lets_nobody_in(with_doors):
    administrator = with_doors.administrator()

    assert_problem(with_doors.client().get("/own/nobody", headers=administrator.headers), 403, "insufficient_permission")
    assert_problem(with_doors.client().get("/own/nobody"), 401)


def test_a_role_that_does_not_exist_may_do_nothing(make_house, engine):
    house = make_house(engine)
    person = house.register()
    house.execute("UPDATE users SET role = 'emperor'")
    tokens = house.sign_in(person)

    assert_problem(house.client().get("/users/me", headers=tokens.headers), 403, "insufficient_permission")


def test_a_demoted_administrators_token_opens_nothing_on_the_next_request(make_house, engine):
    """Behind the application's back, so without a mark in Redis: only a caller who was not seen for half a minute is looked up."""
    house = make_house(engine)
    person = house.administrator()
    house.execute("UPDATE users SET role = 'user'")

    assert_problem(house.client().get("/security/events", headers=person.headers), 401, "invalid_token")
    newer = house.sign_in(person)
    assert_problem(house.client().get("/security/events", headers=newer.headers), 403, "insufficient_permission")


def test_a_disabled_users_token_is_refused_on_the_very_next_request(house):
    person, _one_more = house.administrator(), house.administrator()
    assert house.client().get("/security/events", headers=person.headers).status_code == 200

    house.service(Administration).disable(user_id=person.id, caller=None, client=Client.of_command_line())

    assert_problem(house.client().get("/security/events", headers=person.headers), 401, "invalid_token")
    assert_problem(house.client().get("/users/me", headers=person.headers), 401, "invalid_token")
    house.service(Administration).enable(user_id=person.id, caller=None, client=Client.of_command_line())
    assert_problem(house.client().get("/users/me", headers=person.headers), 401, "invalid_token")


def test_a_token_of_somebody_who_was_deleted_is_refused(house):
    person = house.register()
    assert person.headers
    house.execute("DELETE FROM users WHERE username = :name", name=person.username)

    assert_problem(house.client().get("/users/me", headers=person.headers), 401, "invalid_token")
    successor = house.register(username=person.username, email=person.email, password=person.password)
    assert successor.id != person.id
    assert_problem(house.client().get("/users/me", headers=person.headers), 401, "invalid_token")
    assert_problem(house.client().post("/auth/refresh", json={"refresh_token": person.tokens.refresh}), 401)
