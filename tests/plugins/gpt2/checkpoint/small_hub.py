"""A Hugging Face hub on loopback, small but answering ``huggingface_hub`` as the real one does.

Weights are redirected to another path with the headers of the hub's storage, other files are served directly; ranges
are honoured; unknown, gated and private repositories are refused with the hub's own codes; a transfer can be cut.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from aiohttp import web

from plugins.gpt2.model.constants import GPT2Config

REPO = "people/small"
"""The model that the fixture ``small_hub`` has."""
CONFIG = GPT2Config(2, 3, 48, 37, 257, 192, end_of_text=256)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str | None
    status: int


@dataclass
class SmallHub:
    """``repos`` maps ids to folders. ``cuts`` says after how many bytes each next transfer of weights breaks."""

    repos: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    cuts: deque[int] = field(default_factory=deque)
    commit: str = COMMIT
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> SmallHub:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,))
        self._thread.start()
        if not started.wait(10):
            raise TimeoutError("the small hub did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self, started: threading.Event) -> None:
        async def run() -> None:
            self._stop = asyncio.Event()
            app = web.Application()
            app.router.add_route("*", "/{owner}/{name}/resolve/{revision}/{file}", self._resolve)
            app.router.add_route("*", "/storage/{owner}/{name}/{file}", self._storage)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await self._stop.wait()
            await runner.cleanup()

        self._loop.run_until_complete(run())
        self._loop.close()

    def gets(self, ending: str) -> list[Request]:
        """Return the transfers (not the questions) of files with this ending."""
        return [request for request in self.requests if request.method == "GET" and request.path.endswith(ending)]

    def _note(self, request: web.Request, status: int) -> None:
        self.requests.append(Request(request.method, request.path, request.headers.get("Range"), status))

    def _refuse(self, request: web.Request, status: int, code: str) -> web.Response:
        self._note(request, status)
        return web.Response(status=status, headers={"X-Error-Code": code, "X-Error-Message": code})

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repo = "{owner}/{name}".format(**request.match_info)
        name = request.match_info["file"]
        if repo in self.broken:
            return self._refuse(request, 500, "InternalError")
        if repo in self.gated:
            return self._refuse(request, 401, "GatedRepo")
        if repo not in self.repos:
            return self._refuse(request, 401, "RepoNotFound")
        path = self.repos[repo] / name
        if not path.is_file():
            response = self._refuse(request, 404, "EntryNotFound")
            response.headers["X-Repo-Commit"] = self.commit
            return response
        content = path.read_bytes()
        headers = {"X-Repo-Commit": self.commit, "Accept-Ranges": "bytes"}
        if name.endswith((".safetensors", ".bin")):
            self._note(request, 302)
            headers |= {
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"{self.url.replace('127.0.0.1', 'localhost')}/storage/{repo}/{name}",  # another host
            }
            return web.Response(status=302, headers=headers)
        blob = b"blob %d\0" % len(content) + content  # git's name for it
        headers["ETag"] = f'"{hashlib.sha1(blob).hexdigest()}"'
        self._note(request, 200)
        return web.Response(body=content, headers=headers)

    async def _storage(self, request: web.Request) -> web.StreamResponse:
        content = (self.repos["{owner}/{name}".format(**request.match_info)] / request.match_info["file"]).read_bytes()
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        status = 206 if "Range" in request.headers else 200
        self._note(request, status)
        response = web.StreamResponse(status=status)
        response.content_length = len(content) - start
        if status == 206:
            response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        if self.cuts:
            await response.write(content[start : start + self.cuts.popleft()])
            assert request.transport is not None
            request.transport.close()  # what has been written goes out, then the line is dead
            return response
        await response.write(content[start:])
        return response
