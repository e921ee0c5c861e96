"""What `flask user import` takes for a report of its own, and what it leaves alone."""

import json
import os

import pytest

HASH = "$2b$04$seasaltseasaltseasalteBnlBUAvj.9nJp1UQfO/IyW2LmM7YH2K"
PEOPLE = f"email,password_hash\nada@example.com,{HASH}\nbo@example.com,{HASH}\n"


@pytest.fixture
def people(installed):
    (installed / "people.csv").write_text(PEOPLE)
    return installed


def run(flask, *options):
    return flask("user", "import", "people.csv", "--from", "csv", *options)


def test_a_dry_run_overwrites_nothing_but_the_report_of_another(flask, people):
    assert run(flask).exit_code == 0
    (people / "precious.txt").write_text("precious")
    (people / "precious.txt").chmod(0o644)
    kept = {name: (people / name).read_bytes() for name in ("people.csv", "people.csv.report.ndjson", "precious.txt")}

    for name in kept:
        refused = run(flask, "--dry-run", "--report", name)
        assert refused.exit_code == 1
        assert "is not the report of a dry run" in refused.stderr
    assert run(flask, "--report", "precious.txt").exit_code == 1
    assert kept == {name: (people / name).read_bytes() for name in kept}
    assert (people / "precious.txt").stat().st_mode & 0o777 == 0o644
    assert [run(flask, "--dry-run").exit_code for _ in range(2)] == [3, 3]


DAMAGED = {
    "a number without end": '{"row": Infinity, "digest": "0123456789abcdef", "outcome": "created"}',
    "a number that is text": '{"row": "1", "digest": "0123456789abcdef", "outcome": "created"}',
    "more rows than bytes": '{"row": 50000000, "digest": "0123456789abcdef", "outcome": "created"}',
    "less than nothing": '{"row": 1, "digest": "-1", "outcome": "created"}',
    "digits of another script": '{"row": 1, "digest": "١", "outcome": "created"}',  # noqa: RUF001 - that it is one is the point
    "depth": "[" * 100_000,
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_report_is_told_in_a_sentence(flask, people, line):
    heading = {"report": "secureapi user import", "version": 1, "import": "01a1ff91-3c71-72c0-a135-79905309c083", "format": "csv"}
    (people / "damaged").write_text(f"{json.dumps(heading)}\n{line}\n")

    refused = run(flask, "--report", "damaged")

    assert refused.exit_code == 1
    assert "is not the report of an import, or is damaged" in refused.stderr


def test_a_report_is_read_by_its_owner_only_also_when_it_was_there(flask, people):
    (people / "open").touch()
    (people / "open").chmod(0o644)

    assert run(flask, "--report", "open").exit_code == 0

    assert (people / "open").stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_of_ones_own_is_no_report(flask, people):
    (people / "laid down").touch()
    os.link(people / "laid down", people / "by another name")
    os.mkfifo(people / "pipe")

    for name in ("by another name", "pipe", "/dev/null"):
        refused = run(flask, "--report", name)
        assert refused.exit_code == 1
        assert "is no file of your own, with one name" in refused.stderr
