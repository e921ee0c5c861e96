"""What a device calls itself, in a few words for its owner: `Firefox 128 on Linux`. A hint and nothing more: anybody can send any agent."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from secureapi.core.requests import USER_AGENT_LENGTH, printable

if TYPE_CHECKING:
    from ua_parser import Parser

_MOST_CHARACTERS = 80
_NAMES = {"Mac OS X": "macOS"}
UNKNOWN = "unknown device"

_PROGRAMS = (
    *("Chrome", "Chrome Mobile", "Chrome Mobile WebView", "Chrome Mobile iOS", "Chromium", "Edge", "Edge Mobile", "HeadlessChrome", "IE"),
    *("Firefox", "Firefox Focus", "Firefox Mobile", "Firefox iOS", "Mobile Safari", "Mobile Safari UI/WKWebView", "Safari"),
    *("Opera", "Opera Mobile", "Opera Touch", "Samsung Internet", "Vivaldi", "Brave", "DuckDuckGo", "DuckDuckGo Mobile", "Yandex Browser"),
    *("curl", "Wget", "HTTPie", "Python Requests", "PostmanRuntime", "okhttp", "Go-http-client"),
)
_SYSTEMS = (
    *("Android", "iOS", "Linux", "macOS", "Windows", "Chrome OS", "Ubuntu", "Fedora", "Debian", "FreeBSD", "OpenBSD", "NetBSD"),
    "Tizen",
)
_SAFE = re.compile(
    rf"(?:{'|'.join(map(re.escape, _PROGRAMS))})(?: [0-9]{{1,4}}(?:\.[0-9]{{1,4}})?)?(?: on (?:{'|'.join(map(re.escape, _SYSTEMS))}))?"
)
"""What a message may say: names from these lists, and a version. The parser alone is no sieve, since it takes some names from the agent."""


@lru_cache(maxsize=4096)
def device_of(user_agent: str) -> str:
    """A short sentence about an agent; the beginning of the agent itself where it is not known. Printable, at most 80 characters.

    The patterns take up to 5 ms for the worst agent of 256 characters. Each is looked at once, and sessions are bounded.
    """
    agent = printable(user_agent[:USER_AGENT_LENGTH]).strip()
    return printable(_described(agent) or agent)[:_MOST_CHARACTERS].strip() or UNKNOWN


def device_for_mail(user_agent: str) -> str:
    """The same for a message, which may reach somebody whom the sender of the agent wants to deceive: nothing of his own words.

    An agent may say `go to evil.example`, mail programs make links of that, and the message comes from us.
    """
    said = device_of(user_agent)
    return said if _SAFE.fullmatch(said) else f"an {UNKNOWN}"


def _described(agent: str) -> str:
    from ua_parser import Domain  # noqa: PLC0415 - as below

    found = _parser()(agent, Domain.USER_AGENT | Domain.OS)
    program, system = found.user_agent, found.os
    if program is None:
        return ""
    if system is None:
        # A tool, whose minor version says something.
        return " ".join(filter(None, (program.family, ".".join(filter(None, (program.major, program.minor))))))
    # Browsers have frozen the versions of systems, so that they mean nothing.
    return f"{' '.join(filter(None, (program.family, program.major)))} on {_NAMES.get(system.family, system.family)}"


@lru_cache(maxsize=1)
def _parser() -> "Parser":
    """Its 1,500 patterns take a tenth of a second and 6 MB: only a process that lists sessions has them."""
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.basic import Resolver  # noqa: PLC0415
    from ua_parser.loaders import load_lazy_builtins  # noqa: PLC0415

    return Parser(Resolver(load_lazy_builtins()))
