from __future__ import annotations

from pathlib import Path

import pytest

from townhall_bot.settings import Settings, SettingsError, load_settings


def test_the_environment_wins_over_the_file_and_is_the_one_that_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("TOWNHALL_DRAIN_S=5\nTOWNHALL_LOCK_WAIT_S=6\n")
    monkeypatch.setenv("TOWNHALL_DRAIN_S", "7")
    settings = load_settings(Settings, file)
    assert (settings.drain_s, settings.lock_wait_s) == (7, 6)
    monkeypatch.setenv("TOWNHALL_DRAIN_S", "soon")
    with pytest.raises(SettingsError, match=r"TOWNHALL_DRAIN_S: 'soon' \(from the environment\)"):
        load_settings(Settings, file)
