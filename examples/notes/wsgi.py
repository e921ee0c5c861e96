"""What gunicorn and the flask command load."""

import sys

from notes import extension
from secureapi import create_app
from secureapi.settings import SettingsRefused

try:
    app = create_app(blueprints=[extension])
except SettingsRefused as refused:
    sys.exit(str(refused))
