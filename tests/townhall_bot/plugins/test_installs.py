"""Where the commands may be used: in servers that the bot is in, and in direct messages with it."""

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.testkit import StartTownhall

GUILD_INSTALL, USER_INSTALL = 0, 1
GUILD, BOT_DM, PRIVATE_CHANNEL = 0, 1, 2


async def test_nobody_can_install_the_bot_for_themselves_alone(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    """Left out, an application's own settings would count, and new ones let people do that."""
    await start_townhall(PingPlugin)
    assert discord_server.commands
    for command in discord_server.commands:
        assert command.definition["integration_types"] == [GUILD_INSTALL]
        assert set(command.definition["contexts"]) <= {GUILD, BOT_DM}


async def test_a_server_s_own_commands_say_nothing_that_is_for_commands_everywhere(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, world: TownhallWorld
) -> None:
    await start_townhall(PingPlugin, settings={"TOWNHALL_GUILD": str(world.guild.id)})
    assert discord_server.commands
    for command in discord_server.commands:
        assert not {"integration_types", "contexts"} & command.definition.keys()
