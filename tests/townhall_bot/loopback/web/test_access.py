"""Only the page itself, by an address of this machine, with the key, gets anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.web.access import Access
from townhall_bot.loopback.web.server import PageServer

PAGES = ("/", "/static/main.js", "/static/logo.svg", "/words", "/tab", "/attachments/1/2/x.txt")


@pytest.fixture
async def page(server: LoopbackDiscord, world: TownhallWorld) -> AsyncIterator[PageServer]:
    async with PageServer(server) as page:
        yield page


@pytest.fixture
async def visitor() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def at(page: PageServer, path: str) -> str:
    return f"http://127.0.0.1:{page.port}{path}"


def holding_key(page: PageServer) -> dict[str, str]:
    return {"Cookie": f"{page.access.cookie}={page.access.key}"}


async def status(visitor: aiohttp.ClientSession, address: str, headers: Mapping[str, str]) -> int:
    async with visitor.get(address, headers=headers) as answer:
        return answer.status


async def test_the_printed_address_opens_the_page_and_leaves_the_key_in_a_cookie(
    page: PageServer, visitor: aiohttp.ClientSession
) -> None:
    assert page.address == f"http://127.0.0.1:{page.port}/?key={page.access.key}"
    async with visitor.get(page.address) as answer:
        assert answer.status == 200
        assert "<title>Townhall</title>" in await answer.text()
        cookie = answer.headers["Set-Cookie"]
        policy = answer.headers["Content-Security-Policy"]
    assert cookie.startswith(f"townhall_{page.port}={page.access.key};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert await status(visitor, at(page, "/static/main.js"), holding_key(page)) == 200


@pytest.mark.parametrize("path", PAGES)
async def test_without_the_key_there_is_nothing(path: str, page: PageServer, visitor: aiohttp.ClientSession) -> None:
    async with visitor.get(at(page, path)) as answer:
        assert answer.status == 403
        assert "whole address" in await answer.text()
    wrong = {"Cookie": f"{page.access.cookie}=guess"}
    assert await status(visitor, at(page, path), wrong) == 403
    assert await status(visitor, at(page, f"{path}?key=guess"), {}) == 403
    # The key in an address opens the page alone, so that no other address need carry it.
    assert path == "/" or await status(visitor, at(page, f"{path}?key={page.access.key}"), {}) == 403


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "x:y:z"]
)
async def test_a_rebound_name_is_refused_even_with_the_key(
    name: str, path: str, page: PageServer, visitor: aiohttp.ClientSession
) -> None:
    host = {"Host": f"{name}:{page.port}" if name else ""}
    assert await status(visitor, at(page, path), {**holding_key(page), **host}) in (400, 403)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "127.8.8.8", "LOCALHOST"])
async def test_every_name_of_this_machine_will_do(name: str, page: PageServer, visitor: aiohttp.ClientSession) -> None:
    host = {"Host": f"{name}:{page.port}"}
    assert await status(visitor, at(page, "/static/main.js"), {**holding_key(page), **host}) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "null",
        "file://",
    ],
)
async def test_a_websocket_of_another_origin_is_refused_even_with_the_key(
    origin: str, page: PageServer, visitor: aiohttp.ClientSession
) -> None:
    headers = {**holding_key(page), "Origin": origin.format(port=page.port)}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.ws_connect(at(page, "/tab"), headers=headers)
    assert refused.value.status == 403


async def test_a_websocket_that_names_no_origin_is_refused(page: PageServer, visitor: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.ws_connect(at(page, "/tab"), headers=holding_key(page))
    assert refused.value.status == 403


async def test_a_websocket_of_the_page_without_the_key_is_refused(
    page: PageServer, visitor: aiohttp.ClientSession
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.ws_connect(at(page, "/tab"), headers={"Origin": at(page, "")})
    assert refused.value.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_other_sites_embed_nothing_but_may_link_to_the_page(
    site: str, page: PageServer, visitor: aiohttp.ClientSession
) -> None:
    image = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert await status(visitor, at(page, "/static/logo.svg"), {**holding_key(page), **image}) == 403
    assert await status(visitor, at(page, "/"), {**holding_key(page), **image}) == 403
    assert await status(visitor, page.address, link) == 200


@pytest.mark.parametrize(
    "name",
    [
        *("..%2Fserver.py", "%2e%2e%2fserver.py", "style/..%2f..%2fserver.py"),
        *("nothing.js", "index.html%00.js", ".hidden", "style", "/etc/passwd", "%2fetc%2fpasswd"),
    ],
)
async def test_only_the_pages_own_files_are_served(name: str, page: PageServer, visitor: aiohttp.ClientSession) -> None:
    assert await status(visitor, at(page, f"/static/{name}"), holding_key(page)) in (400, 404)


async def test_every_answer_carries_the_security_headers(page: PageServer, visitor: aiohttp.ClientSession) -> None:
    for path in ("/", "/static/style/theme.css", "/static/none.js"):
        async with visitor.get(at(page, path), headers=holding_key(page)) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("192.168.1.7", True),
        ("my-host", True),
    ],
)
def test_it_is_known_which_hosts_others_can_reach(host: str, is_open: bool) -> None:
    assert Access(host).is_open is is_open


async def test_in_a_trusted_network_addresses_will_do_and_names_will_not(
    server: LoopbackDiscord, world: TownhallWorld, visitor: aiohttp.ClientSession
) -> None:
    async with PageServer(server, host="0.0.0.0", key="known") as page:
        assert page.address.startswith("http://127.0.0.1:")
        for name, expected in (("192.168.1.7", 200), ("evil.example", 403)):
            headers = {**holding_key(page), "Host": f"{name}:{page.port}"}
            assert await status(visitor, at(page, "/static/main.js"), headers) == expected


async def test_uploads_never_run_whatever_they_claim_to_be(
    page: PageServer, visitor: aiohttp.ClientSession, bot: ExampleBot, world: TownhallWorld
) -> None:
    names = {
        "page.html": "text/plain; charset=utf-8",
        "code.js": "text/plain; charset=utf-8",
        "data.json": "text/plain; charset=utf-8",
        "drawing.svg": "application/octet-stream",
        "book.pdf": "application/octet-stream",
        "photo.png": "image/png",
    }
    said = await world.people["ada"].say("files", files=[(name, b"<script>1</script>") for name in names])
    for file in said.attachments:
        path = f"/attachments/{said.channel.id}/{file.id}/{file.filename}"
        async with visitor.get(at(page, path), headers=holding_key(page)) as answer:
            assert answer.headers["Content-Type"] == names[file.filename]
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert await answer.read() == b"<script>1</script>"
    assert await status(visitor, at(page, f"/attachments/{said.channel.id}/1/none.png"), holding_key(page)) == 404
