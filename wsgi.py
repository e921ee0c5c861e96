"""What gunicorn and the flask command load."""

import sys

from secureapi import create_app
from secureapi.settings import SettingsRefused

try:
    app = create_app()
except SettingsRefused as refused:
    # For whoever starts this the list of faults is the answer; where in the code they were found is not.
    sys.exit(str(refused))
