"""What becomes of a pressed button, a choice and a form: who did it is told what failed, and the client hears the end.

discord.py only logs what a component raises and leaves the person with "The application did not respond". The same
goes for a component that nobody answers for: its view ended with a restart, or its plugin is not there any more.

This is the one module that reaches into how discord.py hands out components.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import discord
from discord.ui.view import BaseView

from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies import Refusal, explain
from townhall_bot.replies.refusal import EXPLAINED


async def _explain_item(self: BaseView, interaction: discord.Interaction[Any], error: Exception, item: Any, /) -> None:
    await explain(interaction, error)


async def _explain_form(self: discord.ui.Modal, interaction: discord.Interaction[Any], error: Exception, /) -> None:
    await explain(interaction, error)


# What a view or a form does that has no on_error of its own; there is no place to say so for one client alone.
BaseView.on_error = _explain_item  # type: ignore[method-assign]  # as said above
discord.ui.Modal.on_error = _explain_form  # type: ignore[method-assign]  # a form's has no item, in discord.py too


def watch(client: discord.Client) -> None:
    """Dispatch ``townhall_settled(interaction, error)`` on a client when a component or a form has been dealt with."""
    store = client._connection._view_store
    view, form = store.dispatch_view, store.dispatch_modal
    dynamic, add_task = store.schedule_dynamic_item_call, store.add_task
    handed_out: list[asyncio.Task[None]] = []  # for the interaction at hand: handing out waits for nothing

    def note(task: asyncio.Task[None]) -> None:
        handed_out.append(task)
        add_task(task)

    @contextlib.contextmanager
    def followed(interaction: discord.Interaction[Any]) -> Iterator[None]:
        handed_out.clear()
        yield
        if not handed_out:
            gone = Refusal(TEXTS.for_user(interaction)("component.gone"))
            note(asyncio.create_task(explain(interaction, gone), name="townhall-component-gone"))
        left = len(handed_out)

        def ended(_: asyncio.Task[None]) -> None:
            nonlocal left
            left -= 1
            if not left and not client.is_closed():
                client.dispatch("townhall_settled", interaction, interaction.extras.get(EXPLAINED))

        for task in handed_out:
            task.add_done_callback(ended)

    def dispatch_view(component_type: int, custom_id: str, interaction: discord.Interaction[Any]) -> None:
        with followed(interaction):
            view(component_type, custom_id, interaction)

    def dispatch_modal(custom_id: str, interaction: discord.Interaction[Any], *fields: Any) -> None:
        with followed(interaction):
            form(custom_id, interaction, *fields)

    async def schedule(kind: int, factory: Any, interaction: discord.Interaction[Any], *rest: Any) -> None:
        await dynamic(kind, _Guarded(factory), interaction, *rest)  # type: ignore[arg-type]  # stands for the class

    store.add_task = note  # type: ignore[method-assign]  # this client's alone
    store.dispatch_view = dispatch_view  # type: ignore[method-assign]  # as above
    store.dispatch_modal = dispatch_modal  # type: ignore[assignment, method-assign]  # as above
    store.schedule_dynamic_item_call = schedule  # type: ignore[assignment, method-assign]  # as above


class _Guarded:
    """Stands for a class of dynamic items; what its items raise is told to whoever pressed."""

    def __init__(self, factory: type[discord.ui.DynamicItem[Any]]) -> None:
        self._factory = factory

    async def from_custom_id(
        self, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> discord.ui.DynamicItem[Any]:
        """Return the item, its checks and callback explaining their failures."""
        try:
            made = await self._factory.from_custom_id(interaction, item, match)
        except Exception as error:
            await explain(interaction, error)
            raise
        made.interaction_check = _explaining(made.interaction_check, False)  # type: ignore[method-assign]  # this item's
        made.callback = _explaining(made.callback, None)  # type: ignore[assignment, method-assign]  # as above
        return made


def _explaining(call: Callable[[Any], Any], failed: object) -> Callable[[Any], Any]:
    async def explaining(interaction: discord.Interaction[Any]) -> Any:
        try:
            return await call(interaction)
        except Exception as error:
            await explain(interaction, error)
            return failed

    return explaining
