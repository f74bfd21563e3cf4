"""The buttons below a story's newest step. All they need is in their ids, so they outlive a restart."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

import discord

from plugins.gpt2.chat.message_format import SMALL_PRINT
from plugins.gpt2.conversation.stories import Interaction, Stories
from plugins.gpt2.messages import TEXTS
from townhall_bot.replies import Refusal

TEMPLATE = re.compile(
    r"gpt2-story:(?P<action>stop|continue|back|file):(?P<asker>\d{1,20}):(?P<number>\d{1,20}):(?P<count>\d{1,4})"
)
"""``number`` is the request's while a step is written; ``asker`` is who may stop it."""
LOOKS = {
    "stop": (discord.ButtonStyle.danger, "⏹️"),
    "continue": (discord.ButtonStyle.primary, "▶️"),
    "back": (discord.ButtonStyle.secondary, "↩️"),
    "file": (discord.ButtonStyle.secondary, "📄"),
}


class StoryButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=TEMPLATE):
    """One button. :func:`bound` makes the class that knows the plugin's stories."""

    stories: ClassVar[Stories]

    def __init__(self, item: discord.ui.Button[Any], told: re.Match[str]) -> None:
        super().__init__(item)
        self.action = told["action"]
        self.asker, self.number, self.count = (int(told[name]) for name in ("asker", "number", "count"))

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Return the button that was pressed."""
        assert isinstance(item, discord.ui.Button)  # no other component has such an id
        return cls(item, match)

    @classmethod
    def labelled(cls, interaction: Interaction, action: str, number: int, count: int) -> Self:
        """Return a button in the words of this interaction's channel."""
        style, emoji = LOOKS[action]
        name = "button.stop" if action == "stop" else f"story.{action}"
        key = f"gpt2-story:{action}:{interaction.user.id}:{number}:{count}"
        label = TEXTS.for_channel(interaction)(name)
        item: discord.ui.Button[Any] = discord.ui.Button(style=style, emoji=emoji, label=label, custom_id=key)
        match = TEMPLATE.fullmatch(key)
        assert match is not None  # this is how ids are written
        return cls(item, match)

    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says."""
        match self.action:
            case "stop":
                await self._stop(interaction)
            case "file":
                await interaction.response.defer(ephemeral=True, thinking=True)
                file = await self.stories.file(interaction)
                await interaction.edit_original_response(attachments=[file])
            case "back":
                await interaction.response.defer()
                await self.stories.back(interaction, self.count)
            case _:
                self.stories.check_meant(interaction)
                await interaction.response.defer()
                await self.stories.go_on(interaction, "", self.count)

    async def _stop(self, interaction: Interaction) -> None:
        theirs = interaction.user.id == self.asker
        if not theirs and not interaction.permissions.manage_messages:
            raise Refusal(TEXTS.for_user(interaction)("refused.stop", asker=f"<@{self.asker}>"))
        responder = self.stories.responder
        if await responder.service.cancel(self.number) or responder.knows(self.number):
            await interaction.response.defer()  # the step's own last edit shows that it was stopped
            return
        assert interaction.message is not None  # a component has its message
        lines = [line for line in interaction.message.content.split("\n") if not line.startswith(SMALL_PRINT)]
        lines.append(SMALL_PRINT + TEXTS.for_channel(interaction)("answer.interrupted"))
        view = self.stories.buttons(interaction, False, self.count)
        await interaction.response.edit_message(content="\n".join(lines), view=view)


def bound(stories: Stories) -> type[StoryButton]:
    """Return the class of buttons that act through ``stories``, which puts them below its steps from now on."""
    bound_to = stories

    class Bound(StoryButton, template=TEMPLATE):
        stories = bound_to

    def below(interaction: Interaction, first: bool, count: int) -> discord.ui.View:
        actions = ("continue", "file") if first else ("continue", "back", "file")
        return _view([Bound.labelled(interaction, action, 0, count) for action in actions])

    def growing(interaction: Interaction, request_id: int, count: int) -> discord.ui.View:
        return _view([Bound.labelled(interaction, "stop", request_id, count)])

    stories.buttons, stories.growing = below, growing
    return Bound


def _view(buttons: list[Any]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for each in buttons:
        view.add_item(each)
    return view
