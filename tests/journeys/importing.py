"""Words of the journeys about importing: running the command inside of a house, and reading its report."""

import json
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "importing"
PASSWORD = "Tall-Trees-42!"
"""Of everybody in the samples."""
ALL, SOME_REFUSED = 0, 3
"""Exit statuses."""


class Importing:
    """`flask user import` in one house, with reports in a folder of the test's."""

    def __init__(self, house, folder):
        self.house = house
        self.folder = folder
        self.report = folder / "report.ndjson"

    def run(self, path, source, *options, expect=ALL):
        """The answer of the command as JSON."""
        result = self.attempt(path, source, *options)
        assert result.exit_code == expect, result.output
        return json.loads(result.stdout)

    def attempt(self, path, source, *options):
        """The result of the command, whatever it is."""
        args = ["user", "import", str(path), "--from", source, "--report", str(self.report), "--json", *options]
        return self.house.app.test_cli_runner().invoke(args=args)

    def write(self, text, name="people.csv"):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def lines(self):
        """The report, without its heading."""
        return [json.loads(line) for line in self.report.read_text().splitlines()[1:]]

    def reasons(self):
        """By the number of the row, what was wrong with it: places and codes."""
        return {line["row"]: [(fault["pointer"], fault["code"]) for fault in line.get("faults", ())] for line in self.lines()}

    def person(self, email):
        """The row of the account with this address."""
        found = self.house.execute("SELECT * FROM users WHERE email_canonical = :email", email=email.lower())
        return found[0] if found else None

    def count(self):
        return self.house.execute("SELECT count(*) FROM users")[0][0]

    def sign_in(self, email, password=PASSWORD):
        """The status of a login."""
        return self.house.client().post("/api/v1/auth/login", json={"email": email, "password": password}).status_code
