"""The blueprints of this room: one for each place where its endpoints are mounted."""

from secureapi.core.api import Blueprint

auth = Blueprint("auth", __name__, description="Signing in, staying signed in, and signing out.")
administration = Blueprint("admin", __name__, description="Figures, roles, and who may do what: for administrators.")
my_credentials = Blueprint("my-credentials", __name__, description="One's own password.")
people = Blueprint("sessions-of-people", __name__, description="The accounts and sessions of other people, for administrators.")
