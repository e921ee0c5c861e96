"""Words of the journeys around lost passwords: asking for a message, reading it, following the link in it."""

import secrets

from sqlalchemy import text

from secureapi.core.database import Base, Database
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client

API = "/api/v1"
ME, LOGIN, REFRESH = f"{API}/users/me", f"{API}/auth/login", f"{API}/auth/refresh"
FORGOT, RESET, RESEND = f"{API}/auth/password/forgot", f"{API}/auth/password/reset", f"{API}/auth/email/resend"
UNLOCK, NOT_ME, VERIFY, CONFIRM = f"{API}/auth/unlock", f"{API}/auth/not-me", f"{API}/auth/email/verify", f"{API}/auth/email/confirm"
TERMINAL = Client.of_command_line()
PUBLIC = "https://auth.example.com"


def post(house, path, options=None, **body):
    return house.client().post(path, json=body, **(options or {}))


def fresh():
    return f"Other-Trees-{secrets.token_hex(4)}!"


def somebody(house, letters, **fields):
    """A person with an account, who has read what was sent on the occasion."""
    person = house.register(**fields)
    assert person.tokens
    letters.deliver(house)
    return person


def token_in(message, purpose):
    """What stands behind the # of the link for this purpose."""
    (found,) = [link for link in message.links if f"/{purpose}#" in link]
    return found.partition("#")[2]


def asked(house, letters, person, path=FORGOT):
    """The token of the link that somebody gets who asks for one."""
    assert post(house, path, email=person.email).status_code == 202
    (message,) = letters.deliver(house)
    assert message.to == person.email
    return token_in(message, "reset-password" if path == FORGOT else "verify-email")


def reset(house, token, password=None):
    return post(house, RESET, token=token, new_password=password or fresh())


def log_in(house, person, password=None, options=None):
    return post(house, LOGIN, options, email=person.email, password=password or person.password)


def is_alive(house, tokens):
    return house.client().get(ME, headers=tokens.headers).status_code == 200


def notice(house, letters, person, topic="notice.password_changed"):
    """A message about something that happened to an account, as a use case would have it sent."""
    with house.service(Database).transaction() as session:
        house.service(Outbox).add(session, topic, user_id=person.id, address="203.0.113.9", lane="strangers")
    (message,) = letters.deliver(house)
    return message


def stored(house, person):
    return person.id.replace("-", "") if house.is_embedded else person.id


def rows_of(house):
    """Every row of every table, as text."""
    with house.service(Database).reading() as connection:
        return {name: [str(tuple(row)) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in Base.metadata.tables}
