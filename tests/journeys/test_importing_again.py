"""An import that was stopped, by whatever it was, goes on: each row is done exactly once."""

import json
import os
import signal
import sys
import threading

import pytest
from sqlalchemy.exc import DataError, OperationalError

from journeys.importing import SOME_REFUSED, Importing
from secureapi.cli.import_report import ImportReport
from secureapi.core.requests import Client
from secureapi.users.importing import FORMATS
from secureapi.users.service import import_users
from support.cases import Cases
from support.live import KEPT, ROOT
from support.processes import Server, until
from support.sample_settings import as_environment

HASH = "$2b$04$seasaltseasaltseasalteBnlBUAvj.9nJp1UQfO/IyW2LmM7YH2K"


@pytest.fixture
def importing(make_house, engine, tmp_path):
    return Importing(make_house(engine), tmp_path)


def people(count, first=0):
    rows = "".join(f"{number},person.{number}@example.com,{HASH}\n" for number in range(first, first + count))
    return f"id,email,password_hash\n{rows}"


def test_a_second_run_skips_what_is_done(importing):
    path = importing.write(people(30) + "no address,x,\n")
    importing.run(path, "csv", expect=SOME_REFUSED)
    before = importing.report.read_text()

    told = importing.run(path, "csv")

    assert (told["created"], told["refused"], told["skipped"]) == (0, 0, 31)
    assert importing.report.read_text() == before
    assert len(importing.house.events("users.created")) == 30


def test_a_row_that_was_mended_is_done_and_the_others_are_not_done_again(importing):
    path = importing.write(people(3) + f"3,nonsense,{HASH}\n")
    importing.run(path, "csv", expect=SOME_REFUSED)

    importing.write(people(5))
    told = importing.run(path, "csv")

    assert (told["created"], told["skipped"], importing.count()) == (2, 3, 5)


