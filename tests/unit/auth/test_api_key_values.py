import re
import string
import tomllib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.auth.api_key_values import ApiKeyValues, checksum, hint_of, is_well_formed
from secureapi.auth.client_secrets import new_secret
from secureapi.core.secret_values import SecretBox
from support.each import each

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
SAMPLE = "sa_live_00000000000000000000000000000000" + checksum("sa_live_00000000000000000000000000000000")


@pytest.fixture
def values():
    return ApiKeyValues(SecretBox("a secret"))


def test_a_value_is_the_prefix_32_random_characters_and_6_of_checksum(values):
    made = [values.new() for _ in range(200)]

    assert all(re.fullmatch(r"sa_live_[0-9A-Za-z]{38}", value.text) for value in made)
    assert all(is_well_formed(value.text) for value in made)
    assert len({value.text for value in made}) == 200
    assert set("".join(value.text[8:40] for value in made)) == set(BASE62)


def test_anybody_can_compute_the_checksum(values):
    """As docs/api-keys.md has it, in other words."""
    text = values.new().text
    number = 0
    for digit in text[-6:]:
        number = number * 62 + BASE62.index(digit)

    assert number == zlib.crc32(text[:-6].encode())


@given(st.integers(min_value=0, max_value=45), st.sampled_from(BASE62))
def test_one_wrong_character_is_noticed(place, other):
    changed = SAMPLE[:place] + other + SAMPLE[place + 1 :]

    assert is_well_formed(changed) == (changed == SAMPLE)


@given(st.text(alphabet=BASE62, min_size=32, max_size=32))
def test_the_checksum_has_always_six_characters(body):
    assert re.fullmatch("[0-9A-Za-z]{6}", checksum("sa_live_" + body))


@each(
    "text",
    [
        "",
        "sa_live_",
        SAMPLE[:-1],
        SAMPLE + "0",
        SAMPLE + "\n",
        " " + SAMPLE,
        SAMPLE.upper(),
        SAMPLE.swapcase(),
        "sa_test_" + SAMPLE[8:],
        SAMPLE.replace("0", "\uff10"),
        SAMPLE.replace("0", "\u0660"),
        "\u017f" + SAMPLE[1:],
        SAMPLE.replace("s", "\udce9"),
        "x" * 1_000_000,
    ],
)
def test_whatever_is_spelled_otherwise_is_no_key(text):
    assert not is_well_formed(text)


PAGE = (Path(__file__).parents[3] / "docs" / "api-keys.md").read_text()


def test_what_the_documentation_gives_to_scanners_tells_keys_from_others(values):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    given = {}
    exec(program, given)
    text = values.new().text

    assert given["is_key"](text)
    assert not given["is_key"](text[:-1] + ("0" if text[-1] != "0" else "1"))
    assert not given["is_key"](text.swapcase())


def test_the_rules_for_gitleaks_find_what_we_make(values):
    (rules,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    patterns = {rule["id"]: rule["regex"] for rule in tomllib.loads(rules)["rules"]}
    text, secret = values.new().text, new_secret()

    assert re.search(patterns["secureapi-api-key"], f'X-API-Key: "{text}"')[0] == text
    assert re.search(patterns["secureapi-client-secret"], f"SECRET={secret}\n")[0] == secret
    assert not re.search(patterns["secureapi-api-key"], "sa_live_...")
    assert not re.search(patterns["secureapi-api-key"], text[:-1])


def test_what_is_kept_depends_on_the_secret_of_the_installation(values):
    other = ApiKeyValues(SecretBox("another secret"))

    assert values.hash(SAMPLE) == ApiKeyValues(SecretBox("a secret")).hash(SAMPLE)
    assert values.hash(SAMPLE) != other.hash(SAMPLE)
    assert len(values.hash(SAMPLE)) == 32


def test_a_value_does_not_show_itself(values):
    value = values.new()

    assert value.text not in repr(value)
    assert repr(value.hash) not in repr(value)
    assert value.hint == hint_of(value.text) == value.text[8:16]
