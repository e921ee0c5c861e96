"""What a spreadsheet would run is marked, and what was marked comes back as it was."""

import pytest

from secureapi.users.importing.cells import plain_cell, safe_cell


@pytest.mark.parametrize("value", ["=1+1", " =1+1", "   @SUM(A1)", "'=1", "' =1", "''", "'", "", " ", "plain", "a;=HYPERLINK(1)", "'plain"])
def test_a_cell_comes_back_as_it_was_and_runs_nothing(value):
    safe = safe_cell(value)

    assert plain_cell(safe) == value
    assert not safe.lstrip(" ").startswith(("=", "@"))
