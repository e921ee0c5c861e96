"""What `flask doctor` looks at: one module for each thing that can be ill. Nothing here repeats a secret, an address with a password,
or the text of a library's error, which may have either in it.
"""

from secureapi.cli.diagnosis.finding import Finding, State, failing, ok, warning

__all__ = ["Finding", "State", "failing", "ok", "warning"]
