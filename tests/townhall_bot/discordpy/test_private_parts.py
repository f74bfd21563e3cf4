"""What ``townhall_bot/discordpy`` stands on: each private or undocumented part of discord.py, and how it is used.

discord.py may change any of these with the next patch release. Then one case here says which, and which file to mend.
"""

from __future__ import annotations

import ast
import inspect
import re
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import discord
import pytest
import yarl

from tests.townhall_bot.discordpy.private_names import is_discords, private_names_in
from townhall_bot.discordpy import (
    components,
    endpoints,
    forms,
    gateway,
    interactions,
    messages,
    posted,
    proxy,
    registration,
    retries,
)

ROOM = Path(endpoints.__file__).parent
CHECKOUT = ROOM.parents[1]
ROUTE = ("GET", "/webhooks/{webhook_id}/{webhook_token}")


@dataclass(frozen=True)
class Part:
    """One part: its path, the modules of ours that stand on it, and whether what is found there is what they need.

    A path that begins with ``client.`` leads from a client at hand: what is there exists only on one.
    """

    path: str
    used_by: tuple[Any, ...]
    check: Callable[[Any], object]

    def find(self) -> Any:
        if not self.path.startswith("client."):
            return resolve_name(self.path)
        found: Any = discord.Client(intents=discord.Intents.none())
        for name in self.path.split(".")[1:]:
            found = getattr(found, name)
        return found


def takes(*args: object, **named: object) -> Callable[[Any], object]:
    """Return a check that something can be called so; what it is called with is named by what we pass."""
    return lambda call: inspect.signature(call).bind(*args, **named)


def awaits(*args: object, **named: object) -> Callable[[Any], object]:
    def check(call: Any) -> None:
        takes(*args, **named)(call)
        assert inspect.iscoroutinefunction(call), "it is no coroutine function"

    return check


def names_its_parameters(*names: str) -> Callable[[Any], object]:
    def check(call: Any) -> None:
        assert list(inspect.signature(call).parameters) == list(names)

    return check


def reads(*words: str) -> Callable[[Any], object]:
    """Return a check that a function's source says so: how it goes on cannot be asked of its signature."""

    def check(call: Any) -> None:
        source = inspect.getsource(call)
        assert not [word for word in words if word not in source], f"its source no longer says {words}"

    return check


def is_a(*kinds: type) -> Callable[[Any], object]:
    def check(found: Any) -> None:
        assert isinstance(found, kinds), f"it is a {type(found).__name__}"

    return check


def is_a_subclass_of(kind: type) -> Callable[[Any], object]:
    def check(found: Any) -> None:
        assert issubclass(found, kind)

    return check


def all_of(*checks: Callable[[Any], object]) -> Callable[[Any], object]:
    def check(found: Any) -> None:
        for each in checks:
            each(found)

    return check


def a_route_made_by(cls: Any) -> None:
    route = cls(*ROUTE, webhook_id=7, webhook_token="secret")
    assert (route.method, route.path) == ROUTE
    assert (route.webhook_id, route.webhook_token) == (7, "secret")
    assert route.url == f"{cls.BASE}/webhooks/7/secret"


def a_parser_of_interactions(parsers: dict[str, Any]) -> None:
    takes({})(parsers[interactions.EVENT])


def parsers_of_messages(parsers: dict[str, Any]) -> None:
    for event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
        takes({})(parsers[event])


def what_a_first_answer_became(cls: Any) -> None:
    """discord.py reads from this what :func:`retries._answered` puts together."""
    told = {"interaction": {"id": "1", "response_message_id": "2", "response_message_loading": True}}
    read = cls(data=told, parent=None, state=None, type=discord.InteractionResponseType.channel_message)
    assert (read.id, read.message_id, read.is_thinking(), read.is_ephemeral()) == (1, 2, True, False)


HTTP, ADAPTER = "discord.http.HTTPClient", "discord.webhook.async_.AsyncWebhookAdapter"
STORE = "client._connection._view_store"
COMMANDS = [f"discord.app_commands.{kind}" for kind in ("Command", "Group", "ContextMenu")]

