"""What a tab is told and what it may do, on the wire."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.web.server import PageServer


class Wire:
    """The page's side of a tab's websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.server: dict[str, Any] = {}

    async def send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_json({"type": kind, "nonce": "n", **fields})

    async def send_raw(self, text: str) -> None:
        await self._socket.send_str(text)

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a kind, passing over others."""
        while True:
            frame: dict[str, Any] = json.loads(await self._socket.receive_str(timeout=10))
            if frame["type"] == "server":
                self.server = frame
            if frame["type"] == kind:
                return frame

    def channel(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.server["server"]["channels"] if c["name"] == name)
        return found

    @property
    def general(self) -> str:
        return str(self.channel("general")["id"])


OpenWire = Callable[[str], Awaitable[Wire]]


@pytest.fixture
async def open_wire(server: LoopbackDiscord, world: TownhallWorld) -> AsyncIterator[OpenWire]:
    async with AsyncExitStack() as stack:
        page = await stack.enter_async_context(PageServer(server))
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(query: str = "?as=ada") -> Wire:
            base = f"http://127.0.0.1:{page.port}"
            headers = {"Origin": base, "Cookie": f"{page.access.cookie}={page.access.key}"}
            socket = await stack.enter_async_context(session.ws_connect(f"{base}/tab{query}", headers=headers))
            wire = Wire(socket)
            await wire.next("server")
            return wire

        yield start


async def test_a_tab_is_told_who_it_is_and_what_there_is(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=admin")
    assert wire.server["you"]["name"] == "admin"
    assert wire.server["you"]["people"] == ["admin", "ada", "ben", "stranger"]
    assert [channel["name"] for channel in wire.server["server"]["channels"]] == ["general", "gpt2"]
    commands = {" ".join(command["path"]): command for command in wire.channel("general")["commands"]}
    assert commands["grow"]["options"][0]["max_value"] == 9
    assert commands["model set"]["description"] == "Choose a model"
    assert not commands["config"]["refused"]


async def test_commands_that_somebody_may_not_use_say_why(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada")
    refused = {c["path"][0]: c["refused"] for c in wire.channel("general")["commands"]}
    assert refused["config"] == "/config needs Manage Server, which ada lacks"
    assert refused["echo"] == ""
    # The page only shows that; the server is what refuses.
    await wire.send("use", channel=wire.general, path=["config"], values={})
    assert "Manage Server" in (await wire.next("refused"))["text"]


async def test_tabs_without_a_name_are_different_people(open_wire: OpenWire, bot: ExampleBot) -> None:
    names = [(await open_wire("")).server["you"]["name"] for _ in range(3)]
    assert names == ["ada", "ben", "admin"]


async def test_an_unknown_name_is_somebody_known(open_wire: OpenWire, bot: ExampleBot) -> None:
    assert (await open_wire("?as=nobody")).server["you"]["name"] == "ada"


async def test_a_command_runs_and_its_answer_is_told_as_it_grows(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada")
    await wire.send("use", channel=wire.general, path=["grow"], values={"words": "3", "unit": "see"})
    first = (await wire.next("message"))["message"]
    assert first["used"]["typed"] == "/grow words:3 unit:see"
    contents = {first["content"]}
    while "see see see" not in contents:
        contents.add((await wire.next("message"))["message"]["content"])


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"type": "use", "path": ["grow"], "values": {"words": "10"}}, "between 1 and 9"),
        ({"type": "use", "path": ["grow"], "values": {}}, "needs words"),
        ({"type": "use", "path": ["grow"], "values": {"words": "1", "extra": "1"}}, "has no option extra"),
        ({"type": "use", "path": ["dance"], "values": {}}, "no command /dance"),
        ({"type": "complete", "path": ["echo"], "values": {"text": "x"}}, "offers no autocomplete"),
        ({"type": "menu", "name": "Dance", "message": "1"}, "no longer there"),
        ({"type": "press", "message": "1", "custom_id": "x"}, "no longer there"),
        ({"type": "say", "text": "x" * 2001}, "2000 or fewer"),
        ({"type": "say", "text": ""}, "empty message"),
        ({"type": "use", "channel": "1", "path": ["echo"], "values": {"text": "x"}}, "does not see that channel"),
    ],
)
async def test_what_discord_would_not_take_is_refused_with_its_reason(
    action: dict[str, Any], reason: str, open_wire: OpenWire, bot: ExampleBot
) -> None:
    wire = await open_wire("?as=ada")
    kind = action.pop("type")
    await wire.send(kind, **{"channel": wire.general, **action})
    refused = await wire.next("refused")
    assert reason in refused["text"]
    assert refused["nonce"] == "n"


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"type":"none"}', '{"type":"use"}', '{"type":["use"]}', "1e999"]
)
async def test_nonsense_is_answered_and_the_tab_goes_on(text: str, open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada")
    await wire.send_raw(text)
    assert "reload it" in (await wire.next("refused"))["text"]
    await wire.send("say", channel=wire.general, text="still here")
    assert (await wire.next("message"))["message"]["content"] == "still here"


async def test_a_silent_bot_is_overdue(open_wire: OpenWire, bot: ExampleBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("townhall_bot.loopback.world.world.FIRST_ANSWER_SECONDS", 0.02)
    wire = await open_wire("?as=ada")
    await wire.send("use", channel=wire.general, path=["late"], values={})
    assert (await wire.next("overdue"))["nonce"] == "n"
    bot.gate.set()
    assert (await bot.refusal()).code == 10062


async def test_files_go_to_a_commands_option_and_into_a_message(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada")
    file = {"name": "note.txt", "data": base64.b64encode(b"read me").decode()}
    await wire.send("use", channel=wire.general, path=["read"], values={}, files={"file": file})
    assert (await wire.next("message"))["message"]["content"] == "read me"
    await wire.send("say", channel=wire.general, text="", files=[file])
    attached = (await wire.next("message"))["message"]["attachments"][0]
    assert attached["url"].startswith("/attachments/")
    assert attached["content_type"] == "text/plain"


async def test_an_ephemeral_answer_is_told_to_its_asker_alone(open_wire: OpenWire, bot: ExampleBot) -> None:
    ada, ben = await open_wire("?as=ada"), await open_wire("?as=ben")
    await ada.send("use", channel=ada.general, path=["think"], values={})
    secret = (await ada.next("message"))["message"]
    await ada.send("say", channel=ada.general, text="for all")
    seen = (await ben.next("message"))["message"]
    assert seen["content"] == "for all"
    # Neither may others press or inspect what they do not see.
    await ben.send("inspect", channel=ben.general, message=secret["id"])
    assert "no longer there" in (await ben.next("refused"))["text"]


async def test_a_deleted_message_goes_and_reconnecting_bots_are_told(
    open_wire: OpenWire, bot: ExampleBot, world: TownhallWorld
) -> None:
    wire = await open_wire("?as=ada")
    said = await world.people["ben"].say("soon gone")
    world.guild.world.delete(said)
    assert (await wire.next("gone"))["id"] == str(said.id)
    await bot.close()
    while wire.server["server"]["members"][0]["online"]:
        await wire.next("server")


async def test_the_traffic_behind_a_message_names_no_token(
    open_wire: OpenWire, bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    wire = await open_wire("?as=ada")
    turn = await world.people["ada"].type("/grow words:2")
    await turn.until(lambda turn: len(turn.messages) == 2)
    grown, file = turn.messages
    await wire.send("inspect", channel=str(grown.channel.id), message=str(grown.id))
    entries = (await wire.next("traffic"))["entries"]
    titles = [entry["title"].split("/")[0].strip() for entry in entries]
    assert titles[:3] == ["INTERACTION_CREATE", "POST", "MESSAGE_CREATE"]
    assert titles[3:].count("PATCH") == 2
    assert titles.count("MESSAGE_UPDATE") == 2
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert turn.interaction.token not in json.dumps(entries)
    # The follow-up's own traffic is shown with the follow-up.
    await wire.send("inspect", channel=str(file.channel.id), message=str(file.id))
    own = (await wire.next("traffic"))["entries"]
    assert any(entry["title"] == "POST /webhooks/{webhook_id}/{webhook_token}" for entry in own)
    assert not any(entry["title"].startswith("PATCH") for entry in own)


async def test_leaving_the_server_shuts_the_tab(server: LoopbackDiscord, world: TownhallWorld) -> None:
    async with aiohttp.ClientSession() as session:
        async with PageServer(server) as page:
            base = f"http://127.0.0.1:{page.port}"
            headers = {"Origin": base, "Cookie": f"{page.access.cookie}={page.access.key}"}
            socket = await session.ws_connect(f"{base}/tab", headers=headers)
            await socket.receive()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


@pytest.mark.parametrize(
    "fields",
    [
        r'"type": "say", "text": "\ud800", "nonce": "n"',
        r'"type": "say", "text": "x", "nonce": "\ud800"',
        r'"type": "say", "text": "x", "nonce": "n", "files": [{"name": "\udfff.txt", "data": ""}]',
        r'"type": "use", "path": ["echo"], "values": {"text": "\ud800"}, "nonce": "n"',
        '"type": "say", "text": "x", "nonce": "n", "channel": 1e400',
        '"type": "use", "path": ["grow"], "values": {"words": NaN}, "nonce": "n"',
    ],
)
async def test_what_cannot_be_sent_on_is_refused_and_page_and_bot_work_on(
    open_wire: OpenWire, bot: ExampleBot, fields: str
) -> None:
    wire = await open_wire("?as=ada")
    await wire.send_raw(f'{{"channel": "{wire.general}", {fields}}}')
    assert "reload" in (await wire.next("refused"))["text"]
    await wire.send("use", channel=wire.general, path=["echo"], values={"text": "still here"})
    assert (await wire.next("message"))["message"]["content"] == "still here"


@pytest.mark.parametrize(
    ("languages", "language"),
    [
        ("de-DE,de,en", "de"),
        ("fr,de-AT", "de"),
        ("en-GB,de", "en-US"),
        ("fr", "en-US"),
        ("", "en-US"),
        (",;-", "en-US"),
    ],
)
async def test_somebodys_client_has_the_language_of_their_browser(
    languages: str, language: str, open_wire: OpenWire, bot: ExampleBot, world: TownhallWorld
) -> None:
    wire = await open_wire(f"?as=ada&languages={languages}")
    assert wire.server["you"]["language"] == language
    assert world.people["ada"].user.locale == language


async def test_a_language_that_was_chosen_stays(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada&languages=de")
    await wire.send("language", locale="en-US")
    assert (await wire.next("server"))["you"]["language"] == "en-US"
    assert (await open_wire("?as=ada&languages=de")).server["you"]["language"] == "en-US"
    await wire.send("language", locale="fr")
    assert "en-US, de" in (await wire.next("refused"))["text"]


async def test_commands_menus_and_choices_are_named_in_ones_language(
    open_wire: OpenWire, bot: ExampleBot, server: LoopbackDiscord
) -> None:
    for command in server.commands:
        command.definition["name_localizations"] = {"de": f"{command.name} auf Deutsch"}
        for option in command.definition.get("options") or []:
            for choice in option.get("choices") or []:
                choice["name_localizations"] = {"de": f"{choice['name']} auf Deutsch"}
    english, german = await open_wire("?as=ada"), await open_wire("?as=ben&languages=de")
    told = {
        name: {command["path"][0]: command for command in wire.channel("general")["commands"]}
        for name, wire in (("en", english), ("de", german))
    }
    menus = [name for name, command in told["en"].items() if command["type"] != 1]
    assert menus
    assert [told["en"][name]["label"] for name in menus] == menus
    assert [told["de"][name]["label"] for name in menus] == [f"{name} auf Deutsch" for name in menus]
    units = next(option for option in told["de"]["grow"]["options"] if option["name"] == "unit")["choices"]
    assert [(each["name"], each["value"]) for each in units] == [
        ("hear auf Deutsch", "hear"),
        ("see auf Deutsch", "see"),
    ]


async def test_what_somebody_may_not_do_is_told_in_their_language(open_wire: OpenWire, bot: ExampleBot) -> None:
    wire = await open_wire("?as=ada&languages=de")
    refused = {command["path"][0]: command["refused"] for command in wire.channel("general")["commands"]}
    assert refused["config"] == "/config braucht „Server verwalten“, das ada fehlt"
    await wire.send("use", channel=wire.general, path=["grow"], values={"words": "many"})
    assert (await wire.next("refused"))["text"] == "words: erwartet wird eine ganze Zahl, nicht „many“"
    await wire.send_raw("nonsense")
    assert (await wire.next("refused"))["text"].startswith("Die Seite und ihr Server verstehen einander nicht")


async def test_a_language_holds_in_all_tabs_of_a_person(open_wire: OpenWire, bot: ExampleBot) -> None:
    one, other, ben = await open_wire("?as=ada"), await open_wire("?as=ada"), await open_wire("?as=ben")
    await one.send("language", locale="de")
    for wire in (one, other):
        assert (await wire.next("server"))["you"]["language"] == "de"
    await ben.send("say", channel=ben.general, text="what comes next")
    await ben.next("message")
    assert ben.server["you"]["language"] == "en-US"
