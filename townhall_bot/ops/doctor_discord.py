"""The doctor's lines about Discord: the token, where commands go, intents, registration, and the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from townhall_bot.ops.discord_account import PORTAL, Account, TokenRefused, Unreachable, look_up
from townhall_bot.plugins import Check
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.settings import Settings, SettingsError

MAX_CLOCK_SKEW_S = 3.0
"""Discord's answer tells its time in whole seconds, so less cannot be told apart from the network."""


async def discord_answers(
    settings: Settings, plugins: Sequence[LoadedPlugin], clock: Callable[[], float] = time.time
) -> list[Check]:
    """Ask Discord: the token, where commands go, intents, registration, and whether the clocks agree."""
    if settings.token is None:
        return [Check("discord", False, "there is no token to ask with", "Run `townhall setup`.")]
    try:
        account = await look_up(settings.token.get_secret_value(), guild=settings.guild, clock=clock)
    except TokenRefused:
        cure = f"Reset the token at {PORTAL}, then run `townhall setup`."
        return [Check("discord", False, "does not accept TOWNHALL_TOKEN", cure)]
    except Unreachable as error:
        offline = "`townhall doctor --offline` leaves Discord out."
        return [Check("discord", False, f"cannot be reached: {error.problem}", f"{error.cure} {offline}".strip())]
    except SettingsError as error:
        return [Check("discord", False, "cannot be asked", str(error))]
    return [endpoint(account, settings), intents(account), registration(account, plugins), clocks(account)]


def endpoint(account: Account, settings: Settings) -> Check:
    """Do commands come to this bot?"""
    if settings.interactions_port is not None:
        return _posted(account)
    if account.endpoint_url:
        cure = f"Clear “Interactions Endpoint URL” at {PORTAL}; while it is set, commands go there."
        return Check("discord", False, "commands are sent to a web address instead of this bot", cure)
    return Check("discord", True, f"accepts the token, as {account.name}", f"Invite it: {account.invitation}")


def _posted(account: Account) -> Check:
    """Does Discord know where to send commands, where no gateway is used?"""
    if account.endpoint_url:
        return Check("discord", True, f"sends commands to {account.endpoint_url}", f"Invite it: {account.invitation}")
    cure = (
        "Enter the public https:// address of TOWNHALL_INTERACTIONS_PORT, with /interactions, as “Interactions "
        f"Endpoint URL” at {PORTAL} while `townhall run` runs: Discord tries it at once."
    )
    return Check("discord", False, "has no address to send commands to, and no gateway is used", cure)


def intents(account: Account) -> Check:
    """Is more switched on than the bot needs?"""
    if not account.privileged:
        return Check("intents", True, "no privileged intent is on, and none is needed")
    on = ", ".join(account.privileged)
    return Check("intents", True, f"on, though not needed: {on}", f"They can be switched off at {PORTAL} → Bot.")


def registration(account: Account, plugins: Sequence[LoadedPlugin]) -> Check:
    """Does Discord list the commands that there are?"""
    mine = {command.name for loaded in plugins if loaded.failure is None for command in loaded.commands}
    if not account.commands:
        return Check("commands", True, "none registered yet", "`townhall run` registers them.")
    missing = ", ".join(sorted(f"/{name}" for name in mine - account.commands))
    if missing:
        cure = "Start the bot again, which registers them, and reload Discord (Ctrl+R)."
        return Check("commands", False, f"not registered with Discord: {missing}", cure)
    return Check("commands", True, f"{len(account.commands)} registered")


def clocks(account: Account) -> Check:
    """Is this machine's clock right? Discord's limits of 3 seconds and 15 minutes are counted by its own."""
    seconds = account.clock_ahead_s
    if abs(seconds) > MAX_CLOCK_SKEW_S:
        side = "ahead of" if seconds > 0 else "behind"
        cure = "Switch on time synchronisation, for instance with `timedatectl set-ntp true`."
        return Check("clock", False, f"{abs(seconds):.0f} s {side} Discord's", cure)
    return Check("clock", True, f"within {MAX_CLOCK_SKEW_S:.0f} s of Discord's")
