"""Who may reach the page: those with the key, by a name that is this machine's, from the page itself.

A page listens where every website that this machine's browser shows can send requests to. Three checks keep those
out: the ``Host`` must be an address of this machine (a rebound name is none), a request that says where it comes
from must come from the page, and the key from the printed address must be there, at first in the address, then in
a cookie.
"""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from townhall_bot.ops.addresses import is_loopback

KEY_MISSING = "This page opens with the whole address that `townhall local` printed, its key included.\n"
WRONG_NAME = "This page answers to the address that `townhall local` printed, and to no other name.\n"
WRONG_ORIGIN = "This page takes requests from itself only, not from other sites.\n"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No string becomes markup or script, even where the page's own code had a fault.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For what people and bots uploaded. The one style allowed is the browser's own, for showing plain text."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class Access:
    """The checks for a page that listens on ``host``. ``key`` opens it; ``port`` tells its cookie from others'."""

    def __init__(self, host: str, key: str | None = None) -> None:
        self.host = host
        self.port = 0
        self.key = key or secrets.token_urlsafe(24)

    @property
    def cookie(self) -> str:
        """The cookie's name. Cookies do not know ports, so the port is part of it."""
        return f"townhall_{self.port}"

    @property
    def is_open(self) -> bool:
        """Other machines can reach the page."""
        return not is_loopback(self.host)

    def middleware(self) -> Middleware:
        """Return the middleware that lets in only what passes."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self.refusal(request)
            if refusal is not None:
                return web.Response(status=403, text=refusal)
            return await handler(request)

        return guard

    def refusal(self, request: web.Request) -> str | None:
        """Return why a request is refused, None where it may pass."""
        host = request.headers.get(hdrs.HOST, "")
        if not self._is_own_name(host):
            return WRONG_NAME
        origin = request.headers.get(hdrs.ORIGIN)
        # A browser always names the origin of a websocket; one that is not named is no browser's, and not the page's.
        if origin is None and request.headers.get(hdrs.UPGRADE):
            return WRONG_ORIGIN
        if origin is not None and origin != f"http://{host}":
            return WRONG_ORIGIN
        entering = request.path == "/" and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if not entering and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return WRONG_ORIGIN
        given = request.cookies.get(self.cookie, "")
        if request.path == "/" and "key" in request.query:
            given = request.query["key"]
        return None if secrets.compare_digest(given.encode(), self.key.encode()) else KEY_MISSING

    def _is_own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name == self.host.lower():
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # Rebinding turns a name into an address; an address in its place cannot have been rebound.
        return address.is_loopback or self.is_open


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the page's security headers, where it has none of its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
