"""What ``townhall doctor`` looks at: this machine, the settings, the database, the token and each plugin."""

from __future__ import annotations

import asyncio
import base64
import binascii
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from townhall_bot import lock, plugin_discovery
from townhall_bot.bot import Townhall
from townhall_bot.discord_account import PORTAL, Account, TokenRefused, Unreachable, look_up
from townhall_bot.env_file import readable_by_others
from townhall_bot.plugin_host import LoadedPlugin, kind, shown
from townhall_bot.plugin_set import FAILURE_KEY, UNWELL_KEY
from townhall_bot.plugins import Check
from townhall_bot.settings import ENV_FILE, Settings, SettingsError, given_settings, load_settings, unknown_settings
from townhall_bot.store import Store, StoreError

OLDEST_PYTHON = (3, 11)
MIN_FREE_DISK = 500_000_000
"""Bytes: the database, its log and a plugin's small files. What a model needs is for its plugin to check."""
MIN_FREE_MEMORY = 300_000_000
"""Bytes: the bot without any model."""
MAX_CLOCK_SKEW_S = 3.0
"""Discord's answer tells its time in whole seconds, so less cannot be told apart from the network."""


async def examine(
    *, env_file: str | Path | None = ENV_FILE, online: bool | None = None, clock: Callable[[], float] = time.time
) -> list[Check]:
    """Make every check. ``online`` asks Discord too; None: where there is a token. May run beside a running bot."""
    checks = [python_version()]
    try:
        settings = load_settings(Settings, env_file)
        plugins = plugin_discovery.find_plugins(settings)
    except SettingsError as error:  # everything below depends on these
        return [*checks, Check("settings", False, str(error), "Correct it in the environment or in .env.")]
    for loaded in plugins:
        plugin_discovery.read_settings(loaded, env_file)
    checks += [
        setting_names(plugins, env_file),
        data_folder(settings.data_dir),
        disk(settings.data_dir),
        memory(),
        running_bot(settings.data_dir),
        token(settings),
    ]
    if env_file is not None:
        checks.append(env_file_permissions(Path(env_file)))
    checks += await database_and_plugins(settings, plugins, env_file)
    if online or (online is None and settings.token is not None):
        checks += await discord_answers(settings, plugins, clock)
    return checks


def python_version() -> Check:
    """Is this Python new enough?"""
    found = platform.python_version()
    ok = sys.version_info >= OLDEST_PYTHON
    return Check(
        "python", ok, f"{found} on {platform.system()} {platform.machine()}", "" if ok else "Use 3.11 or later."
    )


def setting_names(plugins: Sequence[LoadedPlugin], env_file: str | Path | None) -> Check:
    """Is every TOWNHALL_ variable one that somebody reads?"""
    given = given_settings(env_file)
    unknown = unknown_settings(plugin_discovery.settings_models(plugins), given)
    if unknown:
        return Check("settings", False, " ".join(unknown), "Correct the name, or remove the line.")
    count = sum(name.startswith("TOWNHALL_") for name in given)
    return Check("settings", True, f"{count} set, the others at their defaults")


def data_folder(folder: Path) -> Check:
    """Can the bot write where it keeps its data?"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"townhall")
    except OSError as error:
        cure = "Make it writable for this user, or set TOWNHALL_DATA_DIR to a folder that is."
        return Check("data folder", False, f"{folder}: {error.strerror}", cure)
    return Check("data folder", True, str(folder))


def disk(folder: Path) -> Check:
    """Is there room for what the bot writes?"""
    place = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    ok = free >= MIN_FREE_DISK
    return Check("disk", ok, f"{_size(free)} free", "" if ok else f"Free at least {_size(MIN_FREE_DISK)} there.")


def memory() -> Check:
    """Is there memory for the bot itself?"""
    available = available_memory()
    if available is None:
        return Check("memory", True, "this system does not say how much is available")
    ok = available >= MIN_FREE_MEMORY
    cure = "" if ok else f"Stop other programs; the bot alone needs {_size(MIN_FREE_MEMORY)}."
    return Check("memory", ok, f"{_size(available)} available", cure)


def available_memory() -> int | None:
    """Return the bytes that a program could take now without swapping, where Linux tells; else None."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def token(settings: Settings) -> Check:
    """Does the token look like one? A missing one is no failure: ``townhall local`` needs none."""
    if settings.token is None:
        hint = "`townhall run` needs one: `townhall setup` takes it. `townhall local` needs none."
        return Check("token", True, "not set", hint)
    parts = settings.token.get_secret_value().split(".")
    try:
        # The first part is the bot's user id in base64, without padding.
        user_id = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode()
        ok = len(parts) == 3 and user_id.isdecimal()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        ok = False
    if ok:
        return Check("token", True, "set, and looks like one")
    cure = f"Copy it again from {PORTAL} (your application → Bot → Reset Token). The client secret is something else."
    return Check("token", False, "TOWNHALL_TOKEN does not look like a bot's token", cure)


