"""What settings say about the world around this process: hosts, proxies, cookies, workers, and who may read `.env`."""

import os
import stat
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from werkzeug.sansio.utils import host_is_trusted

from secureapi.cli.diagnosis.finding import Finding, failing, ok, warning
from secureapi.settings import Settings
from secureapi.settings.values import Network

_NARROW_ENOUGH = {4: 8, 6: 16}
"""Prefix lengths from which on a network may be somebody's own."""


def examine_surroundings(settings: Settings) -> list[Finding]:
    """Everything that can be said without asking another machine."""
    return [_hosts(settings), _proxies(settings), _cookies(settings), _workers(settings)]


def examine_dotenv(path: Path) -> Finding:
    """Who may read the file with the secrets."""
    if not path.is_file():
        return ok("dotenv", f"there is no {path}; settings come from the environment")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return failing("dotenv", f"everybody on this machine may read or write {path} (mode {mode:04o})", f"Run: chmod 600 {path}")
    if mode & (stat.S_IRGRP | stat.S_IWGRP):
        says = f"its group may read or write {path} (mode {mode:04o})"
        return warning("dotenv", says, f"Run: chmod 600 {path}, unless the group is meant to.")
    return ok("dotenv", f"{path} is its owner's alone")


def _hosts(settings: Settings) -> Finding:
    public = urlsplit(settings.public_url)
    if not host_is_trusted(public.netloc, settings.allowed_hosts):
        says = "ALLOWED_HOSTS does not have the host of PUBLIC_URL: every request to it is refused"
        return failing("hosts", says, "Add it to ALLOWED_HOSTS.")
    if _is_this_machine(public.hostname or "") and settings.environment in {"production", "staging"}:
        remedy = "Set PUBLIC_URL to the address that clients use: it is in every token and every link."
        return warning("hosts", "PUBLIC_URL is this machine's own address", remedy)
    if _is_this_machine(public.hostname or "") and (public.port or 80) != settings.port:
        return warning("hosts", "PUBLIC_URL and PORT name different ports", "Set PUBLIC_URL to the address that clients use.")
    return ok("hosts", "ALLOWED_HOSTS has the host of PUBLIC_URL")


def _proxies(settings: Settings) -> Finding:
    everybody = [network for network in settings.trusted_proxies if network.prefixlen == 0]
    if everybody:
        says = "TRUSTED_PROXIES trusts the whole internet: anybody may choose his address"
        return failing("proxies", says, "Name the proxy's own address.")
    wide = [network for network in settings.trusted_proxies if not _is_plausible(network)]
    if wide:
        remedy = "Name the proxy's own address, or the network that only proxies are in."
        return warning("proxies", f"{wide[0]} is a wide network for a proxy", remedy)
    if not settings.trusted_proxies and settings.public_url.startswith("https:"):
        return warning(
            "proxies",
            "PUBLIC_URL is https, so that a proxy stands in front, and TRUSTED_PROXIES does not name it: all clients count as one address",
            "Set TRUSTED_PROXIES to the proxy's address.",
        )
    return ok("proxies", f"{len(settings.trusted_proxies)} trusted" if settings.trusted_proxies else "none; the socket's address counts")


def _is_plausible(network: Network) -> bool:
    is_narrow = network.prefixlen >= _NARROW_ENOUGH[network.version]
    # Of public addresses nobody has a whole /16 full of proxies.
    is_own = network.is_private or not isinstance(network, IPv4Network) or network.prefixlen > 16  # noqa: PLR2004
    return is_narrow and is_own


def _cookies(settings: Settings) -> Finding:
    is_https = settings.public_url.startswith("https:")
    if not settings.secure_cookies and is_https:
        return warning("cookies", "SECURE_COOKIES is off although PUBLIC_URL is https", "Remove SECURE_COOKIES.")
    if not settings.secure_cookies:
        return warning("cookies", "cookies also travel over plain http", "Leave it at that in development only.")
    if not is_https and not _is_this_machine(urlsplit(settings.public_url).hostname or ""):
        says = "PUBLIC_URL is plain http: browsers will not send the cookies, and tokens can be read"
        return warning("cookies", says, "Put TLS in front.")
    return ok("cookies", "only sent over https")


def _workers(settings: Settings) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    says = f"{settings.web_concurrency} with {settings.web_threads} threads each, on {cores} cores"
    if settings.web_concurrency > 2 * cores:
        return warning("workers", says, "Set WEB_CONCURRENCY to the number of cores: more only take time from each other.")
    return ok("workers", says)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
