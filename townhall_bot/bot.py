"""The Discord client: brings plugins up, registers commands where they changed, answers errors, stops cleanly."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from discord.gateway import KeepAliveHandler

from townhall_bot import patience, plugin_host
from townhall_bot.command_sync import CommandSync
from townhall_bot.core_texts import TEXTS
from townhall_bot.health import HealthPage
from townhall_bot.metrics import Metrics
from townhall_bot.plugin_host import LoadedPlugin
from townhall_bot.plugin_reload import Reimport
from townhall_bot.plugins import Plugin
from townhall_bot.privacy import Privacy
from townhall_bot.replies import Refusal, explain
from townhall_bot.replies.refusal import told
from townhall_bot.settings import ENV_FILE, Settings
from townhall_bot.store import Store
from townhall_bot.translation import CommandTranslator

log = logging.getLogger("townhall.bot")

# A bot without voice has no use for what voice needs, nor for a warning at every start.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

FAILURE_KEY = "plugin-failure/"
"""Prefix of the store's keys under which ``townhall doctor`` finds how the last start went wrong."""
UNWELL_KEY = "plugin-unwell/"
"""Prefix of those under which it finds what a running plugin that is not well says of itself."""
HEALTH_SECONDS = 60.0
IDENTIFY_SECONDS = 5.0
"""Seconds that Discord wants between two sessions (its documentation of the gateway, "Rate Limiting")."""
DAY = 86_400
VALUE_TYPES: dict[discord.AppCommandOptionType, tuple[type, ...]] = {
    discord.AppCommandOptionType.string: (str,),
    discord.AppCommandOptionType.integer: (int,),
    discord.AppCommandOptionType.number: (int, float),
    discord.AppCommandOptionType.boolean: (bool,),
}


class Tree(app_commands.CommandTree["Townhall"]):
    """The commands. Tells the client when one has settled, and the asker when it failed."""

    async def interaction_check(self, interaction: discord.Interaction[Townhall], /) -> bool:
        """Take nothing new while the bot is about to stop, nor what was meant for an older command; say so."""
        refusal: Exception | None = None
        if self.client.draining:
            refusal = Refusal(TEXTS.of(interaction.locale)("draining"))
        elif isinstance(interaction.command, app_commands.Command):
            refusal = misfit(interaction, interaction.command)
        if refusal is None:
            return True
        if interaction.type is discord.InteractionType.application_command:
            await explain(interaction, refusal)
            self.client.count_settled(interaction, "refused")
            self.client.dispatch("townhall_settled", interaction, refusal)
        return False

    async def on_error(self, interaction: discord.Interaction[Townhall], error: app_commands.AppCommandError) -> None:
        """Explain the failure to the asker."""
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("autocomplete failed: %s", error)  # nobody waits for an answer that could be shown
            return
        await explain(interaction, error)
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        self.client.count_settled(interaction, "refused" if told(cause) is not None else "failed")
        self.client.dispatch("townhall_settled", interaction, cause)


def misfit(interaction: discord.Interaction[Any], command: app_commands.Command[Any, ..., Any]) -> Exception | None:
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
            words = TEXTS.of(interaction.locale)
            return Refusal(words(name, option=parameter.display_name, given=measured, **bounds))
    return None


