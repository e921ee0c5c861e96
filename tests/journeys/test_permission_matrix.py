"""Every route, and who gets in: one table, and every cell of it asked for real. A route without a row fails, and so does a row too many.

Each caller knocks with the id of something that belongs to another person, a user; `owner` with the id of what is his own. `in` means
that he was let in, whatever then came of it (an empty body is often 422); `-` that there is nothing of one's own there. Demoted and
disabled callers bring the token that they had before; `key` is an administrator's API key with the scopes `self:read` and `users:read`.
`python -m journeys.test_permission_matrix` in `tests` prints the table.
"""

import re
import secrets

from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.security.guard import access_of
from secureapi.security.permissions import Role
from secureapi.users.service import Registration, Roles
from support.cases import Cases

API = "/api/v1"
TERMINAL = Client.of_command_line()

MATRIX = """
method path                                      stranger  viewer    user      moderator admin     owner     key       demoted   disabled
GET    /.well-known/change-password              in        in        in        in        in        -         in        in        in
GET    /.well-known/jwks.json                    in        in        in        in        in        -         in        in        in
GET    /.well-known/oauth-authorization-server   in        in        in        in        in        -         in        in        in
GET    /.well-known/security.txt                 404       404       404       404       404       -         404       404       404
GET    /account/assets/{name}                    in        in        in        in        in        -         in        in        in
GET    /account/{name}                           in        in        in        in        in        -         in        in        in
GET    /admin/authz/explain                      401       403       403       403       in        -         403       401       401
GET    /admin/config                             401       403       403       403       in        -         403       401       401
POST   /admin/config                             401       403       403       403       in        -         403       401       401
GET    /admin/config/versions                    401       403       403       403       in        -         403       401       401
GET    /admin/roles                              401       403       403       403       in        -         403       401       401
POST   /admin/roles                              401       403       403       403       in        -         403       401       401
DELETE /admin/roles/{name}                       401       403       403       403       in        -         403       401       401
PATCH  /admin/roles/{name}                       401       403       403       403       in        -         403       401       401
GET    /admin/stats                              401       403       403       403       in        -         403       401       401
GET    /auth/api-keys                            401       in        in        in        in        -         403       401       401
POST   /auth/api-keys                            401       in        in        in        in        -         403       401       401
DELETE /auth/api-keys/{key_id}                   401       404       404       404       404       in        403       401       401
POST   /auth/api-keys/{key_id}/rotate            401       404       404       404       404       in        403       401       401
GET    /auth/api-keys/{key_id}/usage             401       404       404       404       404       in        403       401       401
POST   /auth/change-password                     401       in        in        in        in        -         403       401       401
POST   /auth/email/confirm                       in        in        in        in        in        -         in        in        in
POST   /auth/email/resend                        in        in        in        in        in        -         in        in        in
POST   /auth/email/verify                        in        in        in        in        in        -         in        in        in
POST   /auth/introspect                          401       401       401       401       401       -         400       401       401
POST   /auth/invitation/accept                   in        in        in        in        in        -         in        in        in
POST   /auth/login                               in        in        in        in        in        -         in        in        in
POST   /auth/logout                              401       in        in        in        in        -         403       401       401
POST   /auth/logout-all                          401       in        in        in        in        -         403       401       401
POST   /auth/not-me                              in        in        in        in        in        -         in        in        in
POST   /auth/password/check                      in        in        in        in        in        -         in        in        in
POST   /auth/password/forgot                     in        in        in        in        in        -         in        in        in
POST   /auth/password/reset                      in        in        in        in        in        -         in        in        in
POST   /auth/reauthenticate                      401       in        in        in        in        -         403       401       401
POST   /auth/refresh                             in        in        in        in        in        -         in        in        in
POST   /auth/register                            in        in        in        in        in        -         in        in        in
POST   /auth/revoke                              401       401       401       401       401       -         400       401       401
DELETE /auth/sessions                            401       in        in        in        in        -         403       401       401
GET    /auth/sessions                            401       in        in        in        in        -         403       401       401
DELETE /auth/sessions/{session_id}               401       404       404       404       404       in        403       401       401
POST   /auth/unlock                              in        in        in        in        in        -         in        in        in
GET    /docs                                     in        in        in        in        in        -         in        in        in
GET    /docs/assets/{name}                       in        in        in        in        in        -         in        in        in
GET    /health                                   in        in        in        in        in        -         in        in        in
GET    /livez                                    in        in        in        in        in        -         in        in        in
GET    /metrics                                  404       404       404       404       404       -         404       404       404
GET    /openapi.json                             in        in        in        in        in        -         in        in        in
GET    /readyz                                   in        in        in        in        in        -         in        in        in
GET    /security/events                          401       403       403       403       in        -         403       401       401
GET    /security/health                          401       in        in        in        in        -         403       401       401
GET    /users                                    401       403       403       in        in        -         in        401       401
POST   /users                                    401       403       403       403       in        -         403       401       401
POST   /users/import                             401       403       403       403       in        -         403       401       401
GET    /users/me                                 401       in        in        in        in        -         in        401       401
PATCH  /users/me                                 401       403       in        in        in        -         403       401       401
PUT    /users/me                                 401       403       in        in        in        -         403       401       401
POST   /users/me/change-password                 401       in        in        in        in        -         403       401       401
DELETE /users/{user_id}                          401       403       403       403       in        403       403       401       401
GET    /users/{user_id}                          401       404       404       in        in        in        in        401       401
PATCH  /users/{user_id}                          401       403       403       in        in        403       403       401       401
POST   /users/{user_id}/disable                  401       403       403       403       in        403       403       401       401
POST   /users/{user_id}/enable                   401       403       403       403       in        403       403       401       401
POST   /users/{user_id}/invite                   401       403       403       403       in        403       403       401       401
POST   /users/{user_id}/lock                     401       403       403       403       in        403       403       401       401
POST   /users/{user_id}/require-password-change  401       403       403       403       in        403       403       401       401
DELETE /users/{user_id}/sessions                 401       403       403       403       in        403       403       401       401
GET    /users/{user_id}/sessions                 401       403       403       403       in        403       403       401       401
DELETE /users/{user_id}/sessions/{session_id}    401       403       403       403       in        403       403       401       401
POST   /users/{user_id}/unlock                   401       403       403       403       in        403       403       401       401
"""


