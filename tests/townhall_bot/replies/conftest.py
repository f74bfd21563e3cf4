"""What is tried again is tried again at once, and a member has a text grow."""

import pytest

from tests.townhall_bot.replies.growing import Act, Perform, PluginDoing
from townhall_bot.discordpy import retries
from townhall_bot.loopback import Person, Turn
from townhall_bot.testkit import StartTownhall


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(retries, "FIRST_ANSWER_PAUSES", (0.0,) * 3)


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
