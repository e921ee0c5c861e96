"""What gunicorn and the flask command load."""

import sys

from notes import extension
from secureapi.extension import SettingsRefused, create_app

try:
    app = create_app(blueprints=[extension])
except SettingsRefused as refused:
    sys.exit(str(refused))