def parsed(matrix):
    """Callers, and what each gets by method and path."""
    header, *lines = [line.split() for line in matrix.strip().split("\n")]
    callers = header[2:]
    return callers, {(line[0], line[1]): dict(zip(callers, line[2:], strict=True)) for line in lines}


CALLERS, EXPECTED = parsed(MATRIX)


def routes(app):
    """Every method and path, the versioned ones without their prefix; their twins without a version are the same functions."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("unversioned-"):
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule).removeprefix(API)
            found[method, path] = (rule.rule, app.view_functions[rule.endpoint])
    return found


NAMES = {"/account/{name}": "reset-password", "/account/assets/{name}": "account.css", "/docs/assets/{name}": "swagger-ui.css"}
"""What there is where a path ends in the name of something that belongs to nobody."""


class Callers:
    """People and programs that knock. Who may have lost something by being let in is made anew for the next door."""

    def __init__(self, house):
        self.house = house
        self._kept = {}

    def headers(self, caller):
        if caller == "stranger":
            return {}
        if caller not in self._kept:
            self._kept[caller] = self._made(caller)
        return self._kept[caller]

    def spend(self, caller):
        self._kept.pop(caller, None)

    def _made(self, caller):
        if caller in {role.value for role in Role}:
            return self.house.person(role=caller).headers
        person = self.house.administrator()
        if caller == "key":
            wanted = {"name": "reader", "scopes": ["self:read", "users:read"]}
            made = self.house.client().post(f"{API}/auth/api-keys", headers=person.headers, json=wanted)
            return {"X-API-Key": made.json["api_key"]}
        administration = self.house.service(Administration)
        if caller == "demoted":
            administration.change(user_id=person.id, changes={"role": "user"}, caller=None, client=TERMINAL)
        else:
            administration.disable(user_id=person.id, caller=None, client=TERMINAL)
        return person.headers


def stranger_to_all(house):
    """Somebody whose things are knocked at."""
    word = secrets.token_hex(6)
    row = house.service(Registration).create(
        username=f"b-{word}", email=f"b-{word}@example.com", password="Tall-Oak-12345!", role=Role.USER, client=TERMINAL
    )
    return str(row.id)


class Things:
    """Something for each kind of id in a path: another person's, or the caller's own."""

    def __init__(self, house):
        self.house = house

    def foreign(self, path):
        person = self.house.register() if "{session_id}" in path or "{key_id}" in path else None
        ids = {"user_id": person.id if person else stranger_to_all(self.house) if "{user_id}" in path else ""}
        return self._with_others(path, ids, person)

    def own(self, path):
        person = self.house.register()
        return person, self._with_others(path, {"user_id": person.id}, person)

    def _with_others(self, path, ids, person):
        if "{session_id}" in path:
            ids["session_id"] = self.house.client().get(f"{API}/auth/sessions", headers=person.headers).json["sessions"][0]["id"]
        if "{key_id}" in path:
            wanted = {"name": "x", "scopes": ["self:read"]}
            ids["key_id"] = self.house.client().post(f"{API}/auth/api-keys", headers=person.headers, json=wanted).json["id"]
        if "/roles/" in path:
            role = f"matrix-{secrets.token_hex(4)}"
            self.house.service(Roles).define(name=role, description="", permissions=["self:read"], caller=None, client=TERMINAL)
            ids["name"] = role
        if path in NAMES:
            ids["name"] = NAMES[path]
        return ids


def knock(house, method, rule, ids, headers):
    path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", lambda found: ids.get(found[1]) or "nothing", rule)
    body = {} if method in {"POST", "PUT", "PATCH"} else None
    answer = house.client().open(path, method=method, headers=headers, json=body)
    assert answer.status_code < 500, f"{method} {path}"
    # Two ways of saying who one is at a door for services are turned away there, before anybody is let in.
    is_turned_away = answer.status_code in {401, 403, 404} or _code_of(answer) == "invalid_request"
    answer.close()
    return str(answer.status_code) if is_turned_away else "in"


def _code_of(answer):
    return answer.json["code"] if answer.content_type == "application/problem+json" else None


def measured(house, people, method, path):
    """What each caller gets at one door."""
    rule, view = routes(house.app)[method, path]
    things, got = Things(house), {}
    for caller in CALLERS:
        if caller == "owner":
            if not re.search(r"\{(user|session|key)_id\}", path):
                got[caller] = "-"
                continue
            person, ids = things.own(path)
            got[caller] = knock(house, method, rule, ids, person.headers)
            continue
        is_public = access_of(view).is_public
        headers = {} if is_public and caller == "stranger" else people.headers(caller)
        got[caller] = knock(house, method, rule, things.foreign(path), headers)
        if got[caller] == "in" and method in {"POST", "DELETE"}:
            people.spend(caller)
    return got


def test_every_route_has_a_row_and_every_row_a_route(house):
    assert set(EXPECTED) == set(routes(house.app))


def test_everybody_gets_in_where_the_matrix_says_and_nowhere_else(shared_houses):
    """On one engine: who may enter is decided by code that knows of none. test_default_deny.py knocks on both."""
    house = shared_houses("embedded")
    people = Callers(house)

    with Cases() as case:
        for (method, path), expected in EXPECTED.items():
            with case(method, path):
                assert measured(house, people, method, path) == expected


if __name__ == "__main__":
    print(MATRIX.strip())  # noqa: T201 - that is what it is called for
