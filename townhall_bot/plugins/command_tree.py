"""The bot's commands, and what stands before each: is the bot stopping, and does what was sent fit the command?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies import Refusal, explain

if TYPE_CHECKING:
    from townhall_bot.bot import Townhall

log = logging.getLogger("townhall.bot")

VALUE_TYPES: dict[discord.AppCommandOptionType, tuple[type, ...]] = {
    discord.AppCommandOptionType.string: (str,),
    discord.AppCommandOptionType.integer: (int,),
    discord.AppCommandOptionType.number: (int, float),
    discord.AppCommandOptionType.boolean: (bool,),
}


class Tree(app_commands.CommandTree["Townhall"]):
    """The commands. Tells the client when one has settled, and the asker why it was not done.

    They are for servers that the bot is in, and for direct messages with it. Said explicitly: what is left out lets
    people of a new application install it for themselves, and use it in servers under whose rules it does not stand.
    A command that goes along with people says so itself, and the host may not let it (``plugins/installs.py``).
    """

    def __init__(self, client: Townhall) -> None:
        super().__init__(
            client,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        )

    async def interaction_check(self, interaction: discord.Interaction[Townhall], /) -> bool:
        """Take nothing new while the bot is about to stop, nor what was meant for an older command; say so."""
        refusal: Exception | None = None
        if self.client.draining:
            refusal = Refusal(TEXTS.for_user(interaction)("draining"))
        elif isinstance(interaction.command, app_commands.Command):
            refusal = validate_options(interaction, interaction.command)
        if refusal is None:
            return True
        if interaction.type is discord.InteractionType.application_command:
            await explain(interaction, refusal)
            self.client.command_settled(interaction, refusal)
        return False

    async def on_error(self, interaction: discord.Interaction[Townhall], error: app_commands.AppCommandError) -> None:
        """Explain the failure to the asker."""
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("autocomplete failed: %s", error)  # nobody waits for an answer that could be shown
            return
        await explain(interaction, error)
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        self.client.command_settled(interaction, cause)


def validate_options(
    interaction: discord.Interaction[Any], command: app_commands.Command[Any, ..., Any]
) -> Exception | None:
    """Return what is wrong with a command's options, None where each has the declared type and is within its bounds.

    Discord checks both, but by the command that the client knows: one that has not heard of a change sends the old
    one's, and discord.py passes that on as it is.
    """
    data: Any = interaction.data or {}
    options: list[Any] = list(data.get("options", ()))
    while options and options[0]["type"] in (1, 2):  # a sub-command or a group of them
        options = options[0].get("options", [])
    for option in options:
        parameter = command.get_parameter(option["name"])
        if parameter is None or "value" not in option or option.get("focused"):
            continue
        value, kinds = option["value"], VALUE_TYPES.get(parameter.type)
        if option["type"] != parameter.type.value or (kinds and type(value) not in kinds):
            return app_commands.CommandSignatureMismatch(command)
        low, high = parameter.min_value, parameter.max_value
        measured = len(value) if isinstance(value, str) else value
        if kinds and ((low is not None and measured < low) or (high is not None and measured > high)):
            name = "refusal.length" if isinstance(value, str) else "refusal.bounds"
            bounds = {"low": "…" if low is None else low, "high": "…" if high is None else high}
            words = TEXTS.for_user(interaction)
            return Refusal(words(name, option=parameter.display_name, given=measured, **bounds))
    return None
