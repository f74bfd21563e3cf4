from __future__ import annotations

from plugins.gpt2.admin.model_choices import facts, label
from plugins.gpt2.messages import ENGLISH
from plugins.gpt2.protocol import ModelEntry


def test_a_choice_says_what_the_model_needs_and_whether_it_is_here() -> None:
    small = ModelEntry("townhall-mini", 10_000_000, 30_000_000, on_disk=True)
    assert label(ENGLISH, small) == "townhall-mini · 10M parameters, needs 30 MB of memory, ✓ on disk"
    large = ModelEntry("gpt2-xl", 1_558_000_000, 1_900_000_000, on_disk=False)
    assert label(ENGLISH, large) == "gpt2-xl · 1.6B parameters, needs 1.90 GB of memory, to download"
    elsewhere = ModelEntry("people/poet", None, None, on_disk=None)
    assert label(ENGLISH, elsewhere) == "people/poet", "no engine has told yet"


def test_four_bits_say_what_they_save_and_cost() -> None:
    narrow = ModelEntry("gpt2-large", 774_000_000, 1_270_000_000, True, saved_bytes=332_000_000, other_tokens=7)
    needs = "774M parameters, needs 1.27 GB of memory, 4 bits: saves 332 MB, 7 % other words"
    assert label(ENGLISH, narrow) == f"gpt2-large · {needs}, ✓ on disk"[:100]


def test_where_the_hosts_folders_are_is_not_for_admins() -> None:
    unknown = ModelEntry("/srv/models/poet", None, None, on_disk=False)
    assert facts(ENGLISH, unknown) is None
    assert label(ENGLISH, unknown) == "poet · to download"


def test_a_choice_is_no_longer_than_discord_shows() -> None:
    assert len(label(ENGLISH, ModelEntry("people/" + "x" * 200, None, None, on_disk=False))) == 100
