"""What becomes of a pressed button, a choice and a form: who did it is told what failed, and somebody hears the end.

discord.py only logs what a component raises and leaves the person with "The application did not respond". The same
goes for a component that nobody answers for: its view ended with a restart, or its plugin is not there any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import discord
from discord.ui.view import BaseView

from townhall_bot.discordpy.forms import Forms, LastingForm, typed_in

Explain = Callable[[discord.Interaction[Any], Exception], Awaitable[None]]
"""Tells the person behind an interaction what failed. Never raises."""


def watch(
    client: discord.Client,
    *,
    explain: Explain,
    unclaimed: Callable[[discord.Interaction[Any]], Awaitable[None]],
    settled: Callable[[discord.Interaction[Any]], None],
    forms: Forms,
) -> None:
    """Have ``explain`` called for what a client's components and forms raise, whatever kind they are of.

    ``unclaimed`` answers for a component that nobody answers for; ``settled`` is called when one has been dealt with.
    ``forms`` are asked first for a form that was sent.
    Views and forms without an ``on_error`` of their own share one: those of other clients use this ``explain`` too.
    """
    _explain_by_default(explain)
    store = client._connection._view_store
    view, form = store.dispatch_view, store.dispatch_modal
    dynamic, add_task = store.schedule_dynamic_item_call, store.add_task
    handed_out: list[asyncio.Task[None]] = []  # for the interaction at hand: handing out waits for nothing

    def note(task: asyncio.Task[None]) -> None:
        handed_out.append(task)
        add_task(task)

    async def answer(interaction: discord.Interaction[Any]) -> None:
        await unclaimed(interaction)

    @contextlib.contextmanager
    def followed(interaction: discord.Interaction[Any]) -> Iterator[None]:
        handed_out.clear()
        yield
        if not handed_out:
            note(asyncio.create_task(answer(interaction), name="townhall-component-unclaimed"))
        left = len(handed_out)

        def ended(_: asyncio.Task[None]) -> None:
            nonlocal left
            left -= 1
            if not left:
                settled(interaction)

        for task in handed_out:
            task.add_done_callback(ended)

    def dispatch_view(component_type: int, custom_id: str, interaction: discord.Interaction[Any]) -> None:
        with followed(interaction):
            view(component_type, custom_id, interaction)

    def dispatch_modal(custom_id: str, interaction: discord.Interaction[Any], *fields: Any) -> None:
        with followed(interaction):
            if (found := forms.find(custom_id)) is not None:
                note(asyncio.create_task(take(interaction, *found), name="townhall-form"))
            else:
                form(custom_id, interaction, *fields)

    async def take(interaction: discord.Interaction[Any], form: LastingForm, match: re.Match[str]) -> None:
        data: Any = interaction.data  # a form's
        try:
            await form.submitted(interaction, match, typed_in(data["components"]))
        except Exception as error:
            await explain(interaction, error)

    async def schedule(kind: int, factory: Any, interaction: discord.Interaction[Any], *rest: Any) -> None:
        await dynamic(kind, _Guarded(factory, explain), interaction, *rest)  # type: ignore[arg-type]  # stands for the class

    store.add_task = note  # type: ignore[method-assign]  # this client's alone
    store.dispatch_view = dispatch_view  # type: ignore[method-assign]  # as above
    store.dispatch_modal = dispatch_modal  # type: ignore[assignment, method-assign]  # as above
    store.schedule_dynamic_item_call = schedule  # type: ignore[assignment, method-assign]  # as above


def _explain_by_default(explain: Explain) -> None:
    """Let ``explain`` be what a view or a form does that has no ``on_error`` of its own.

    There is no place to say so for one client alone.
    """

    async def explain_item(_: BaseView, interaction: discord.Interaction[Any], error: Exception, item: Any, /) -> None:
        await explain(interaction, error)

    async def explain_form(_: discord.ui.Modal, interaction: discord.Interaction[Any], error: Exception, /) -> None:
        await explain(interaction, error)

    BaseView.on_error = explain_item  # type: ignore[method-assign]  # as said above
    discord.ui.Modal.on_error = explain_form  # type: ignore[method-assign]  # a form's has no item, in discord.py too


class _Guarded:
    """Stands for a class of dynamic items; what its items raise is told to whoever pressed."""

    def __init__(self, factory: type[discord.ui.DynamicItem[Any]], explain: Explain) -> None:
        self._factory = factory
        self._explain = explain

    async def from_custom_id(
        self, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> discord.ui.DynamicItem[Any]:
        """Return the item, its checks and callback explaining their failures."""
        try:
            made = await self._factory.from_custom_id(interaction, item, match)
        except Exception as error:
            await self._explain(interaction, error)
            raise
        made.interaction_check = _explaining(made.interaction_check, self._explain, False)  # type: ignore[method-assign]  # this item's
        made.callback = _explaining(made.callback, self._explain, None)  # type: ignore[assignment, method-assign]  # as above
        return made


def _explaining(call: Callable[[Any], Any], explain: Explain, failed: object) -> Callable[[Any], Any]:
    async def explaining(interaction: discord.Interaction[Any]) -> Any:
        try:
            return await call(interaction)
        except Exception as error:
            await explain(interaction, error)
            return failed

    return explaining


def template_of(item: type[discord.ui.DynamicItem[Any]]) -> str:
    """Return the pattern of the ids that a class answers for: a client has one class for each."""
    return item.__discord_ui_compiled_template__.pattern