PARTS = [
    Part("discord.http.Route", (endpoints, retries), a_route_made_by),
    Part("discord.http.Route.BASE", (endpoints,), is_a(str)),
    Part("discord.gateway.DiscordWebSocket", (endpoints,), is_a(type)),
    Part("discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY", (endpoints,), is_a(yarl.URL)),
    Part("client.ws", (gateway,), is_a(type(None))),
    Part("discord.gateway.DiscordWebSocket.open", (gateway,), is_a(property)),
    Part("discord.gateway.DiscordWebSocket.__init__", (gateway,), reads("self.loop")),
    Part("discord.gateway.KeepAliveHandler", (gateway,), is_a_subclass_of(threading.Thread)),
    Part("discord.gateway.KeepAliveHandler.__init__", (gateway,), reads("self.ws")),
    Part("discord.gateway.KeepAliveHandler.stop", (gateway,), takes(...)),
    Part("discord.VoiceClient.warn_nacl", (gateway,), is_a(bool)),
    Part("discord.VoiceClient.warn_dave", (gateway,), is_a(bool)),
    Part("client._connection", (interactions, messages, components), is_a(object)),
    Part("client._connection.parsers", (interactions, posted), a_parser_of_interactions),
    Part("client._connection.call_handlers", (posted,), takes("ready")),
    Part("client._connection.dispatch", (posted,), takes("ready")),
    Part("client._connection.parsers", (messages,), parsers_of_messages),
    Part("discord.gateway.DiscordWebSocket.received_message", (interactions,), reads("_discord_parsers[event]")),
    Part("discord.ui.view.BaseView", (components,), is_a_subclass_of(object)),
    Part("discord.ui.view.BaseView.on_error", (components,), awaits("self", "interaction", "error", "item")),
    Part("discord.ui.Modal.on_error", (components,), awaits("self", "interaction", "error")),
    Part(STORE, (components,), is_a(object)),
    Part(f"{STORE}.add_task", (components,), takes("task")),
    Part(
        f"{STORE}.dispatch_view",
        (components,),
        all_of(names_its_parameters("component_type", "custom_id", "interaction"), reads("self.add_task(")),
    ),
    Part(
        f"{STORE}.dispatch_modal",
        (components,),
        all_of(takes("custom_id", "interaction", "components", "resolved"), reads("self.add_task(")),
    ),
    Part(
        f"{STORE}.schedule_dynamic_item_call",
        (components,),
        all_of(
            awaits("component_type", "factory", "interaction", "custom_id", "match"),
            reads("factory.from_custom_id(", "item.interaction_check(", "item.callback("),
        ),
    ),
    Part(
        "client._connection.parse_interaction_create",
        (components,),
        reads("_view_store.dispatch_view(", "_view_store.dispatch_modal("),
    ),
    Part("client.http", (retries, registration, gateway, proxy), is_a(object)),
    Part("client.http.proxy", (proxy,), is_a(type(None))),
    Part(
        f"{HTTP}.ws_connect",
        (proxy,),
        all_of(awaits("self", "url", compress=0), reads("self.proxy", "__session.ws_connect(url")),
    ),
    Part("discord.gateway.DiscordWebSocket.from_client", (proxy,), reads("client.http.ws_connect(")),
    Part("discord.InteractionResponse.send_modal", (forms,), reads("if not modal.is_finished():")),
    Part("discord.InteractionResponse.defer", (proxy,), reads("proxy=http.proxy")),
    Part(
        "client.http.get_bot_gateway", (gateway,), all_of(awaits(), reads("data['url'], data['session_start_limit']"))
    ),
    Part(
        f"{HTTP}.request",
        (retries,),
        all_of(
            awaits("self", "route", files=None, form=None, json={}, params={}, reason=""),
            reads(str(retries.REPEATED_BY_DISCORD_PY).strip("()")),
        ),
    ),
    Part("discord.http.HTTPClient.send_message", (retries,), reads("/channels/{channel_id}/messages")),
    Part("discord.http.HTTPClient.start_private_message", (retries,), reads("/users/@me/channels")),
    Part("discord.File.reset", (retries,), takes("self")),
    Part(ADAPTER, (retries,), takes()),
    Part("discord.http.HTTPClient", (retries,), takes("loop")),
    Part(f"{HTTP}.get_ratelimit", (retries,), takes("self", "key")),
    Part("discord.http.Ratelimit", (retries,), takes(30.0)),
    Part("discord.http.Ratelimit._max_ratelimit_timeout", (retries,), inspect.ismemberdescriptor),
    Part(
        "discord.http.Ratelimit.acquire",
        (retries,),
        all_of(awaits("self"), reads("self._max_ratelimit_timeout is not None"), reads("self.remaining <= 0")),
    ),
    Part(
        f"{ADAPTER}.request",
        (retries,),
        all_of(awaits("self", "route", "session", files=None, payload={}), reads("session.request(")),
    ),
    Part(
        f"{ADAPTER}.get_original_interaction_response",
        (retries,),
        takes("self", "application_id", "token", session="session"),
    ),
    Part(f"{ADAPTER}.create_interaction_response", (retries,), reads("/callback")),
    Part("discord.webhook.async_.async_context", (retries,), is_a(ContextVar)),
    Part("discord.InteractionCallbackResponse", (retries,), what_a_first_answer_became),
    *(
        Part(f"{HTTP}.{name}", (registration,), takes("self", "application_id", *more))
        for name, more in (
            ("get_global_commands", ()),
            ("bulk_upsert_global_commands", ("payload",)),
            ("get_guild_commands", ("guild_id",)),
            ("bulk_upsert_guild_commands", ("guild_id", "payload")),
        )
    ),
    *(Part(f"{kind}.to_dict", (registration,), takes("self", "tree")) for kind in COMMANDS),
    *(
        Part(f"{kind}.get_translated_payload", (registration,), awaits("self", "tree", "translator"))
        for kind in COMMANDS
    ),
    Part("discord.Client.dispatch", (), takes("self", "event", "argument", "argument")),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.path)