async def database_and_plugins(
    settings: Settings, plugins: Sequence[LoadedPlugin], env_file: str | Path | None
) -> list[Check]:
    """Open the database; create each plugin as the bot would, without starting it; make its own checks."""
    path = settings.data_dir / "townhall.db"
    try:
        store = Store.open(path)
    except StoreError as error:
        return [Check("database", False, str(error), "See above; nothing was changed.")]
    bot = Townhall(settings, store, plugins, env_file=env_file)
    try:
        damage = await store.damage()
        cure = f"Stop the bot and restore a backup of {path}." if damage else ""
        checks = [Check("database", not damage, damage or str(path), cure)]
        bot.plugins.construct()
        failed, unwell = await store.values(FAILURE_KEY), await store.values(UNWELL_KEY)
    except StoreError as error:
        return [Check("database", False, str(error), "See above.")]
    finally:
        await bot.close()
    for loaded in plugins:
        history = failed.get(FAILURE_KEY + loaded.name), unwell.get(UNWELL_KEY + loaded.name)
        checks += await _plugin_checks(loaded, *history, settings.data_dir)
    return checks


async def _plugin_checks(
    loaded: LoadedPlugin, last_failure: str | None, unwell: str | None, data_dir: Path
) -> list[Check]:
    name = f"plugin {loaded.name}"
    leave_out = f"TOWNHALL_PLUGINS=-{loaded.name} leaves it out"
    if loaded.failure is not None:
        cure = f"Repair or update the plugin; {leave_out}. The log of `townhall run` has the traceback."
        return [Check(name, False, loaded.failure, cure)]
    if last_failure is not None:
        cure = f"See the log of that start; {leave_out}. This line goes with the next start that works."
        return [Check(name, False, f"at the bot's last start it {last_failure}", cure)]
    if unwell is not None:
        cure = "See the bot's log. This line goes when the plugin is well, or with the next start."
        return [Check(name, False, f"the running bot found it not well: {unwell}", cure)]
    commands = ", ".join(shown(kind(command), command.name) for command in loaded.commands)
    checks = [Check(name, True, commands or "no commands")]
    if loaded.cls is not None:
        try:
            folder = data_dir / "plugins" / loaded.name
            # In a thread: a plugin's checks may compile or read for seconds.
            checks += await asyncio.to_thread(loaded.cls.checks, loaded.settings, folder)
        except Exception as error:
            reason = f"its checks() failed: {type(error).__name__}: {error}"
            checks.append(Check(name, False, reason, f"Report it to the plugin's author; {leave_out}."))
    return checks


def running_bot(data_dir: Path) -> Check:
    """Who serves from this data folder now?"""
    return Check("running bot", True, lock.holder(data_dir) or "none with this data folder")


def env_file_permissions(path: Path) -> Check:
    """Can nobody else read the token?"""
    if readable_by_others(path):
        return Check("token file", False, f"others on this machine can read {path}", f"chmod 600 {path}")
    return Check("token file", True, f"{path}: for its owner alone" if path.exists() else "none")


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
        return [Check("discord", False, f"cannot be reached: {error}", "Check the network, a proxy or a firewall.")]
    return [endpoint(account), intents(account), registration(account, plugins), clocks(account)]


def endpoint(account: Account) -> Check:
    """Do commands come to this bot?"""
    if account.endpoint_url:
        cure = f"Clear “Interactions Endpoint URL” at {PORTAL}; while it is set, commands go there."
        return Check("discord", False, "commands are sent to a web address instead of this bot", cure)
    return Check("discord", True, f"accepts the token, as {account.name}", f"Invite it: {account.invitation}")


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
        cure = "Start the bot again with `townhall run --sync`, and reload Discord (Ctrl+R)."
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


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
