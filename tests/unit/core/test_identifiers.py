import time
import uuid

from secureapi.core.identifiers import is_id, new_id
from support.each import each


def test_a_new_id_is_a_uuid_of_version_seven_with_the_present_time():
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_sort_by_the_time_they_were_made(monkeypatch):
    made = []
    for milliseconds in (0, 1, 1_700_000_000_000, 1_700_000_000_001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)
    assert all(map(is_id, made))


def test_ten_thousand_ids_of_one_millisecond_are_ten_thousand(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_every_random_bit_is_random(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    seen_set, seen_clear = 0, 0
    for _ in range(200):
        value = uuid.UUID(new_id()).int
        seen_set |= value
        seen_clear |= ~value
    random = (0xFFF << 64) | ((1 << 62) - 1)
    assert seen_set & random == random
    assert seen_clear & random == random


@each(
    "rewrite",
    [
        str.upper,
        str.title,
        lambda text: f"{{{text}}}",
        lambda text: f"urn:uuid:{text}",
        lambda text: text.replace("-", ""),
        lambda text: text.replace("-", "_"),
        lambda text: f" {text}",
        lambda text: f"{text}\n",
        lambda text: text[:-1],
        lambda text: f"{text}0",
        lambda text: text[:-1] + "\uff10",
        lambda text: text[:-1] + "\u0663",
        lambda text: text[:-1] + "g",
        lambda text: text.replace("-", "\u2010"),
        lambda text: "",
    ],
)
def test_an_attacker_who_spells_his_own_id_otherwise_has_no_id(rewrite):
    own = "0190a0b1-c2d3-7e4f-8a5b-abcdefabcdef"
    assert is_id(own)
    assert not is_id(rewrite(own))
