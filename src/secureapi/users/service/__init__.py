"""The use cases around accounts, one file each."""

from secureapi.users.service.authority import Authority
from secureapi.users.service.directory import Directory
from secureapi.users.service.explanation import Explanations
from secureapi.users.service.profiles import Profiles
from secureapi.users.service.registration import Registration
from secureapi.users.service.registration_mail import RegistrationMail
from secureapi.users.service.roles import Roles

__all__ = ["Authority", "Directory", "Explanations", "Profiles", "Registration", "RegistrationMail", "Roles"]
