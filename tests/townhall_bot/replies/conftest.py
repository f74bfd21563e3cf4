"""A member has a text grow; what is tried again is tried again at once."""

import pytest

from tests.townhall_bot.replies.growing import Act, Perform, PluginDoing
from townhall_bot.loopback import Person, Turn
from townhall_bot.testkit import StartTownhall


@pytest.fixture(autouse=True)
def always_at_once(no_pauses: None) -> None:
    """A text that is tried again is tried again at once."""


@pytest.fixture
def perform(start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person) -> Perform:
    """Return a function that has Ada type a command that does ``act``, and waits for its end."""

    async def typed(act: Act) -> Turn:
        running = await start_townhall(plugin_doing(act))
        turn = await ada.type("/act")
        error = await running.settled(turn)
        if error is not None:
            raise error
        return turn

    return typed
