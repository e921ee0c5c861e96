"""What gunicorn and the flask command load."""

from secureapi import create_app

app = create_app()
