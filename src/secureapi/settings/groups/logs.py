"""Logs."""

from dataclasses import dataclass

from secureapi.settings.fields import setting


@dataclass(frozen=True, kw_only=True)
class Logs:
    """Fields of `Settings`."""

    log_level: str = setting(
        "INFO", "The least important level that is still written.", group="Logs", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting("json", "One JSON object a line, or colours for people.", group="Logs", choices=("json", "console"))
    slow_request_ms: int = setting(1000, "A request that takes longer is flagged in its log line, in milliseconds.", group="Logs", least=1)
