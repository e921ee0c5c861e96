"""The use cases around accounts, one file each."""

from secureapi.users.service.directory import Directory
from secureapi.users.service.profiles import Profiles
from secureapi.users.service.registration import Registration
from secureapi.users.service.registration_mail import RegistrationMail

__all__ = ["Directory", "Profiles", "Registration", "RegistrationMail"]
