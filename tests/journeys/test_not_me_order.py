"""Of two who say "this was not me", the one who had the address earlier is right: however the worker's messages, and theirs, cross."""

import secrets
import threading

from sqlalchemy import text

from journeys.answers import assert_problem
from journeys.recovering import CONFIRM, FORGOT, ME, NOT_ME, PUBLIC, is_alive, log_in, post, reset, somebody, stored, token_in
from secureapi.auth.recipients import Recipients
from secureapi.core.database import Database
from secureapi.core.delivery import Delivery
from support.races import together

SWAPS = 6
"""So often two try to get what the other has."""


def elsewhere(word="thief"):
    return f"{word}-{secrets.token_hex(4)}@example.com"


def change(house, tokens, **fields):
    answer = house.client().patch(ME, headers=tokens.headers, json=fields)
    assert answer.status_code == 200, answer.text


def token_to(messages, address, purpose="not-me"):
    """Of the newest message to an address that has such a link."""
    return [token_in(message, purpose) for message in messages if message.to == address and f"/{purpose}#" in message.text][-1]


def moved(house, letters, tokens, present, address):
    """Have another address, and confirm it; the token that the former one gets then."""
    change(house, tokens, email=address)
    token = token_to(letters.deliver(house), address, "confirm-email")
    assert post(house, CONFIRM, token=token).status_code == 200
    return token_to(letters.deliver(house), present)


def address_of(house, person):
    (row,) = house.execute("SELECT email FROM users WHERE id = :id", id=stored(house, person))
    return row.email


def test_a_thief_whose_message_is_written_before_the_owners_has_no_earlier_link(home, letters, from_elsewhere, monkeypatch):
    """He confirms while the worker is busy with older messages: one about a sign-in of his waits behind them, and goes to him first."""
    owner, thiefs = somebody(home, letters), elsewhere()
    thief = home.sign_in(owner)
    letters.deliver(home)
    change(home, thief, email=thiefs)
    token = token_to(letters.deliver(home), thiefs, "confirm-email")
    assert log_in(home, owner, options=from_elsewhere()).status_code == 200
    original = Delivery._handle

    def meanwhile(delivery, handler, note):
        if note.topic == "notice.new_device":
            assert post(home, CONFIRM, token=token).status_code == 200
        original(delivery, handler, note)

    monkeypatch.setattr(Delivery, "_handle", meanwhile)
    came = letters.deliver(home)
    owners, his = token_to(came, owner.email), token_to(came, thiefs)

    assert post(home, NOT_ME, token=owners).status_code == 200

    assert_problem(post(home, NOT_ME, token=his), 400, "invalid_link")
    assert address_of(home, owner) == owner.email
    assert [message.to for message in letters.deliver(home) if message.links] == [owner.email]


def test_no_clock_has_a_part_in_who_was_earlier(make_home, letters, clock):
    """The links of both are made in the same microsecond."""
    home = make_home(clock=clock)
    owner, thiefs = somebody(home, letters), elsewhere()
    owners = moved(home, letters, owner.tokens, owner.email, thiefs)
    change(home, owner.tokens, email=elsewhere())
    his = token_to(letters.deliver(home), thiefs)

    assert post(home, NOT_ME, token=owners).status_code == 200

    assert_problem(post(home, NOT_ME, token=his), 400, "invalid_link")
    assert address_of(home, owner) == owner.email


def test_a_link_to_the_present_address_gives_none_back(home, letters):
    """Not even when the address came back to the account in the ordinary way, after the thief had it."""
    owner, thiefs = somebody(home, letters), elsewhere()
    moved(home, letters, owner.tokens, owner.email, thiefs)
    change(home, owner.tokens, email=owner.email)
    came = letters.deliver(home)
    his = token_to(came, thiefs)
    assert post(home, CONFIRM, token=token_to(came, owner.email, "confirm-email")).status_code == 200
    letters.deliver(home)
    change(home, owner.tokens, email=elsewhere())
    present = token_to(letters.deliver(home), owner.email)

    assert post(home, NOT_ME, token=present).status_code == 200

    assert address_of(home, owner) == owner.email
    assert home.events("users.email.restored", subject=owner) == []
    assert post(home, NOT_ME, token=his).status_code == 200, "earlier than that one"


def test_a_message_that_is_written_while_the_owner_throws_the_thief_out_is_no_way_back_in(make_house, letters, monkeypatch):
    home = make_house("scaled", **letters.settings, public_url=PUBLIC)
    owner, thiefs = somebody(home, letters), elsewhere()
    owners = moved(home, letters, owner.tokens, owner.email, thiefs)
    for _ in range(3):
        change(home, owner.tokens, email=elsewhere())
    original, others = Recipients.seal, []

    def meanwhile(recipients, address):
        if address == thiefs and not others:
            others.append(threading.Thread(target=post, args=(home, NOT_ME), kwargs={"token": owners}))
            others[0].start()
            # It either waits for the row of the account, and then withdraws this link with the others, or it is through.
            others[0].join(timeout=1)
        return original(recipients, address)

    monkeypatch.setattr(Recipients, "seal", meanwhile)
    came = letters.deliver(home)
    others[0].join()
    came += letters.deliver(home)

    for message in came:
        if message.to == thiefs and "/not-me#" in message.text:
            assert_problem(post(home, NOT_ME, token=token_in(message, "not-me")), 400, "invalid_link")
    assert address_of(home, owner) == owner.email


