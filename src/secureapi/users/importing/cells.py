"""Cells that no spreadsheet takes for a formula, and back again.

Excel and its like run what begins with one of these signs as soon as somebody opens the file: `=HYPERLINK(…)` in the name of a stranger
sends what stands beside it to him. An apostrophe before it makes a text of it. What begins with an apostrophe and one of the signs gets
one, too: so whatever was marked can be told from whatever looked like it.
"""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the full-width forms of the first."""
_MARK = "'"


def safe_cell(value: str) -> str:
    """The text as it may stand in a table."""
    return _MARK + value if _is_risky(value) or _is_marked(value) else value


def plain_cell(value: str) -> str:
    """What `safe_cell` made a text of."""
    return value[1:] if _is_marked(value) else value


def _is_risky(value: str) -> bool:
    # Some look behind spaces, too.
    return value.lstrip(" ").startswith(_RISKY)


def _is_marked(value: str) -> bool:
    return value.startswith(_MARK) and (value[1:].startswith(_MARK) or _is_risky(value[1:]))