class Townhall(discord.Client):
    """The bot. No privileged intents, and nothing it sends mentions anyone.

    Dispatches two events of its own: ``townhall_ready`` once, when plugins run, commands are registered and the
    gateway is ready; ``townhall_settled(interaction, error)`` after each application command, ``error`` None where
    its callback returned.

    ``plugin_classes`` replaces the installed plugins. ``always_sync`` registers commands even where they are
    unchanged. ``guild_ready_timeout`` is how many seconds discord.py waits for another server before it is ready.
    :meth:`close` stops the plugins and closes ``store`` too.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        plugin_classes: Sequence[type[Plugin] | LoadedPlugin] | None = None,
        *,
        env_file: str | Path | None = ENV_FILE,
        always_sync: bool = False,
        guild_ready_timeout: float = 2.0,
    ) -> None:
        self.metrics = Metrics()
        super().__init__(
            http_trace=self.metrics.trace(),
            intents=discord.Intents.default(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=guild_ready_timeout,
        )
        patience.request_patiently(self.http)
        patience.hear_once(self)
        self.settings = settings
        self.store = store
        self._env_file = env_file
        self._reloading = asyncio.Lock()
        self.tree = Tree(self)
        found = plugin_host.find_plugins(settings) if plugin_classes is None else plugin_host.gather(plugin_classes)
        found = [*found, *plugin_host.gather([Privacy])]
        self.plugins: dict[str, LoadedPlugin] = {loaded.name: loaded for loaded in found}
        for loaded in found:
            plugin_host.read_settings(loaded, env_file)
        self._sync = CommandSync(self.tree, store, settings.guild, always=always_sync)
        self.draining = False
        """Whether the bot is about to stop: it takes no new commands."""
        self.metrics.watch(self)
        self.started = asyncio.Event()
        """Set together with ``townhall_ready``; can be awaited before the login, which events cannot."""
        self._plugins_up = False
        self._next_identify = 0.0
        self._watching: tuple[asyncio.Task[None], ...] = ()
        self._stopping: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        """Bring up the plugins and register their commands; called by :meth:`login`, before the gateway."""
        patience.answer_patiently(self)
        plugins = list(self.plugins.values())
        self.construct_plugins()
        await self._translate()
        await asyncio.gather(*(plugin_host.start(loaded) for loaded in plugins))
        await self._sync.run(plugins)
        for loaded in plugins:
            await self._serve(loaded)
        running = [loaded.name for loaded in plugins if loaded.running]
        self._plugins_up = True
        log.info("plugins running: %s", ", ".join(running) or "none")

    def construct_plugins(self) -> None:
        """Create the plugins and ask for their commands, without starting anything."""
        for loaded in self.plugins.values():
            plugin_host.construct(loaded, self, self.store, self.settings.data_dir)
        plugin_host.refuse_clashes(self.plugins.values())

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for what is left of the time Discord wants between two sessions; people wait for the bot meanwhile."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._next_identify - now))
        self._next_identify = max(now, self._next_identify) + IDENTIFY_SECONDS

    async def reload_plugin(self, name: str) -> str | None:
        """Bring a plugin up anew from its files; return what went wrong, None where nothing did.

        Where the new one cannot even be imported and asked for its commands, the old one goes on. Raises KeyError
        for a plugin that is not there.
        """
        async with self._reloading:
            old = self.plugins[name]
            reimport = Reimport(old)
            new = reimport.load()
            plugin_host.read_settings(new, self._env_file)
            plugin_host.construct(new, self, self.store, self.settings.data_dir)
            plugin_host.refuse_clashes([*(other for other in self.plugins.values() if other is not old), new])
            if new.failure is not None:
                reimport.put_back()
                return f"{new.failure}. {'The old one goes on.' if old.running else ''}".rstrip()
            self._remove(old)
            await plugin_host.stop(old)
            old.plugin, old.cls, old.commands = None, None, ()
            reimport.forget()
            gc.collect()  # what the old one held is free before the new one takes as much
            self.plugins[name] = new
            await self._translate()
            await plugin_host.start(new)
            await self._sync.run(list(self.plugins.values()))
            await self._serve(new)
            log.info("plugin %s reloaded", name)
            return new.failure

    async def on_ready(self) -> None:
        """Announce the bot's readiness once; Discord sends this again after a lost session."""
        if not self.started.is_set():
            self.started.set()
            if self._stopping is None:
                self._watching = (
                    asyncio.create_task(self._keep_watch(), name="townhall-health"),
                    asyncio.create_task(self.metrics.measure_lag(), name="townhall-lag"),
                )
            log.info("connected as %s, %d server(s)", self.user, len(self.guilds))
            self.dispatch("townhall_ready")

    async def look_after(self, loaded: LoadedPlugin) -> None:
        """Ask a running plugin how it is; log and keep the answer where it became unwell or well again."""
        before = await self.store.get_value(UNWELL_KEY + loaded.name)
        health = await plugin_host.health(loaded)
        now = None if health.ok else health.summary
        if now != before:
            if now is None:
                log.info("plugin %s is well again", loaded.name)
            else:
                log.warning("plugin %s is not well: %s", loaded.name, now)
            await self.store.set_value(UNWELL_KEY + loaded.name, now)

    async def on_app_command_completion(self, interaction: discord.Interaction[Townhall], command: object) -> None:
        """Pass on that a command's callback returned."""
        self.count_settled(interaction, "done")
        self.dispatch("townhall_settled", interaction, None)

    def count_settled(self, interaction: discord.Interaction[Townhall], outcome: str) -> None:
        """Count a command that came to an end: done, refused or failed."""
        command = interaction.command
        self.metrics.settled(command.qualified_name if command else "unknown", interaction.id, outcome)

    async def on_connect(self) -> None:
        """Count a new session of the gateway."""
        self.metrics.gateway_events.labels("connected").inc()

    async def on_resumed(self) -> None:
        """Count a session of the gateway that goes on after a break."""
        self.metrics.gateway_events.labels("resumed").inc()

    async def on_disconnect(self) -> None:
        """Count a lost connection to the gateway."""
        self.metrics.gateway_events.labels("lost").inc()

    @property
    def connected(self) -> bool:
        """Whether the gateway's connection stands now."""
        return self.ws is not None and self.ws.open

    async def drain(self, seconds: float) -> None:
        """Take nothing new, and let what runs come to its end within ``seconds``."""
        self.draining = True
        began = time.monotonic()
        await asyncio.gather(*(plugin_host.drain(loaded, seconds) for loaded in self.plugins.values()))
        log.info("drained after %.1f s", time.monotonic() - began)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log a failing event handler; discord.py's own would log the event's content too."""
        log.exception("the handler of %s failed", event_method)

    async def close(self) -> None:
        """Stop the plugins while Discord can still be told, then disconnect and close the store."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="townhall-stop")
        await asyncio.shield(self._stopping)
        still_heartbeats(asyncio.get_running_loop())

    async def run_until_stopped(self, token: str) -> None:
        """Serve until SIGINT or SIGTERM, then drain and stop cleanly; a second signal cuts the draining short.

        Raises what :meth:`start` raises.
        """
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[int] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, signals.put_nowait, number)
        page = HealthPage(self, self.settings.health_host, self.settings.health_port)
        if self.settings.health_port:
            await page.start()
        serving = asyncio.create_task(self.start(token), name="townhall-serve")
        signalled = asyncio.create_task(signals.get(), name="townhall-signal")
        try:
            await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if signalled.done():
                log.info("stopping")
                if self._plugins_up:  # people may be served before discord.py calls the client ready
                    await self._drain_until(signals.get())
                else:  # plugins must not be stopped while they still start
                    serving.cancel()
                    await asyncio.wait({serving})
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)  # a further Ctrl-C ends a stop that hangs
            signalled.cancel()
            await self.close()
            await page.stop()
        serving.cancel()
        await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            raise error

    async def _drain_until(self, hurry: Coroutine[Any, Any, int]) -> None:
        """Drain as long as the settings allow, or until ``hurry`` returns."""
        draining = asyncio.create_task(self.drain(self.settings.drain_s), name="townhall-drain")
        hurried = asyncio.create_task(hurry, name="townhall-hurry")
        await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, hurried):
            task.cancel()
        await asyncio.wait({draining, hurried})

    def _add(self, loaded: LoadedPlugin) -> None:
        assert loaded.plugin is not None  # a running plugin exists
        try:
            for command in loaded.commands:
                self.tree.add_command(command)
            loaded.dynamic_items = tuple(loaded.plugin.dynamic_items())
            self.add_dynamic_items(*loaded.dynamic_items)
        except Exception as error:
            loaded.fail("registration", error)
            self._remove(loaded)

    async def _translate(self) -> None:
        texts = [loaded.cls.texts for loaded in self.plugins.values() if loaded.cls is not None]
        await self.tree.set_translator(CommandTranslator([TEXTS, *texts]))

    async def _serve(self, loaded: LoadedPlugin) -> None:
        """Take a started plugin's commands into the tree, and note how its start went."""
        if loaded.running:
            self._add(loaded)
        if loaded.running:
            self.metrics.add_plugin(loaded)
        else:
            await plugin_host.stop(loaded)
        await self.store.set_value(FAILURE_KEY + loaded.name, loaded.failure)
        await self.store.set_value(UNWELL_KEY + loaded.name, None)

    def _remove(self, loaded: LoadedPlugin) -> None:
        for command in loaded.commands:
            self.tree.remove_command(command.name, type=getattr(command, "type", discord.AppCommandType.chat_input))
        self.remove_dynamic_items(*loaded.dynamic_items)

    async def _keep_watch(self) -> None:
        while True:
            for loaded in self.plugins.values():
                if loaded.running:
                    await self.look_after(loaded)
            await self.store.forget_records_before(time.time() - self.settings.keep_records_days * DAY)
            await asyncio.sleep(HEALTH_SECONDS)

    async def _stop(self) -> None:
        self.draining = True
        for task in self._watching:
            task.cancel()
        if self._watching:
            await asyncio.wait(self._watching)
        await asyncio.gather(*(plugin_host.stop(loaded) for loaded in self.plugins.values()))
        await super().close()
        await self.store.close()


def still_heartbeats(loop: asyncio.AbstractEventLoop) -> None:
    """Stop discord.py's heartbeat threads on ``loop``: those of connections that were cut may outlive the client."""
    for thread in threading.enumerate():
        if isinstance(thread, KeepAliveHandler) and thread.ws.loop is loop:
            thread.stop()
