"""One tab of the page: what a person sees of the world, as it changes, and what they do."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from townhall_bot.loopback.people.people import Person
from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.people.turn import Turn
from townhall_bot.loopback.server import LoopbackDiscord
from townhall_bot.loopback.web import traffic, views
from townhall_bot.loopback.world import json_text
from townhall_bot.loopback.world.enums import ResponseType
from townhall_bot.loopback.world.errors import DiscordError
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Channel, Interaction, Message, Payload

log = logging.getLogger("townhall.loopback")

FURNITURE = (
    "commands_registered", "channel_created", "channel_updated", "channel_deleted", "role_created", "member_joined",
    "member_updated", "member_left", "guild_left", "bot_connected", "bot_disconnected",
)  # fmt: skip
"""Changes after which the tab gets the whole server anew."""


class Tab:
    """A websocket on which ``person`` sees and acts. What they do wrong is told in a ``refused``, with its reason."""

    def __init__(self, discord: LoopbackDiscord, socket: web.WebSocketResponse, person: Person) -> None:
        self._discord = discord
        self._socket = socket
        self.person = person
        self._outbox: asyncio.Queue[Callable[[], Payload]] = asyncio.Queue()
        self._waiting: set[int] = set()
        self._turns: dict[int, tuple[str, Turn]] = {}
        self._actions: dict[str, Callable[[Payload], Awaitable[None]]] = {
            "use": self._use,
            "menu": self._menu,
            "complete": self._complete,
            "press": self._press,
            "select": self._select,
            "submit": self._submit,
            "say": self._say,
            "reword": self._reword,
            "remove": self._remove,
            "thread": self._thread,
            "direct": self._direct,
            "group": self._group,
            "install": self._install,
            "language": self._language,
            "inspect": self._inspect,
        }

    async def run(self) -> None:
        """Tell the tab what there is, then what changes, until it closes."""
        self._send_server()
        end = self._discord.world.subscribe(self._changed)
        writer = asyncio.create_task(self._write(), name="townhall-tab")
        try:
            async for frame in self._socket:
                if frame.type is WSMsgType.TEXT:
                    await self._act(frame.data)
        finally:
            end()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self) -> None:
        """Let the tab know that the server goes."""
        await self._socket.close(code=1001)

    async def _write(self) -> None:
        while True:
            view = await self._outbox.get()
            try:
                await self._socket.send_str(json_text.write(view()))
            except ConnectionError:
                return
            except Exception:  # one thing that cannot be shown must not keep all that follows from the tab
                log.exception("something could not be shown in %s's tab", self.person.name)

    def _send(self, kind: str, **fields: Any) -> None:
        self._outbox.put_nowait(lambda: {"type": kind, **fields})

    def _send_server(self) -> None:
        def view() -> Payload:
            names = [name for name in self._discord.townhall().people if name != "member"]
            return {
                "type": "server",
                "you": views.person(self.person, names),
                "server": views.server(self.person, connected=self._discord.gateway.connected),
            }

        self._outbox.put_nowait(view)

    def _send_message(self, message: Message) -> None:
        # While one is on its way out, the state it will show when it goes is the latest: no need for a second.
        if message.id in self._waiting:
            return
        self._waiting.add(message.id)

        def view() -> Payload:
            self._waiting.discard(message.id)
            return {"type": "message", "message": views.message(message, self.person)}

        self._outbox.put_nowait(view)

    # What changes

    def _changed(self, change: Change) -> None:
        if change.kind in FURNITURE or (change.kind == "language_changed" and change.user is self.person.user):
            self._send_server()
        if change.message is not None and views.sees(self.person, change.message):
            if change.kind == "message_deleted":
                self._send("gone", id=str(change.message.id), channel=str(change.message.channel.id))
            else:
                self._send_message(change.message)
        if change.kind == "typing" and change.channel in views.channels_of(self.person):
            self._send("typing", channel=str(change.channel.id))
        if change.interaction is not None and change.interaction.id in self._turns:
            self._on_turn(change.kind, change.interaction)

    def _on_turn(self, kind: str, interaction: Interaction) -> None:
        nonce, turn = self._turns[interaction.id]
        if kind == "interaction_overdue":
            self._send("overdue", nonce=nonce)
            del self._turns[interaction.id]
        elif kind == "interaction_answered":
            fields: Payload = {"nonce": nonce}
            if turn.response is ResponseType.MODAL:
                fields |= {"modal": turn.modal, "interaction": str(interaction.id)}
            elif turn.response is ResponseType.AUTOCOMPLETE:
                fields["choices"] = interaction.choices
            self._send("answered", **fields)
            if turn.response is not ResponseType.MODAL:
                del self._turns[interaction.id]

    # What the person does

    async def _act(self, text: str) -> None:
        nonce = ""
        try:
            action = json_text.read(text)
            nonce = str(action.get("nonce", ""))
            await self._actions[action["type"]](action)
        except CommandRefused as refusal:
            self._send("refused", nonce=nonce, text=refusal.told(self.person.user.locale))
        except DiscordError as error:
            self._send("refused", nonce=nonce, text=error.sentence)
        except Exception as error:  # whatever a page sends, its tab works on
            log.warning("a tab sent what this server does not understand: %s", type(error).__name__)
            self._send("refused", nonce=nonce, text=CommandRefused("page.misunderstood").told(self.person.user.locale))

    def _started(self, action: Payload, turn: Turn) -> None:
        self._turns[turn.interaction_id] = (str(action.get("nonce", "")), turn)

    def _channel(self, action: Payload) -> Channel:
        key = int(action["channel"])
        for channel in views.channels_of(self.person):
            if channel.id == key:
                return channel
        raise CommandRefused("right.channel", name=self.person.name)

    def _message(self, action: Payload) -> Message:
        message = self._channel(action).history.get(int(action["message"]))
        if message is None or not views.sees(self.person, message):
            raise CommandRefused("message.gone")
        return message

    async def _use(self, action: Payload) -> None:
        files = {option: _file(each) for option, each in action.get("files", {}).items()}
        turn = await self.person.fill_in(action["path"], action["values"], self._channel(action), files)
        self._started(action, turn)

    async def _menu(self, action: Payload) -> None:
        target: Message | Person
        members = self.person.guild.members
        target = self._message(action) if "message" in action else Person(members[int(action["user"])])
        self._started(action, await self.person.use_menu(str(action["name"]), target, self._channel(action)))

    async def _complete(self, action: Payload) -> None:
        turn = await self.person.ask_choices(action["path"], action["values"], self._channel(action))
        self._started(action, turn)

    async def _press(self, action: Payload) -> None:
        self._started(action, await self.person.press(self._message(action), str(action["custom_id"])))

    async def _select(self, action: Payload) -> None:
        message, values = self._message(action), [str(value) for value in action["values"]]
        turn = await self.person.select(message, *values, custom_id=str(action["custom_id"]))
        self._started(action, turn)

    async def _submit(self, action: Payload) -> None:
        _, opener = self._turns[int(action["interaction"])]
        turn = await self.person.submit(opener, **{str(key): str(value) for key, value in action["values"].items()})
        del self._turns[opener.interaction_id]
        self._started(action, turn)

    async def _say(self, action: Payload) -> None:
        channel = self._channel(action)
        reply_to = self._message({**action, "message": action["reply_to"]}) if action.get("reply_to") else None
        files = [_file(each) for each in action.get("files", [])]
        await self.person.say(str(action["text"]), channel, reply_to=reply_to, files=files)
        self._send("answered", nonce=str(action.get("nonce", "")))

    async def _reword(self, action: Payload) -> None:
        await self.person.edit(self._message(action), str(action["text"]))
        self._send("answered", nonce=str(action.get("nonce", "")))

    async def _remove(self, action: Payload) -> None:
        await self.person.delete(self._message(action))

    async def _thread(self, action: Payload) -> None:
        thread = await self.person.start_thread(str(action["name"]), self._message(action))
        self._send("answered", nonce=str(action.get("nonce", "")))
        self._send("open", channel=str(thread.id))

    async def _direct(self, action: Payload) -> None:
        channel = self.person.direct_messages
        self._send_server()
        self._send("open", channel=str(channel.id))

    async def _group(self, action: Payload) -> None:
        world, user = self._discord.world, self.person.user
        other = world.users[int(action["user"])]
        known = (each for each in world.channels.values() if set(each.group) == {user, other})
        self._send("open", channel=str((next(known, None) or world.add_group(user, other)).id))

    async def _install(self, action: Payload) -> None:
        self.person.install(bool(action["installed"]))

    async def _language(self, action: Payload) -> None:
        if action["locale"] not in views.LANGUAGES:
            raise CommandRefused("page.languages", languages=tuple(views.LANGUAGES))
        self.person.speak(str(action["locale"]), chosen=True)

    async def _inspect(self, action: Payload) -> None:
        message = self._message(action)
        self._send("traffic", message=str(message.id), entries=traffic.behind(message, self._discord))


def _file(given: Payload) -> tuple[str, bytes]:
    return str(given["name"]), base64.b64decode(given["data"])
