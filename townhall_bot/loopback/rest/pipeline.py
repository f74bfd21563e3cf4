"""What every request goes through: the record, faults, token, rate limit, body, OpenAPI check, then its handler."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_request import FileField

from townhall_bot.loopback.faults.fault import Fault
from townhall_bot.loopback.faults.faults import Faults
from townhall_bot.loopback.rest.routing import Call, Route, Upload, major_parameters
from townhall_bot.loopback.wire.openapi import RequestChecker
from townhall_bot.loopback.wire.rate_limits import RateLimiter, Verdict
from townhall_bot.loopback.world import errors, json_text
from townhall_bot.loopback.world.errors import DiscordError
from townhall_bot.loopback.world.world import World

log = logging.getLogger("townhall.loopback")

API = "/api/v10"
REMEMBERED_REQUESTS = 5000
Body = tuple[Any, dict[int, Upload]]


@dataclass(slots=True)
class RecordedRequest:
    """One request as it was, for tests and an inspector. ``route`` is None for a path that Discord does not know.

    ``schema_errors`` are the request's faults by Discord's OpenAPI description, ``answer_errors`` this server's own.
    """

    method: str
    path: str
    route: str | None
    at: float
    body: Any = field(default=None, repr=False)
    status: int = 0
    seconds: float = 0.0
    code: int | None = None
    answer: Any = field(default=None, repr=False)
    schema_errors: list[str] = field(default_factory=list)
    answer_errors: list[str] = field(default_factory=list)


class Pipeline:
    """Turns routes into aiohttp handlers and remembers the last requests."""

    def __init__(self, world: World, faults: Faults, limiter: RateLimiter, checker: RequestChecker | None) -> None:
        self._world = world
        self._faults = faults
        self._limiter = limiter
        self._checker = checker
        self._known: list[re.Pattern[str]] = []
        self.requests: deque[RecordedRequest] = deque(maxlen=REMEMBERED_REQUESTS)

    def install(self, app: web.Application, routes: Iterable[Route]) -> None:
        """Add the routes to an application, and the answer to all others."""
        for route in routes:
            app.router.add_route(route.method, API + route.path, self._handler(route))
            self._known.append(re.compile(re.sub(r"\{\w+\}", "[^/]+", API + route.path)))
        app.router.add_route("*", "/api/{rest:.*}", self._unknown)

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            record = self._record(request, route.path)
            started = time.perf_counter()
            fault = self._faults.next_for(route.method, route.path)
            try:
                response = await self._answer_despite(fault, route, request, record)
            finally:
                record.seconds = time.perf_counter() - started
            record.status = response.status
            return response

        return handle

    async def _answer_despite(
        self, fault: Fault | None, route: Route, request: web.Request, record: RecordedRequest
    ) -> web.Response:
        if fault is None:
            return await self._answer(route, request, record)
        fault.arrived.set()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.released is not None:
            await fault.released.wait()
        if fault.after or (fault.status is None and not fault.cut):
            response = await self._answer(route, request, record)
            if fault.status is None and not fault.cut:
                return response
        if fault.cut:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=502)
        if fault.body is not None:
            headers = {"Via": "1.1 proxy"} if fault.by_proxy else {}
            return web.Response(status=fault.status or 200, text=fault.body, content_type="text/html", headers=headers)
        if fault.code and fault.status != 429:
            return _json({"message": f"Refused with code {fault.code}", "code": fault.code}, fault.status or 400, {})
        if fault.status == 429:
            name = f"{route.method} {route.path}"
            verdict = self._limiter.exhausted(route.rate, name, fault.retry_after, is_global=fault.is_global)
            return _too_many(verdict, fault.code)
        return web.Response(status=fault.status or 502, text="upstream connect error")

    async def _answer(self, route: Route, request: web.Request, record: RecordedRequest) -> web.Response:
        verdict = Verdict({})
        try:
            if route.needs_token and request.headers.get(hdrs.AUTHORIZATION) != f"Bot {self._world.application.token}":
                raise errors.unauthorized()
            if route.rate is not None:
                majors = tuple(request.match_info[name] for name in major_parameters(route.path))
                verdict = self._limiter.take(
                    route.rate, f"{route.method} {route.path}", majors, counts_globally=route.needs_token
                )
                if verdict.retry_after is not None:
                    return _too_many(verdict)
            body, uploads = await _read(request)
            record.body = body
            if self._checker is not None:
                record.schema_errors = self._checker.faults(route.method, route.path, body)
                if record.schema_errors:
                    # The faults quote the body, prompts and texts included; those never go to the log.
                    log.warning("a request breaks Discord's description: %s %s", route.method, route.path)
            call = Call(self._world, dict(request.match_info), request.query, body, uploads)
            result = await route.handle(call)
        except DiscordError as error:
            record.code = error.code
            log.debug("%s %s refused: %s", route.method, route.path, error)
            return _json(error.payload(), error.status, verdict.headers)
        if result is None:
            return web.Response(status=204, headers=verdict.headers)
        record.answer = result
        if self._checker is not None:
            record.answer_errors = self._checker.answer_faults(route.method, route.path, 200, result)
        return _json(result, 200, verdict.headers)

    async def _unknown(self, request: web.Request) -> web.Response:
        record = self._record(request, None)
        known = any(pattern.fullmatch(request.path) for pattern in self._known)
        error = errors.method_not_allowed() if known else errors.not_found()
        record.status, record.code = error.status, error.code
        log.warning("%s %s is no route of this Discord", request.method, request.path)
        return _json(error.payload(), error.status, {})

    def _record(self, request: web.Request, route: str | None) -> RecordedRequest:
        record = RecordedRequest(request.method, request.path.removeprefix(API), route, self._world.clock())
        self.requests.append(record)
        return record


async def _read(request: web.Request) -> Body:
    """Return a request's JSON and files; raises 50109."""
    if request.content_type == "multipart/form-data":
        form = await request.post()
        text = form.get("payload_json", "{}")
        uploads = {
            int(name[len("files[") : -1]): Upload(value.filename, value.content_type, value.file.read())
            for name, value in form.items()
            if isinstance(value, FileField) and name.startswith("files[") and name[len("files[") : -1].isdecimal()
        }
        return _parse(str(text)), uploads
    raw = await request.text()
    return (_parse(raw) if raw else None), {}


def _parse(text: str) -> Any:
    try:
        return json_text.read(text)
    except ValueError:
        raise errors.invalid_json() from None


def _too_many(verdict: Verdict, code: int = 0) -> web.Response:
    body = {
        "message": "You are being rate limited.",
        "retry_after": verdict.retry_after,
        "global": verdict.is_global,
    }
    if code:
        body |= {"message": f"Refused with code {code}", "code": code}
    return _json(body, 429, verdict.headers)


def _json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    # discord.py parses bodies only where the content type has no charset; without Via a 429 means a ban to it.
    return web.Response(
        body=json_text.write(body).encode(),
        status=status,
        headers={"Via": "1.1 loopback", **headers},
        content_type="application/json",
    )
