"""Settings: one frozen object, every field documented, complete or no start.

`model` declares the fields, `reading` fills them from the environment, `rules` refuses what cannot be right together, and
`reference` writes the pages that people read.
"""

from secureapi.settings.model import Settings
from secureapi.settings.reading import SettingsRefused, load_settings

__all__ = ["Settings", "SettingsRefused", "load_settings"]
