"""People who use the bot: they type commands, press buttons, choose from menus, fill in forms."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from townhall_bot.loopback.people import composer, forms, rights
from townhall_bot.loopback.people.option_values import Scope
from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.people.turn import Turn
from townhall_bot.loopback.world import installs, permissions, threads
from townhall_bot.loopback.world.enums import SELECTS, CommandType, InteractionType
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Attachment, Channel, Interaction, Member, Message, Payload

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World


class Person:
    """Somebody at a keyboard, at home in the server that they are a member of.

    What their client would not send is refused.
    """

    def __init__(self, member: Member) -> None:
        self._world: World = member.guild.world
        self.user = member.user
        self.guild = member.guild

    def __repr__(self) -> str:
        return f"<Person {self.name}>"

    @property
    def id(self) -> int:
        """The user's id."""
        return self.user.id

    @property
    def name(self) -> str:
        """The name that others see."""
        return self.user.display_name

    @property
    def direct_messages(self) -> Channel:
        """The channel between this person and the bot."""
        return self._world.direct_channel(self.user)

    def speak(self, locale: str | None, *, chosen: bool = False) -> None:
        """Set the language of one's client: one that was ``chosen``, else the system's, which gives way to a choice."""
        user = self.user
        before = (user.locale, user.has_chosen_locale)
        if locale is None or before == (locale, chosen) or (user.has_chosen_locale and not chosen):
            return
        user.locale, user.has_chosen_locale = locale, chosen
        self._world.publish(Change("language_changed", user=user))

    def install(self, installed: bool = True) -> None:
        """Add the bot to one's own account, or take it off."""
        self._world.install(self.user, installed)

    def _place(self, channel: Channel | None) -> Channel:
        visible = [each for each in self.guild.channels if permissions.in_channel(each, self.id)]
        chosen = channel or (visible[0] if visible else None)
        if chosen is None or not permissions.in_channel(chosen, self.id):
            raise CommandRefused("right.no_channel", name=self.name)
        return chosen

    def _start(self, kind: InteractionType, channel: Channel, data: Payload, **of: object) -> Turn:
        interaction: Interaction = self._world.interact(kind, self.user, channel, data, **of)  # type: ignore[arg-type]  # the keywords are interact's own
        return Turn(self._world, self, interaction)

    async def type(
        self, text: str, channel: Channel | None = None, files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> Turn:
        """Type a slash command and send it; ``files`` maps an option to a filename and its bytes.

        Raises :class:`CommandRefused` with the reason that Discord's client would show.
        """
        place = self._place(channel)
        uploads = {option: self._upload(*file) for option, file in (files or {}).items()}
        return self._send(composer.read(text, installs.usable(self._world, place, self.user), uploads), place)

    async def fill_in(
        self,
        path: Sequence[str],
        values: Mapping[str, str],
        channel: Channel | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> Turn:
        """Send a command whose options were filled in one by one; ``path`` is its name and those of sub-commands.

        Raises :class:`CommandRefused` with the reason that Discord's client would show.
        """
        place = self._place(channel)
        uploads = {option: self._upload(*file) for option, file in (files or {}).items()}
        return self._send(composer.pick(path, values, installs.usable(self._world, place, self.user), uploads), place)

    def _send(self, draft: composer.Draft, place: Channel) -> Turn:
        composer.check_allowed(draft.command, self.user, place)
        rights.check_may_use(self.user, place)
        data = composer.data_of(draft, self._world, self.user, place)
        return self._start(InteractionType.COMMAND, place, data, command=draft.command)

    async def complete(self, text: str, channel: Channel | None = None, timeout: float = 3) -> list[Payload]:  # noqa: ASYNC109 - a test wants its own limit and message
        """Type a command up to some option's beginning and return the choices the bot offers."""
        place = self._place(channel)
        turn = self._ask(composer.read(text, installs.usable(self._world, place, self.user)), place)
        await turn.until(lambda turn: turn.interaction.choices is not None, timeout)
        return turn.interaction.choices or []

    async def ask_choices(self, path: Sequence[str], values: Mapping[str, str], channel: Channel | None = None) -> Turn:
        """Ask the bot what it offers for the last of ``values``; the turn's interaction gets the ``choices``."""
        place = self._place(channel)
        return self._ask(composer.pick(path, values, installs.usable(self._world, place, self.user), {}), place)

    def _ask(self, draft: composer.Draft, place: Channel) -> Turn:
        composer.check_allowed(draft.command, self.user, place)
        data = composer.completion_of(draft)
        return self._start(InteractionType.AUTOCOMPLETE, place, data, command=draft.command)

    async def use_menu(self, name: str, target: Message | Person, channel: Channel | None = None) -> Turn:
        """Use a command from the menu of a message or a person."""
        on_message = isinstance(target, Message)
        kind = CommandType.MESSAGE if on_message else CommandType.USER
        place = self._place(target.channel if isinstance(target, Message) else channel)
        commands = [command for command in installs.usable(self._world, place, self.user) if command.type is kind]
        command = next((command for command in commands if command.name == name), None)
        if command is None:
            raise CommandRefused("command.menu", name=name, known=tuple(each.name for each in commands))
        composer.check_allowed(command, self.user, place)
        scope = Scope(self._world, place)
        key = scope.message(target) if isinstance(target, Message) else scope.user(target.user)
        data: Payload = {
            "id": str(command.id),
            "name": command.name,
            "type": int(kind),
            "target_id": key,
            "resolved": scope.resolved,
        }
        return self._start(InteractionType.COMMAND, place, data, command=command)

    async def say(
        self,
        text: str,
        channel: Channel | None = None,
        *,
        reply_to: Message | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> Message:
        """Write an ordinary message. Raises :class:`CommandRefused` where that is not allowed."""
        place = self._place(channel)
        rights.check_may_write(self.user, place, self._world.clock())
        return self._world.say(self.user, place, text, reply_to, [self._upload(*f) for f in files])

    async def edit(self, message: Message, text: str) -> None:
        """Change what an own message says."""
        self._check_own(message)
        self._world.reword(message, text)

    async def delete(self, message: Message) -> None:
        """Delete an own message, or anybody's where the person may."""
        if not permissions.allows(permissions.in_channel(message.channel, self.id), "manage_messages"):
            self._check_own(message)
        self._check_sees(message)
        self._world.delete(message)

    async def press(self, message: Message, button: str) -> Turn:
        """Press the button with that label or custom_id. Raises :class:`CommandRefused`."""
        self._check_sees(message)
        for part in message.buttons:
            if button in (part.get("label"), part.get("custom_id")):
                return self._use(message, part, {})
        known = tuple(part.get("label") for part in message.buttons)
        raise CommandRefused("message.no_button", button=button, known=known)

    async def select(self, message: Message, *values: str, custom_id: str | None = None) -> Turn:
        """Choose from a select menu: option values, or names of people, roles or channels."""
        self._check_sees(message)
        selects = [part for part in forms.parts(message.components) if part.get("type") in SELECTS]
        part = next((part for part in selects if custom_id in (None, part.get("custom_id"))), None)
        if part is None:
            raise CommandRefused("message.no_select")
        scope = Scope(self._world, message.channel)
        chosen = forms.chosen(part, values, scope)
        return self._use(message, part, {"values": chosen, **({"resolved": scope.resolved} if scope.resolved else {})})

    async def submit(self, turn: Turn, **values: str) -> Turn:
        """Send the form that a turn opened; ``values`` by custom_id or, with _ for a space, by label."""
        if turn.modal is None:
            raise CommandRefused("form.none")
        data = {"custom_id": turn.modal["custom_id"], "components": forms.filled(turn.modal, values)}
        opener = turn.interaction
        return self._start(InteractionType.MODAL, turn.channel, data, message=opener.message, trigger=opener)

    def _use(self, message: Message, part: Payload, extra: Payload) -> Turn:
        if part.get("disabled"):
            raise CommandRefused("message.disabled", part=part.get("label") or part.get("custom_id"))
        if part.get("custom_id") is None:
            raise CommandRefused("message.link", part=part.get("label"), address=part.get("url"))
        data = {"custom_id": part["custom_id"], "component_type": part["type"], "id": part.get("id"), **extra}
        return self._start(InteractionType.COMPONENT, message.channel, data, message=message)

    def _check_sees(self, message: Message) -> None:
        if message.deleted:
            raise CommandRefused("message.deleted")
        visible = message.visible_to in (None, self.id) and permissions.in_channel(message.channel, self.id)
        if not visible:
            raise CommandRefused("right.message", name=self.name)

    async def start_thread(self, name: str, place: Channel | Message) -> Channel:
        """Begin a thread below a message or in a channel; in a forum, a post. Raises :class:`CommandRefused`."""
        starter = place if isinstance(place, Message) else None
        channel = self._place(place.channel if isinstance(place, Message) else place)
        rights.check_may_begin_thread(self.user, channel, starter)
        return threads.begin(self._world, channel, name, self.user, starter)

    def _check_own(self, message: Message) -> None:
        self._check_sees(message)
        if message.author is not self.user:
            raise CommandRefused("right.not_own", name=self.name)

    def _upload(self, filename: str, data: bytes) -> Attachment:
        kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        return Attachment(self._world.ids.next(), filename, kind, data)
