"""``/privacy``: what is stored of a person, as every plugin answers for its own, and a button that deletes it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import discord
from discord import app_commands

from townhall_bot.i18n import Texts, Words
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.plugins import Plugin, host
from townhall_bot.plugins.installs import goes_along
from townhall_bot.replies import paging

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall

log = logging.getLogger("townhall.privacy")


class DeleteMyData(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=re.compile(r"townhall:privacy:delete")
):
    """The button. It has no state: whoever presses it deletes their own data, after a restart too."""

    def __init__(self, label: str) -> None:
        style = discord.ButtonStyle.danger
        super().__init__(discord.ui.Button(label=label, style=style, custom_id="townhall:privacy:delete"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> DeleteMyData:
        """Make the button again from what Discord remembers of it."""
        return cls(cast("discord.ui.Button[discord.ui.View]", item).label or "")

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Ask every plugin to delete what it has of the presser, and tell how that went."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.edit_original_response(content=await delete(interaction))


class Privacy(Plugin):
    """Brings ``/privacy``. Part of the core, so ``TOWNHALL_PLUGINS`` does not leave it out."""

    name = "privacy"
    texts: ClassVar[Texts] = TEXTS

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        """Bring the command."""

        @app_commands.command(name="privacy", description=TEXTS.english("privacy.description"))
        async def privacy(interaction: discord.Interaction[Any]) -> None:
            view = discord.ui.View(timeout=None)
            view.add_item(DeleteMyData(TEXTS.for_user(interaction)("privacy.delete")))
            first, *others = paging.split(answer(interaction))
            await interaction.response.send_message(first, view=view, ephemeral=True)
            for page in others:
                await interaction.followup.send(page, ephemeral=True)

        goes_along(privacy)
        return (privacy,)

    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        """Keep the button working after a restart."""
        return (DeleteMyData,)

    def privacy(self, words: Words) -> str:
        """Answer for the core itself."""
        bot: Townhall = cast("Townhall", self.context.client)
        hears = words("privacy.hears" if bot.settings.hear_messages else "privacy.hears_commands")
        return f"{words('privacy.core')} {hears} {words('privacy.records', count=bot.settings.keep_records_days)}"


def answer(interaction: discord.Interaction[Any]) -> str:
    """Return what every plugin stores, in the asker's language."""
    bot: Townhall = interaction.client
    words = TEXTS.for_user(interaction)
    lines = [f"### {words('privacy.title')}"]
    for loaded in sorted(bot.plugins.values(), key=lambda loaded: loaded.name != Privacy.name):
        if loaded.running and loaded.plugin is not None:
            own = loaded.name == Privacy.name
            try:
                told = loaded.plugin.privacy(type(loaded.plugin).texts.for_user(interaction))
            except Exception:  # one that cannot say must not keep anybody from the others' answers, and the button
                log.exception("plugin %s failed at privacy()", loaded.name)
                told = words("privacy.unsaid")
            lines.append(told if own else f"**{loaded.name}**: {told or words('privacy.nothing')}")
    return "\n".join(lines)


async def delete(interaction: discord.Interaction[Any]) -> str:
    """Delete what plugins store of the presser; return what to tell them."""
    bot: Townhall = interaction.client
    words = TEXTS.for_user(interaction)
    results = {
        loaded.name: await host.delete_member_data(loaded, interaction.user.id)
        for loaded in bot.plugins.values()
        if loaded.plugin is not None
    }
    failed = [name for name, count in results.items() if count is None]
    deleted = sum(count or 0 for count in results.values())
    lines = [words("privacy.deleted", count=deleted)] if deleted else []
    if failed:
        lines.append(words("privacy.failed", count=len(failed), names=", ".join(failed), request=interaction.id))
    if not lines:
        lines.append(words("privacy.nothing_to_delete"))
    log.info("a member's data were deleted; failed: %s", ", ".join(failed) or "none")
    return "\n".join(lines)
