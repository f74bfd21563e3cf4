"""``/gpt2-config`` where engines are on other machines: it is their disks and their memory that count."""

from __future__ import annotations

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.protocol import ModelEntry
from plugins.gpt2.remote.generator import RemoteTextGenerator
from tests.plugins.gpt2.fake_plugin import answered
from tests.plugins.gpt2.router.fake_fleet import SECRET, FakeEngine, House
from townhall_bot.loopback import Person
from townhall_bot.testkit import RunningTownhall, StartTownhall

XL = ModelEntry("gpt2-xl", 1_558_000_000, 4_420_000_000, on_disk=True)
MINI = ModelEntry("townhall-mini", 10_000_000, 49_000_000, on_disk=False)


async def bot_of(house: House, start_townhall: StartTownhall, **changes: str) -> RunningTownhall:
    settings = {"ROUTER": house.routers[0].url, "ROUTER_SECRET": SECRET, "MODEL": "townhall-mini"} | changes
    given = {f"TOWNHALL_GPT2_{name}": value for name, value in settings.items()}
    townhall = await start_townhall(GPT2Plugin, settings=given)
    service = townhall.plugin(GPT2Plugin).service
    assert isinstance(service, RemoteTextGenerator)
    await service.refresh()  # it asks twice a second; this is now
    return townhall


async def engines(house: House) -> list[FakeEngine]:
    """Begin two: the second has the large model's files."""
    absent = ModelEntry(XL.name, XL.parameters, XL.memory_bytes, on_disk=False)
    return [
        await house.engine(offers=["townhall-mini", "gpt2-xl"], entries=[MINI, absent]),
        await house.engine(offers=["gpt2-xl"], entries=[XL]),
    ]


async def test_models_are_offered_as_engines_have_them(
    house: House, start_townhall: StartTownhall, admin: Person
) -> None:
    await house.router()
    await engines(house)
    townhall = await bot_of(house, start_townhall)
    choices = await admin.complete("/gpt2-config model:")
    assert [choice["name"] for choice in choices] == [
        "townhall-mini · 10M parameters, needs 49 MB of memory, to download",
        "gpt2-xl · 1.6B parameters, needs 4.42 GB of memory, ✓ on disk",
    ]
    panel = await answered(townhall, admin, "/gpt2-config")
    assert "not downloaded yet" in panel.text, "though this machine has it"


async def test_without_any_engine_nothing_is_said_of_disks_and_memory(
    house: House, start_townhall: StartTownhall, admin: Person
) -> None:
    await house.router()
    townhall = await bot_of(house, start_townhall, ALLOWED_MODELS="townhall-mini,gpt2-xl")
    choices = await admin.complete("/gpt2-config model:")
    assert [choice["name"] for choice in choices] == ["townhall-mini", "gpt2-xl"]
    panel = await answered(townhall, admin, "/gpt2-config")
    assert not [said for said in ("on disk", "downloaded", "memory") if said in panel.text]
