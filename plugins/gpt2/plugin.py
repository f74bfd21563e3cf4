"""The gpt2 plugin: joins commands, service, settings and the store. Knows Discord, not tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from plugins.gpt2 import typed_form
from plugins.gpt2.admin.config_command import ConfigCommand
from plugins.gpt2.chat import buttons
from plugins.gpt2.chat.edit_form import EditForm
from plugins.gpt2.chat.generate_command import continue_menu, generate_command
from plugins.gpt2.chat.message_format import LONG_PROMPT
from plugins.gpt2.chat.prompt_cache import KEPT
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.chat.transcripts import Transcripts
from plugins.gpt2.conversation import story_buttons
from plugins.gpt2.conversation.followed import REMEMBERED
from plugins.gpt2.conversation.stories import Stories
from plugins.gpt2.conversation.story_command import story_command
from plugins.gpt2.conversation.talk import Talk
from plugins.gpt2.doctor import checks
from plugins.gpt2.guild_rules import GuildRulesStore
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.metrics import Metrics
from plugins.gpt2.protocol import Finished, GenerationRequest, ModelEntry, TextGenerator
from plugins.gpt2.remote import models as remote_models
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.stats.stats_command import StatsCommand
from plugins.gpt2.stats.summary import KIND
from townhall_bot.i18n import Words
from townhall_bot.plugins import Check, CliCommand, Health, LastingForm, Plugin, PluginContext
from townhall_bot.plugins.hearing import Heard
from townhall_bot.store import StoreError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

LAST_WORDS_S = 4.0
"""How long stopping waits for the final edits of what was under way."""


class GPT2Plugin(Plugin):
    """Brings ``/gpt2``, ``/gpt2-story``, "Continue with GPT-2", ``/gpt2-stats`` and ``/gpt2-config``."""

    name = "gpt2"
    settings_model = GPT2Settings
    texts = TEXTS
    hears_anything = True

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        settings: GPT2Settings = context.settings
        catalog = ModelCatalog(settings, total_memory=lambda: None) if settings.router else ModelCatalog(settings)
        self.service = self.make_service(settings, catalog)
        self.rules = GuildRulesStore(context.guild_settings, catalog.allowed, settings)
        self._kept = Transcripts(context.entries, settings.keep_texts_days)
        self._responder = Responder(
            self.service, settings, self.rules, self._note, self._kept.keep, self._kept.prompt_of
        )
        edit = EditForm(self._responder)
        self._button = buttons.bound(self._responder, edit)
        self._responder.buttons = buttons.views(self._button)
        self._stories = Stories(self._responder)
        self._story_button = story_buttons.bound(self._stories)
        self._talk = Talk(self._responder, self._stories)
        self._config = ConfigCommand(self.service, lambda: self._offered(catalog, settings), self.rules, settings)
        self._forms = (edit, self._config.panel.numbers, self._config.panel.preset)
        self._back = typed_form.bound(*self._forms)
        self._stats = StatsCommand(self.service, context.records, context.data_dir / "matplotlib")
        self._metrics = Metrics(self.service)

    def make_service(self, settings: GPT2Settings, catalog: ModelCatalog) -> TextGenerator:
        """Return what writes texts: this machine's engine, or those behind the host's routers; a subclass's own."""
        if settings.router:
            return RemoteTextGenerator(settings.router, settings.secret)
        return GPT2Service(settings, catalog=catalog)

    def _offered(self, catalog: ModelCatalog, settings: GPT2Settings) -> Sequence[ModelEntry]:
        """Return what an admin may choose from. Looks at the disk where the engine is here."""
        if settings.router:
            return remote_models.entries(catalog.allowed, settings, self.service.status())
        return catalog.entries()

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any] | app_commands.ContextMenu]:
        """Return the commands, with the host's bounds."""
        return (
            generate_command(self._responder),
            continue_menu(self._responder),
            story_command(self._stories),
            self._stats.build(),
            self._config.build(),
        )

    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        """Return the buttons below texts, and what panels and forms have."""
        return (self._button, self._story_button, self._config.panel.item, self._back)

    def forms(self) -> Sequence[LastingForm]:
        """Return what takes a changed prompt, numbers of the settings, and a preset."""
        return self._forms

    async def hear(self, heard: Heard) -> bool:
        """Continue what is said to the bot, where that is allowed."""
        return await self._talk.hear(heard)

    async def hear_edit(self, heard: Heard) -> bool:
        """Write anew for other words."""
        return await self._talk.edit(heard)

    async def hear_deletion(self, message_ids: set[int]) -> None:
        """Take back what answered a message that is deleted."""
        await self._talk.deletion(message_ids)

    async def start(self) -> None:
        """Start the engine; the default model is loaded meanwhile, and requests wait for it."""
        await self._kept.forget_old()
        await self.service.start()

    async def drain(self, seconds: float) -> None:
        """Take nothing new, tell those who wait, and let those who run come to their end."""
        await self.service.drain()
        await self._responder.finish(seconds)

    async def stop(self) -> None:
        """End what runs, tell those who wait, and free the memory."""
        await self.service.close()
        await self._responder.finish(LAST_WORDS_S)

    async def health(self) -> Health:
        """Say what is loaded and how much there is to do."""
        status = self.service.status()
        if status.failure is not None:
            return Health(False, status.failure)
        models = f"{', '.join(status.models)} on {status.device} ({status.dtype})" if status.models else "no model yet"
        loading = f", {status.loading}" if status.loading else ""
        return Health(True, f"{models}{loading}; {status.running} running, {status.queued} waiting")

    def metrics(self, registry: CollectorRegistry) -> None:
        """Count tokens and requests; tell the queue and the models when asked."""
        self._metrics.register(registry)

    def privacy(self, words: Words) -> str:
        """Say whether prompts and texts are kept, and what else is."""
        days = self.context.settings.keep_texts_days
        kept = words("privacy.database", count=days) if days else words("privacy.here")
        told = [kept, words("privacy.buttons", kept=KEPT, long=LONG_PROMPT)]
        if self.context.client.intents.dm_messages:  # the host has the bot hear them
            direct = self.context.settings.direct_messages
            told.append(words("privacy.talk" if direct else "privacy.talk_mentions", kept=REMEMBERED))
        return " ".join([*told, words("privacy.statistics")])

    async def delete_member_data(self, user_id: int) -> int:
        """End what the member has under way, and delete the texts and long prompts that were kept; return how many."""
        await self.service.cancel_member(user_id)
        return self._responder.prompt_cache.forget_member(user_id) + await self.context.entries.delete_member(user_id)

    async def _note(self, request: GenerationRequest, finished: Finished) -> None:
        """Count a request for the statistics: numbers, the server and the model; not who asked, nor what."""
        timing = finished.timing
        self._metrics.note(finished)
        numbers = {
            "tokens": timing.new_tokens,
            "prompt_tokens": timing.prompt_tokens,
            "queue_s": timing.queue_ms / 1000,
            "first_token_s": timing.first_token_ms / 1000,
            "total_s": timing.total_ms / 1000,
            "tok_s": timing.decode_tok_s or 0.0,
        }
        try:
            await self.context.records.add(KIND, numbers, guild_id=request.guild_id, label=request.model)
        except StoreError as error:  # its own words are enough; the store counts it later where it can
            self.context.log.warning("a request could not be counted now: %s", error)
        except Exception:
            self.context.log.exception("a request could not be counted")  # the text matters more

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        """Look at compiler, model and memory."""
        return checks(settings)

    @classmethod
    def cli_commands(cls) -> Sequence[CliCommand]:
        """Bring ``townhall gpt2``, ``models`` and ``texts``."""
        from plugins.gpt2 import cli

        return cli.COMMANDS
