"""Reading people out of the files of other systems, and looking at what is read. Nothing here knows a database.

`records` cuts a file into records, `formats` understands one record of each system, `checks` holds it against the rules for accounts.
A bad record is a record with a fault, so that one of them never stops the rest; only a file that is not of its format at all is refused.
"""

from secureapi.users.importing.checks import Accepted, Rules, check
from secureapi.users.importing.formats import FORMATS, Format
from secureapi.users.importing.newcomer import Newcomer
from secureapi.users.importing.records import Record
from secureapi.users.importing.usernames import names_for
from secureapi.users.rules import NO_PASSWORD

__all__ = ["FORMATS", "NO_PASSWORD", "Accepted", "Format", "Newcomer", "Record", "Rules", "check", "names_for"]
