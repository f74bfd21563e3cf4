"""The Discord client: brings plugins up, watches over itself, counts what it does, stops cleanly."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import discord

from townhall_bot.discordpy import components, gateway, interactions, posted, proxy, retries, tracebacks
from townhall_bot.discordpy.forms import Forms
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.interactions import Endpoint
from townhall_bot.ops import proxies
from townhall_bot.ops.metrics import Metrics
from townhall_bot.ops.session_limit import SessionPace
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.command_sync import CommandSync
from townhall_bot.plugins.command_tree import Tree
from townhall_bot.plugins.discovery import find_plugins, gather
from townhall_bot.plugins.hearing import COMMAND, Hearing
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.plugins.registry import PluginRegistry
from townhall_bot.privacy import Privacy
from townhall_bot.replies.refusal import EXPLAINED, Refusal, explain, told
from townhall_bot.settings import ENV_FILE, Settings
from townhall_bot.store import Store, StoreError

log = logging.getLogger("townhall.bot")

gateway.expect_no_voice()
tracebacks.shorten()

WATCH_SECONDS = 60.0
"""How often the bot asks its plugins how they are, and forgets records that are too old."""
DAY = 86_400


class Townhall(discord.Client):
    """The bot. It hears of servers, interactions and, where the host lets it, of messages that are said to it; nothing
    it sends mentions anyone.

    Dispatches two events of its own: ``townhall_ready`` once, when plugins run, commands are registered and the
    gateway is ready; ``townhall_settled(interaction, error)`` after each application command, press, choice and form,
    ``error`` None where its callback returned.

    ``plugin_classes`` replaces the installed plugins. ``always_sync`` registers commands even where they are
    unchanged. ``guild_ready_timeout`` is how many seconds discord.py waits for another server before it is ready.
    ``counts_sessions`` False is for a Discord that counts none a day: the next start need not wait for the last ones.
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
        counts_sessions: bool = True,
    ) -> None:
        self.metrics = Metrics()
        super().__init__(
            http_trace=self.metrics.trace(),
            intents=intents_of(settings),
            max_messages=None,
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=guild_ready_timeout,
            max_ratelimit_timeout=retries.LONGEST_LIMIT_S,
            **self.client_options(settings),
        )
        retries.retry_requests(self)
        interactions.hear_once(self)
        self.forms = Forms()
        components.watch(
            self, explain=explain, unclaimed=_explain_gone, settled=self._component_settled, forms=self.forms
        )
        self.settings = settings
        self.store = store
        self.tree = Tree(self)
        found = find_plugins(settings) if plugin_classes is None else gather(plugin_classes)
        sync = CommandSync(self.tree, store, settings.guild, always=always_sync)
        self.plugins = PluginRegistry(self, [*gather([Privacy]), *found], sync, env_file)
        if settings.hear_messages:
            Hearing(self).begin()
        self.draining = False
        """Whether the bot is about to stop: it takes no new commands."""
        self.metrics.watch(self)
        self.started = asyncio.Event()
        """Set together with ``townhall_ready``; can be awaited before the login, which events cannot."""
        self.plugins_up = False
        """Whether people may be served: before ``started``, which waits for every server."""
        self.session_pace = SessionPace(settings.data_dir / "sessions.json" if counts_sessions else None)
        self._watching: tuple[asyncio.Task[None], ...] = ()
        self._stopping: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.endpoint: Endpoint | None = None
        """Where Discord sends interactions, if not to the gateway; from :meth:`connect` on."""

    def client_options(self, settings: Settings) -> dict[str, Any]:
        """Return what the client is made with beside what holds for all."""
        return {}

    @property
    def registers_commands(self) -> bool:
        """Whether this process tells Discord of the commands."""
        return True

    async def login(self, token: str) -> None:
        """Log in, through the proxy where there is one; raises SettingsError where that cannot be used."""
        proxy.use(self, proxies.proxy_for, _tell_of_proxy)
        await super().login(token)

    async def setup_hook(self) -> None:
        """Bring up the plugins and register their commands; called by :meth:`login`, before the gateway."""
        retries.retry_answers(self)
        await self.plugins.bring_up()
        self.plugins_up = True

    async def connect(self, *, reconnect: bool = True) -> None:
        """Connect to the gateway, as often as it takes until the first connection stands; or take what is posted.

        Raises EndpointError where that was chosen and cannot be.
        """
        if self.settings.interactions_port is not None:
            return await self._take_posts(self.settings.interactions_port)
        await self.session_pace.wait_to_start(self)
        while True:
            try:
                return await super().connect(reconnect=reconnect)
            except AttributeError:
                if gateway.was_connected(self):
                    raise
                log.warning("the first connection to Discord broke before it stood; it is tried again")

    async def _take_posts(self, port: int) -> None:
        """Serve without a gateway until the bot is closed."""
        assert self.application is not None  # since the login
        self.endpoint = Endpoint(
            lambda data: posted.take(self, data),
            lambda: self.plugins_up and self._stopping is None,
            public_key=self.settings.public_key or self.application.verify_key,
            host=self.settings.interactions_host,
            port=port,
        )
        await self.endpoint.start()
        posted.be_ready(self)
        await self._closing.wait()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait until a session may begin, and no longer: people wait for the bot meanwhile."""
        await self.session_pace.wait_to_identify()

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

    async def on_app_command_completion(self, interaction: discord.Interaction[Townhall], command: object) -> None:
        """Pass on that a command's callback returned."""
        self.command_settled(interaction, None)

    def command_settled(self, interaction: discord.Interaction[Townhall], error: Exception | None) -> None:
        """Count a command that came to an end (done, refused or failed), and tell who listens."""
        command = interaction.command
        failed = isinstance(error, StoreError) or (error is not None and told(error) is None)
        outcome = "done" if error is None else "failed" if failed else "refused"
        self.metrics.settled(command.qualified_name if command else "unknown", interaction.id, outcome)
        self.dispatch("townhall_settled", interaction, error)

    def _component_settled(self, interaction: discord.Interaction[Any]) -> None:
        """Tell who listens that a press, a choice or a form came to an end."""
        if not self.is_closed():
            self.dispatch("townhall_settled", interaction, interaction.extras.get(EXPLAINED))

    def message_settled(self, interaction: discord.Interaction[Any], error: Exception | None) -> None:
        """Count a message that was dealt with, and tell who listens."""
        outcome = "done" if error is None else "refused" if told(error) is not None else "failed"
        self.metrics.settled(COMMAND, interaction.id, outcome)
        if not self.is_closed():
            self.dispatch("townhall_settled", interaction, error)

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
        """Whether Discord reaches the bot now: the gateway's connection stands, or requests are listened for."""
        if self.endpoint is not None:
            return self.endpoint.listening
        return gateway.is_connected(self)

    def shard_states(self) -> dict[str, dict[str, bool]]:
        """Return which shards' connections stand, for the health page; nothing where there are none."""
        return {}

    async def drain(self, seconds: float) -> None:
        """Take nothing new, and let what runs come to its end within ``seconds``."""
        self.draining = True
        began = time.monotonic()
        await self.plugins.drain(seconds)
        log.info("drained after %.1f s", time.monotonic() - began)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log a failing event handler; discord.py's own would log the event's content too."""
        log.exception("the handler of %s failed", event_method)

    async def close(self) -> None:
        """Stop the plugins while Discord can still be told, then disconnect and close the store."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="townhall-stop")
        await asyncio.shield(self._stopping)
        gateway.stop_heartbeats(asyncio.get_running_loop())

    async def let_go(self) -> None:
        """Let go of what others wait for; the last thing of all."""

    async def _keep_watch(self) -> None:
        while True:
            try:
                await self.store.try_again()
                for loaded in list(self.plugins.values()):
                    if loaded.running:
                        await self.plugins.look_after(loaded)
                await self.store.forget_records_before(time.time() - self.settings.keep_records_days * DAY)
            except StoreError as error:  # a disk that is full for an hour must not end the watch
                log.warning("the watch could not be kept: %s", error)
            await asyncio.sleep(WATCH_SECONDS)

    async def _stop(self) -> None:
        self.draining = True
        for task in self._watching:
            task.cancel()
        if self._watching:
            await asyncio.wait(self._watching)
        self._closing.set()
        listening = () if self.endpoint is None else (self.endpoint.stop,)
        for let_go in (*listening, self.plugins.stop, super().close, self.store.close, self.let_go):
            try:
                await let_go()
            except Exception:  # of a machine without memory or threads, say: the others are let go of all the same
                log.exception("stopping went wrong; it goes on")


def intents_of(settings: Settings) -> discord.Intents:
    """Return what the bot asks Discord to tell it; nothing that is privileged."""
    heard = settings.hear_messages
    return discord.Intents(guilds=True, guild_messages=heard, dm_messages=heard)


def _tell_of_proxy(error: aiohttp.ClientError, gateway_address: str) -> None:
    if (found := proxies.problem(error, gateway_address)) is not None:
        log.warning("the gateway cannot be reached: %s", found)


async def _explain_gone(interaction: discord.Interaction[Any]) -> None:
    await explain(interaction, Refusal(TEXTS.for_user(interaction)("component.gone")))