def test_discord_py_has_what_this_room_stands_on(part: Part) -> None:
    stands = ", ".join(f"{Path(module.__file__).relative_to(CHECKOUT)}" for module in part.used_by)
    cure = f"discord.py {discord.__version__} changed {part.path}; mend {stands}"
    try:
        found = part.find()
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{cure}: {error}")
    try:
        part.check(found)
    except (AssertionError, TypeError, KeyError, AttributeError) as error:
        pytest.fail(f"{cure}: {error}")


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda file: file.name)
def test_every_private_part_in_this_room_has_a_case(file: Path) -> None:
    paths = {part.path for part in PARTS if any(module.__file__ == str(file) for module in part.used_by)}
    known = paths | {name for path in paths for name in path.split(".")}
    assert {name for _, name in private_names_in(file.read_text())} <= known


def test_nothing_private_of_discord_py_is_used_outside_of_this_room() -> None:
    found = []
    for folder in ("townhall_bot", "plugins", "tests", "bench", "tools", "docs"):
        for file in sorted((CHECKOUT / folder).rglob("*.py")):
            if file.parent != ROOM and file != Path(__file__):
                place = file.relative_to(CHECKOUT)
                found += [f"{place}:{line}: {name}" for line, name in private_names_in(file.read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from discord.http import Route", "discord.http.Route"),
        ("import discord.gateway", "discord.gateway"),
        ("import discord; discord.Client()._connection", "_connection"),
        ("import discord; discord.Client().http", "http"),
        ("import discord\nclass Bot(discord.Client):\n def stop(self): self._ready", "_ready"),
        ("patch('discord.http.Route.BASE')", "discord.http.Route.BASE"),
    ],
)
def test_what_is_private_is_seen(line: str, name: str) -> None:
    assert [found for _, found in private_names_in(line)] == [name]


@pytest.mark.parametrize(
    "line",
    [
        "import discord; discord.ui.View().children",
        "from discord import app_commands; app_commands.Command.name",
        "import discord\nclass Bot(discord.Client):\n def stop(self): self._mine = 1; self._mine",
        "logging.getLogger('discord.gateway')",
        "response._private  # of a module that does not know discord.py",
    ],
)
def test_what_is_public_is_let_be(line: str) -> None:
    assert list(private_names_in(line)) == []


def classes_of_discord_py() -> Iterator[tuple[type, set[str]]]:
    """Yield each class of ours that is one of discord.py's kinds, with the names it gives to attributes of its own."""
    for folder in ("townhall_bot", "plugins"):
        for file in sorted((CHECKOUT / folder).rglob("*.py")):
            for cls in ast.walk(ast.parse(file.read_text())):
                if isinstance(cls, ast.ClassDef) and is_discords(cls):
                    module = ".".join(file.relative_to(CHECKOUT).with_suffix("").parts)
                    yield (
                        getattr(import_module(module), cls.name),
                        {
                            node.attr
                            for node in ast.walk(cls)
                            if isinstance(node, ast.Attribute)
                            and isinstance(node.ctx, ast.Store)
                            and ast.unparse(node.value) == "self"
                        },
                    )


@pytest.mark.parametrize(("cls", "own"), [*classes_of_discord_py()], ids=lambda value: getattr(value, "__name__", ""))
def test_attributes_of_ours_do_not_hide_discord_py_s_own(cls: type, own: set[str]) -> None:
    theirs = [base for base in cls.__mro__ if base.__module__.startswith("discord.")]
    taken = {name for base in theirs for name in dir(base)}
    taken |= {name for base in theirs for name in re.findall(r"self\.(\w+)(?:: .+)? = ", inspect.getsource(base))}
    assert theirs
    assert own & taken == set()
