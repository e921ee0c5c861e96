"""Settings that were changed while the server runs: which version is in force, and what of it cannot count here."""

from secureapi.cli.diagnosis.finding import Finding, ok, warning
from secureapi.core.services import service
from secureapi.core.settings_versions import SettingsWatch
from secureapi.settings.in_force import SettingsInForce

_NAME = "changed settings"


def examine_running_settings() -> Finding:
    """Look at the newest version. The application must be at hand. Raises `Unavailable`."""
    service(SettingsWatch).look()
    version = service(SettingsInForce).version
    if version.unusable:
        says = "; ".join(f"{name} {reason}" for name, reason in version.unusable.items())
        taken_back = " ".join(f"{name}=" for name in version.unusable)
        remedy = f"The environment decides on these. Take them back: flask config change {taken_back}"
        return warning(_NAME, f"not all of version {version.number} can count: {says}", remedy)
    if not version.number:
        return ok(_NAME, "none")
    return ok(_NAME, f"version {version.number}, {len(version.overrides)} in force")