def test_an_import_that_is_killed_goes_on_and_does_each_row_once(importing, tmp_path):
    count = 2400
    path = importing.write(people(count))
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    command = ["user", "import", str(path), "--from", "csv", "--report", str(importing.report)]
    kills = 0
    for share in (1, 2, 4):
        run = Server(
            [sys.executable, "-m", "flask", "--app", "wsgi", *command],
            log=tmp_path / "import.log",
            is_up=lambda: True,
            cwd=ROOT,
            env=kept | as_environment(importing.house.settings) | {"SECUREAPI_DOTENV": os.devnull},
        )
        run.start()
        until(lambda run=run, share=share: importing.count() >= count * share // 6 or not run.is_running)
        kills += run.is_running
        run.stop(signal.SIGKILL)

    assert kills >= 2, run.log()
    importing.run(path, "csv")

    assert importing.count() == count
    assert len(importing.house.events("users.created")) == count
    lines = importing.lines()
    assert [line["row"] for line in lines] == list(range(1, count + 1))
    assert {line["outcome"] for line in lines} == {"created"}
    stored = {str(row[0]).replace("-", "") for row in importing.house.execute("SELECT id FROM users")}
    assert {line["id"].replace("-", "") for line in lines} == stored


def test_what_was_committed_and_not_reported_is_known_again(importing, monkeypatch):
    path = importing.write(people(40))
    monkeypatch.setattr(import_users, "BATCH", 10)
    real, batches = ImportReport.write, []

    def dies(report, outcomes):
        batches.append(outcomes)
        if len(batches) == 3:
            raise KeyboardInterrupt
        real(report, outcomes)

    with monkeypatch.context() as patch:
        patch.setattr(ImportReport, "write", dies)
        assert importing.attempt(path, "csv").exit_code == 1
    assert (importing.count(), len(importing.lines())) == (30, 20)

    told = importing.run(path, "csv")

    assert (told["created"], told["skipped"], importing.count()) == (20, 20, 40)
    assert len(importing.house.events("users.created")) == 40
    assert [line["row"] for line in importing.lines()] == list(range(1, 41))


def test_a_line_of_the_report_that_was_cut_off_is_cut_away(importing):
    path = importing.write(people(5))
    importing.run(path, "csv")
    whole = importing.report.read_bytes()
    importing.report.write_bytes(whole[:-20])

    told = importing.run(path, "csv")

    assert (told["created"], told["skipped"], importing.count()) == (1, 4, 5)
    assert importing.report.read_bytes() == whole


def test_a_batch_that_the_database_refuses_is_done_row_by_row(importing, monkeypatch):
    path = importing.write(people(12))
    real = import_users.insert_accounts

    def refuses_the_seventh(connection, rows, **options):
        if any(row["email"] == "person.6@example.com" for row in rows):
            raise DataError("INSERT", {}, ValueError("this is what a driver would say"))
        return real(connection, rows, **options)

    monkeypatch.setattr(import_users, "insert_accounts", refuses_the_seventh)
    told = importing.run(path, "csv", expect=SOME_REFUSED)

    assert (told["created"], told["refused"], importing.count()) == (11, 1, 11)
    assert importing.reasons()[7] == [("", "database_refused")]
    assert len(importing.house.events("users.created")) == 11


def test_a_database_that_goes_away_stops_the_run_and_the_next_one_goes_on(importing, monkeypatch):
    path = importing.write(people(40))
    monkeypatch.setattr(import_users, "BATCH", 10)
    real = import_users.insert_accounts

    def goes_away(connection, rows, **options):
        if any(int(row["username"].removeprefix("person-")) >= 25 for row in rows):
            raise OperationalError("INSERT", {}, ConnectionError("the password of the database is hunter2"))
        return real(connection, rows, **options)

    with monkeypatch.context() as patch:
        patch.setattr(import_users, "insert_accounts", goes_away)
        result = importing.attempt(path, "csv")
    assert result.exit_code == 1
    assert "Run the same command again" in result.stderr
    assert "hunter2" not in result.output
    before = importing.count()

    told = importing.run(path, "csv")

    assert before == 25
    assert importing.count() == len(importing.house.events("users.created")) == 40
    assert told["skipped"] == 20
    assert [line["row"] for line in importing.lines()] == list(range(1, 41))


def test_two_imports_of_the_same_people_at_once_make_each_of_them_once(importing):
    path = importing.write(people(600))
    others = Importing(importing.house, importing.folder)
    others.report = importing.folder / "others.ndjson"
    service = importing.house.service(import_users.Imports)
    results = {}
    start = threading.Barrier(2)

    def run(name, report):
        order = import_users.ImportOrder(
            id=report.import_id,
            format=FORMATS["csv"],
            rules=import_users.Rules(role="user", roles=frozenset({"user"})),
            is_done=report.is_done,
        )
        with path.open("rb") as file:
            start.wait()
            for batch in service.run(order.format.read(file), order, client=Client.of_command_line()):
                report.write(batch.outcomes)
        report.close()
        results[name] = True

    threads = [
        threading.Thread(target=run, args=(one.report.name, ImportReport(one.report, format_name="csv"))) for one in (importing, others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 2
    made = [line["row"] for one in (importing, others) for line in one.lines() if line["outcome"] == "created"]
    assert sorted(made) == list(range(1, 601))
    assert importing.count() == len(importing.house.events("users.created")) == 600


def test_two_runs_may_not_share_a_report(importing):
    path = importing.write(people(3))
    report = ImportReport(importing.report, format_name="csv")
    try:
        result = importing.attempt(path, "csv")
    finally:
        report.close()

    assert result.exit_code == 1
    assert "Another import" in result.stderr
    assert importing.count() == 0


HEADING = b'{"report": "secureapi user import", "version": 1, "import": "01a1ff8e-b963-7571-8c63-2b21ee7df6e1", "format": "csv"}\n'


def test_a_file_that_is_no_report_of_this_import_is_not_written_over(importing):
    path = importing.write(people(3))

    with Cases() as case:
        for written in (
            b"notes of mine\n",
            b"notes of mine",
            b'{"report": "something else"}\n',
            HEADING.replace(b"1,", b"2,"),
            HEADING.replace(b"csv", b"auth0"),
            HEADING.replace(b"01a1ff8e", b"01A1FF8E"),
            HEADING + b'{"row": 0}\n',
            HEADING + b'{"row": 99999999999999, "digest": "00", "outcome": "created"}\n',
            HEADING + b'{"row": 1, "digest": "11112222333344445", "outcome": "created"}\n',
        ):
            with case(written):
                importing.report.write_bytes(written)

                result = importing.attempt(path, "csv")

                assert result.exit_code == 1
                assert "--report" in result.stderr
                assert importing.report.read_bytes() == written
                assert importing.count() == 0


def test_reports_are_for_their_owner_only(importing):
    importing.run(importing.write(people(1)), "csv")

    assert importing.report.stat().st_mode & 0o777 == 0o600


def test_a_report_that_is_a_link_to_something_else_is_not_followed(importing):
    target = importing.folder / "precious"
    target.write_text("")
    importing.report.symlink_to(target)

    assert importing.attempt(importing.write(people(1)), "csv").exit_code == 1
    assert target.read_text() == ""


def test_the_heading_of_the_report_names_the_import(importing):
    importing.run(importing.write(people(1)), "csv")

    heading = json.loads(importing.report.read_text().splitlines()[0])
    assert (heading["report"], heading["format"]) == ("secureapi user import", "csv")
    assert importing.house.events("users.imported")[0].details["import"] == heading["import"]
