"""The smallest plugin: it answers, and shows that the contract is enough."""

from collections.abc import Mapping

import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import Person
from townhall_bot.plugins import Plugin, host
from townhall_bot.testkit import RunningTownhall


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [PingPlugin]


async def test_a_member_pings_and_alone_sees_the_answer(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type("/ping")
    assert await townhall.settled(turn) is None
    assert turn.text.startswith("Pong.")
    assert turn.message.ephemeral


async def test_it_is_well_while_connected(townhall: RunningTownhall) -> None:
    assert (await host.health(townhall.bot.plugins["ping"])).ok


class TestWhereTheHostWantsItPublic:
    @pytest.fixture
    def townhall_settings(self) -> Mapping[str, str]:
        return {"TOWNHALL_PING_PUBLIC": "true"}

    async def test_everyone_sees_the_answer(self, townhall: RunningTownhall, ada: Person) -> None:
        turn = await ada.type("/ping")
        await townhall.settled(turn)
        assert turn.channel.messages == [turn.message]
