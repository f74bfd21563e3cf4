"""Serves the page: its files, what was uploaded, and a websocket for each tab."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from townhall_bot.i18n import Texts
from townhall_bot.loopback.people.people import Person
from townhall_bot.loopback.server import LoopbackDiscord
from townhall_bot.loopback.web import views
from townhall_bot.loopback.web.access import FILE_POLICY, Access, add_headers
from townhall_bot.loopback.web.tab import Tab
from townhall_bot.ops.few_connections import FewConnections

log = logging.getLogger("townhall.loopback")

FOLDER = Path(__file__).parent / "page"
TEXTS = Texts.beside(__file__)
"""What the page itself says."""
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Content types of the page's files, told by this table: what a system's own says of ``.js`` differs."""
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Uploads that are shown as what they are; any other is text or a download, never something that runs."""
USUAL = ("ada", "ben", "admin")
"""Who opens a tab, in this order, where the tab does not say."""
MOST_TABS = 64
"""At a time. One more is told so and waits: a tab that lost its place to another would come back and take the next."""
MOST_CONNECTIONS = 128
"""At a time, a tab's among them; a new one takes the place of the oldest, and a tab that lost its own comes back."""
LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; a tab sends files inside its messages."""


class PageServer:
    """The page of one local Discord. ``async with`` starts and stops it; ``port`` 0 takes a free one."""

    def __init__(
        self,
        discord: LoopbackDiscord,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        key: str | None = None,
        most_tabs: int = MOST_TABS,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._most_tabs = most_tabs
        self._most_connections = most_connections
        self._discord = discord
        self._port = port
        self.access = Access(host, key)
        self._tabs: set[Tab] = set()
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> PageServer:
        app = web.Application(middlewares=[self.access.middleware()])
        app.on_response_prepare.append(add_headers)
        app.router.add_get("/", self._index)
        app.router.add_get("/static/{name:.+}", self._static)
        app.router.add_get("/attachments/{channel_id:\\d+}/{attachment_id:\\d+}/{filename}", self._upload)
        app.router.add_get("/words", self._words)
        app.router.add_get("/tab", self._tab)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        self._exit.push_async_callback(self._close_tabs)
        assert runner.server is not None  # from its setup on
        few = FewConnections(runner.server, most=self._most_connections, longest_s=None)
        listening = await few.listen(self.access.host, self._port)
        self._exit.callback(listening.close)
        self._port = self.access.port = listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def address(self) -> str:
        """The address to open on this machine, with its key."""
        host = self.access.host
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        return f"http://{shown}:{self._port}/?key={self.access.key}"

    async def _close_tabs(self) -> None:
        await asyncio.gather(*(tab.close() for tab in tuple(self._tabs)))

    async def _index(self, request: web.Request) -> web.StreamResponse:
        response = _page_file("index.html")
        if "key" in request.query:
            response.set_cookie(self.access.cookie, self.access.key, httponly=True, samesite="Strict", path="/")
        return response

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return _page_file(request.match_info["name"])

    async def _words(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({locale: TEXTS.of(locale).as_written() for locale in TEXTS.locales})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        found = self._discord.find_file(int(request.match_info["channel_id"]), int(request.match_info["attachment_id"]))
        if found is None:
            raise web.HTTPNotFound(text="This file is no longer there.\n")
        kind = found.content_type.partition(";")[0].strip().lower()
        headers = {"Content-Security-Policy": FILE_POLICY, "Cache-Control": "private, max-age=3600"}
        if kind in PICTURES:
            headers["Content-Type"] = kind
        elif kind.startswith("text/") or kind == "application/json":
            headers["Content-Type"] = "text/plain; charset=utf-8"
        else:
            headers |= {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
        return web.Response(body=found.data, headers=headers)

    def _person(self, name: str | None) -> Person:
        """Return who acts in a new tab: the one named, else the first whom no other tab is."""
        people = self._discord.townhall().people
        if name in people:
            return people[name]
        taken = {tab.person for tab in self._tabs} if name is None else set()
        return next((people[each] for each in USUAL if people[each] not in taken), people[USUAL[0]])

    async def _tab(self, request: web.Request) -> web.StreamResponse:
        person = self._person(request.query.get("as"))
        socket = web.WebSocketResponse(heartbeat=30, max_msg_size=LARGEST_MESSAGE)
        await socket.prepare(request)
        if len(self._tabs) >= self._most_tabs:
            await socket.send_json({"type": "full", "most": self._most_tabs})
            await socket.close(code=1013)  # try again later
            return socket
        person.speak(views.language(request.query.get("languages", "")))
        tab = Tab(self._discord, socket, person)
        self._tabs.add(tab)
        try:
            await tab.run()
        finally:
            self._tabs.discard(tab)
        return socket


def _page_file(name: str) -> web.Response:
    path = FOLDER / name
    kind = KINDS.get(path.suffix)
    # A path with ``..`` in it is none of those that are found there, wherever it may lead.
    if kind is None or path not in FOLDER.rglob(f"*{path.suffix}"):
        raise web.HTTPNotFound(text="The page has no such file.\n")
    return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8")
