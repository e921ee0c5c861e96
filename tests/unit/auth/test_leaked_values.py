"""The rules for scanners in docs/api-keys.md, against values as they are really made and as they are really left lying about."""

import json
import math
import re
import tomllib
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from secureapi.auth.api_key_values import ApiKeyValues
from secureapi.auth.client_secrets import new_secret
from secureapi.core.secret_values import SecretBox
from support.each import each

PAGE = (Path(__file__).parents[3] / "docs" / "api-keys.md").read_text()
FRAGMENT = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
RULES = {rule["id"]: rule for rule in FRAGMENT["rules"]}
_NOT_IN_RE2 = re.compile(r"\(\?(?!:|P<|i\))|\\[1-9]")
"""Looking around and back references: gitleaks is written in Go, whose expressions have neither."""
VALUES = ApiKeyValues(SecretBox("a secret"))
MADE = {"secureapi-api-key": lambda: VALUES.new().text, "secureapi-client-secret": new_secret}


def entropy(text):
    """Shannon's, in bits a character, as gitleaks computes it of what it found."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def found(rule, content):
    """What gitleaks reports: a keyword must stand there in any case, and what matches must be random enough."""
    if not any(keyword in content.lower() for keyword in rule["keywords"]):
        return []
    return [match for match in re.findall(rule["regex"], content) if entropy(match) >= rule["entropy"]]


@each("name", MADE)
def test_every_value_is_found_wherever_it_lies_about(name):
    rule = RULES[name]
    for _ in range(200):
        value = MADE[name]()
        places = (
            f"SECUREAPI_KEY={value}\n",
            json.dumps({"key": value}),
            f"curl -H 'X-API-Key: {value}'",
            f"https://example.com/?next=x%3D{quote(value)}&y",
            f"key: {value} # of the nightly report",
            f"MY_{value}",
            value,
        )
        for place in places:
            assert found(rule, place) == [value], place


def test_what_only_looks_like_one_is_not_found():
    value = VALUES.new().text
    for text in ("sa_live_...", "sa_live_" + "x" * 38, value[:-1], value + "0", value.upper(), value.replace("sa_live_", "sk_live_")):
        assert found(RULES["secureapi-api-key"], f'"{text}"') == [], text


def test_the_fragment_adds_to_the_rules_that_there_are_and_go_can_read_it():
    assert FRAGMENT["extend"] == {"useDefault": True}
    for rule in RULES.values():
        assert rule.keys() == {"id", "description", "regex", "keywords", "entropy"}
        assert not _NOT_IN_RE2.search(rule["regex"])
        assert rule["keywords"] == [keyword.lower() for keyword in rule["keywords"]]
