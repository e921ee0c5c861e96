"""`flask user import` as somebody at a terminal sees it."""

import os
import pty
import re
import subprocess
import sys

HASH = "$2b$04$seasaltseasaltseasalteBnlBUAvj.9nJp1UQfO/IyW2LmM7YH2K"


def people(count):
    return "email,password_hash\n" + "".join(f"person.{number}@example.com,{HASH}\n" for number in range(count))


def test_a_terminal_shows_the_rate_and_the_time_that_is_left(installed):
    (installed / "people.csv").write_text(people(1200))
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm",
        "COLUMNS": "120",
        "FLASK_APP": "secureapi:create_app",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "flask", "user", "import", "people.csv", "--from", "csv"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        shown = b""
        try:
            while read := os.read(ours, 65536):
                shown += read
        except OSError:
            pass  # nobody is at the other end any more
        answer = run.stdout.read().decode()
    os.close(ours)

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert run.returncode == 0, text
    assert re.search(r"\d+ rows/s", text)
    assert re.search(r"100%.*1200 rows .*\d+:\d\d:\d\d", text)
    assert "created          1200" in answer


def test_a_pipe_sees_no_bar_and_the_first_rows_that_were_refused(flask, installed):
    (installed / "people.csv").write_text(people(2) + "x,\n" * 30)

    result = flask("user", "import", "people.csv", "--from", "csv")

    assert result.exit_code == 3
    assert "rows/s" not in result.stderr
    assert result.stderr.count("This is not an email address.") >= 5
    assert "more rows: see the report." in result.stderr
    assert "row 3 (line 4): email: This is not an email address." in result.stderr
    assert "report           people.csv.report.ndjson" in result.stdout


def test_a_dry_run_leaves_the_report_of_the_real_one_alone(flask, installed):
    (installed / "people.csv").write_text(people(2))
    flask("user", "import", "people.csv", "--from", "csv")
    before = (installed / "people.csv.report.ndjson").read_text()

    assert flask("user", "import", "people.csv", "--from", "csv", "--dry-run").exit_code == 3

    assert (installed / "people.csv.report.ndjson").read_text() == before
    assert (installed / "people.csv.dry-run.ndjson").exists()


def test_what_is_no_file_of_the_format_is_refused_as_a_whole(flask, installed):
    (installed / "people.json").write_text('{"people": []}')
    os.mkfifo(installed / "pipe")

    for source, word in (("firebase", 'no list called "users"'), ("csv", "heading"), ("supabase", "heading")):
        result = flask("user", "import", "people.json", "--from", source, "--report", f"{source}.ndjson")
        assert result.exit_code == 1
        assert word in result.stderr
    assert flask("user", "import", "people.json", "--from", "csv", "--hash-config", "people.json").exit_code == 2
    assert flask("user", "import", "people.json", "--from", "firebase", "--hash-config", "people.json").exit_code == 1
    assert flask("user", "import", "nothing.json", "--from", "csv").exit_code == 2
