"""The proxy between this machine and Discord: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case.

discord.py takes one proxy and reads no variable; aiohttp's own reading leaves out ``wss``, and takes
passwords out of ``~/.netrc`` besides. So they are read here, as curl and the hub's library read them.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import aiohttp

from townhall_bot.discordpy import endpoints
from townhall_bot.redaction import MASK, origin
from townhall_bot.settings import SettingsError

HERE = ("localhost", "127.0.0.1", "::1")
VARIABLES = {"https": "HTTPS_PROXY", "wss": "HTTPS_PROXY", "http": "HTTP_PROXY", "ws": "HTTP_PROXY"}


def proxy_for(address: str) -> str | None:
    """Return the proxy for an address, name and password included: not to be shown. None where there is none.

    This machine is always asked directly. Raises :class:`SettingsError` where the variable cannot be used.
    """
    parts = urlsplit(address)
    host, set_here = parts.hostname or "", getproxies_environment()
    variable = VARIABLES[parts.scheme]
    proxy = set_here.get(variable.split("_")[0].lower()) or set_here.get("all")
    if not proxy or host in HERE or _named(host, set_here.get("no", "")):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    shown = origin(proxy)
    if shown == MASK or urlsplit(proxy).scheme.lower() not in ("http", "https"):
        what = "it is no address" if shown == MASK else f"{shown} is not a proxy that Discord can be reached through"
        raise SettingsError(
            f"{variable} (or ALL_PROXY): {what}. It must be like http://proxy.example:3128, "
            "or http://user:password@proxy.example:3128; NO_PROXY=discord.com,discord.gg goes without."
        )
    return proxy


def _named(host: str, exceptions: str) -> bool:
    """Tell whether NO_PROXY names a host: itself, a domain above it, with or without a dot before, or ``*``."""
    names = [name.strip().lower().lstrip(".") for name in exceptions.split(",")]
    return any(name in ("*", host) or (name and host.endswith(f".{name}")) for name in names)


def problem(error: BaseException, address: str | None = None) -> str | None:
    """Return what a proxy has to do with a failure, and the cure, as sentences; None where it has nothing.

    ``address`` is what was asked for, by default Discord's REST.
    """
    address = address or endpoints.api_url()
    try:
        proxy = proxy_for(address)
    except SettingsError:  # which is said where it is raised
        return None
    if proxy is None:
        return None
    named = f"the proxy {origin(proxy)} (from {VARIABLES[urlsplit(address).scheme]})"
    match error:
        case aiohttp.ClientProxyConnectionError():
            reason = error.os_error.strerror or error.os_error
            return f"{named} cannot be reached: {reason}. Correct its address, or unset the variable."
        case aiohttp.ClientHttpProxyError(status=407):
            return (
                f"{named} wants a name and a password, or not these. They stand in its address: "
                "http://user:password@host:port, with special characters as in %40 for @."
            )
        case aiohttp.ClientHttpProxyError():
            return (
                f"{named} refuses to connect to Discord (status {error.status}). It must let discord.com and "
                "gateway.discord.gg through; or name them in NO_PROXY where they can be reached without it."
            )
    return None