def test_a_note_that_still_waits_when_the_owner_throws_the_thief_out_brings_no_link(home, letters):
    """He has moved the account twice: the note about the second change is for his first address."""
    owner, first, second = somebody(home, letters), elsewhere(), elsewhere()
    owners = moved(home, letters, owner.tokens, owner.email, first)
    change(home, owner.tokens, email=second)
    token = token_to(letters.deliver(home), second, "confirm-email")
    assert post(home, CONFIRM, token=token).status_code == 200

    assert post(home, NOT_ME, token=owners).status_code == 200

    his = token_to(letters.deliver(home), first)
    assert_problem(post(home, NOT_ME, token=his), 400, "invalid_link")
    assert address_of(home, owner) == owner.email


def test_whoever_read_at_the_address_that_is_taken_away_hears_of_it(home, letters):
    owner, new = somebody(home, letters), elsewhere("new")
    token = moved(home, letters, owner.tokens, owner.email, new)

    assert post(home, NOT_ME, token=token).status_code == 200

    (told,) = [message for message in letters.deliver(home) if message.to == new]
    assert told.subject == f"Your {home.settings.app_name} account does not have this address any more"
    assert told.links == []


def test_however_many_links_a_thief_has_piled_up_the_owner_throws_him_out_at_once(home, letters, monkeypatch):
    owner, thiefs = somebody(home, letters), elsewhere()
    token = moved(home, letters, owner.tokens, owner.email, thiefs)
    change(home, owner.tokens, email=elsewhere())
    letters.deliver(home)
    random = "lower(hex(randomblob(16)))" if home.is_embedded else "gen_random_uuid()"
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000)"
    with home.service(Database).writing() as connection:
        connection.execute(
            text(
                f"{numbers} INSERT INTO one_time_links (id, purpose, user_id, details, created_at, expires_at)"
                f" SELECT {random}, purpose, user_id, details, created_at, expires_at FROM s, (SELECT * FROM one_time_links"
                " WHERE user_id = :id AND purpose = 'not-me' ORDER BY created_at DESC LIMIT 1) AS newest"
            ),
            {"id": stored(home, owner)},
        )
    original, unsealed = Recipients.unseal, []
    monkeypatch.setattr(Recipients, "unseal", lambda self, sealed: unsealed.append(sealed) or original(self, sealed))

    assert post(home, NOT_ME, token=token).status_code == 200

    (row,) = home.execute(
        "SELECT count(*) AS open FROM one_time_links WHERE purpose = 'not-me' AND used_at IS NULL AND user_id = :id", id=stored(home, owner)
    )
    assert row.open == 1, "the notice about the wish, which the owner had before"
    assert len(unsealed) < 10, "none of theirs is read to be closed"


def test_somebody_who_never_confirmed_the_owners_address_does_not_keep_it(home, letters):
    """A thief who opens another account with it, so that it could not be given back."""
    owner, thiefs = somebody(home, letters), elsewhere()
    token = moved(home, letters, owner.tokens, owner.email, thiefs)
    squatter = home.register(email=owner.email)
    assert squatter.tokens
    letters.deliver(home)

    assert post(home, NOT_ME, token=token).status_code == 200

    assert address_of(home, owner) == owner.email
    assert address_of(home, squatter) == f"{squatter.id}@no-address.invalid"
    assert is_alive(home, squatter.tokens)
    assert [event.severity for event in home.events("users.email.displaced", subject=squatter)] == ["WARNING"]
    came = [message for message in letters.deliver(home) if message.to == owner.email]
    assert [reset(home, token_in(message, "reset-password")).status_code for message in came] == [200]
    letters.deliver(home)
    post(home, FORGOT, email=owner.email)
    (message,) = letters.deliver(home)
    assert f"Hello {owner.username}," in message.text


def test_an_address_that_somebody_has_only_named_goes_to_whoever_confirms_it(home, letters):
    address = elsewhere("new")
    squatter = somebody(home, letters, email=address)
    person = somebody(home, letters)
    change(home, person.tokens, email=address)
    token = token_to(letters.deliver(home), address, "confirm-email")

    assert post(home, CONFIRM, token=token).status_code == 200

    assert address_of(home, person) == address
    assert address_of(home, squatter) == f"{squatter.id}@no-address.invalid"
    letters.deliver(home)
    change(home, squatter.tokens, email=elsewhere())
    letters.deliver(home)
    assert home.execute("SELECT topic FROM outbox WHERE dead_at IS NOT NULL") == []


def test_another_spelling_of_an_address_is_not_taken_from_whoever_named_it(home, letters):
    word = secrets.token_hex(4)
    holder = somebody(home, letters, email=f"strasse-{word}@example.com")
    person = somebody(home, letters)
    change(home, person.tokens, email=f"straße-{word}@example.com")

    assert [message.to for message in letters.deliver(home)] == [person.email], "as for any address that somebody has"
    assert address_of(home, holder) == holder.email


def test_two_who_confirm_the_addresses_of_each_other_do_not_wait_for_one_another(home, letters):
    for _ in range(SWAPS):
        people = [somebody(home, letters) for _ in range(2)]
        for person, other in zip(people, reversed(people), strict=True):
            change(home, person.tokens, email=other.email)
        came = letters.deliver(home)
        tokens = [token_to(came, person.email, "confirm-email") for person in people]

        answers = together([lambda token=token: post(home, CONFIRM, token=token) for token in tokens])

        assert {answer.status_code for answer in answers} <= {200, 400}
        assert len({address_of(home, person) for person in people}) == 2
