from __future__ import annotations

from plugins.gpt2.admin.model_choices import facts, label
from plugins.gpt2.messages import ENGLISH
from plugins.gpt2.protocol import ModelEntry


def test_a_choice_says_what_the_model_needs_and_whether_it_is_here() -> None:
    small = ModelEntry("townhall-mini", 10_000_000, 30_000_000, on_disk=True)
    assert label(ENGLISH, small) == "townhall-mini · 10M parameters, needs 30 MB of memory, ✓ on disk"
    large = ModelEntry("gpt2-xl", 1_558_000_000, 1_900_000_000, on_disk=False)
    assert label(ENGLISH, large) == "gpt2-xl · 1.6B parameters, needs 1.90 GB of memory, to download"


def test_where_the_hosts_folders_are_is_not_for_admins() -> None:
    unknown = ModelEntry("/srv/models/poet", None, None, on_disk=False)
    assert facts(ENGLISH, unknown) is None
    assert label(ENGLISH, unknown) == "poet · to download"


def test_a_choice_is_no_longer_than_discord_shows() -> None:
    assert len(label(ENGLISH, ModelEntry("people/" + "x" * 200, None, None, on_disk=False))) == 100
