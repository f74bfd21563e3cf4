"""Forms that are answered whichever process hears of them: all that they need is in their ids and what was typed.

discord.py keeps a form in the memory of the process that showed it, and discards what is sent after a restart or to
another process, for which the person sees "Something went wrong".
"""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import discord


class LastingForm(abc.ABC):
    """What is done with a form that was sent, told by the form's id. Show the form itself with :func:`show`.

    Have the id hold something that is new each time (an interaction's id, say): Discord's apps for phones fill a form
    with what the first one of the same id held (discord-api-docs, issue 7554).
    """

    template: re.Pattern[str]
    """Which ids are its own; at most 100 characters, and no two forms of a bot have the same pattern."""

    @abc.abstractmethod
    async def submitted(
        self, interaction: discord.Interaction[Any], match: re.Match[str], typed: Mapping[str, str]
    ) -> None:
        """Take what was ``typed``, by the ids of the text fields. What this raises is told to who sent it.

        What was chosen from menus is in ``interaction.data``.
        """


class Forms:
    """The lasting forms of a client, by the pattern of their ids."""

    def __init__(self) -> None:
        self._forms: dict[re.Pattern[str], LastingForm] = {}

    def add(self, *forms: LastingForm) -> None:
        """Answer for these, too."""
        self._forms |= {form.template: form for form in forms}

    def remove(self, *forms: LastingForm) -> None:
        """Answer for these no longer; another form that has taken a pattern over keeps it."""
        for form in forms:
            if self._forms.get(form.template) is form:
                del self._forms[form.template]

    def find(self, custom_id: str) -> tuple[LastingForm, re.Match[str]] | None:
        """Return whose form has this id, and what its pattern found in it; None where nobody's has."""
        found = ((form, pattern.fullmatch(custom_id)) for pattern, form in self._forms.items())
        return next(((form, match) for form, match in found if match is not None), None)


async def show(interaction: discord.Interaction[Any], modal: discord.ui.Modal) -> None:
    """Answer with a form whose id a :class:`LastingForm` answers for; nothing of it stays in this process."""
    modal.stop()  # or discord.py keeps it until it is sent, and most are closed without that
    await interaction.response.send_modal(modal)


def typed_in(components: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the fields of a form say that was sent, by their ids."""
    return {str(field["custom_id"]): str(field.get("value") or "") for field in _fields(components)}


def _fields(components: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        inner = component.get("component")  # a label's
        yield from _fields([*component.get("components", ()), *([] if inner is None else [inner])])
