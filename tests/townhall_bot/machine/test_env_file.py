"""``.env`` as Windows writes it says the same as any other, and ``setup`` changes one line of it."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from townhall_bot.machine.env_file import set_secret
from townhall_bot.settings import Settings, export_other_variables, given_settings, load_settings, unknown_settings

TEXT = "TOWNHALL_TOKEN=abc.def.ghi\r\n# Grüße\r\nTOWNHALL_DRAIN_S=7\r\nSOME_OTHER=é\r\n"
WRITTEN = {
    "Notepad": codecs.BOM_UTF8 + TEXT.encode(),
    "PowerShell 5": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "big end first": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "the same, big end first": TEXT.encode("utf-16-be"),
    "Linux": TEXT.replace("\r\n", "\n").encode(),
}


@pytest.fixture(params=WRITTEN)
def env(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / ".env"
    file.write_bytes(WRITTEN[request.param])
    monkeypatch.setenv("SOME_OTHER", "")
    monkeypatch.delenv("SOME_OTHER")
    return file


def test_every_reader_reads_it(env: Path) -> None:
    settings = load_settings(Settings, env)
    assert settings.token is not None
    assert (settings.token.get_secret_value(), settings.drain_s) == ("abc.def.ghi", 7)
    assert unknown_settings([Settings], given_settings(env)) == []
    export_other_variables(env)
    assert os.environ["SOME_OTHER"] == "é"


def test_setup_changes_the_line_and_leaves_one_that_all_can_read(env: Path) -> None:
    end = "\n" if env.read_bytes() == WRITTEN["Linux"] else "\r\n"
    set_secret(env, "TOWNHALL_TOKEN", "new.new.new")
    assert env.read_bytes() == TEXT.replace("abc.def.ghi", "new.new.new").replace("\r\n", end).encode()


def test_what_only_unicode_takes_for_the_end_of_a_line_stays_in_it(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("A=1\u2028B\n", encoding="utf-8")
    set_secret(env, "TOWNHALL_TOKEN", "a.b.c")
    assert env.read_text(encoding="utf-8") == "A=1\u2028B\nTOWNHALL_TOKEN=a.b.c\n"


def test_an_empty_file_and_none_are_both_filled(tmp_path: Path) -> None:
    for env in (tmp_path / "none", tmp_path / "empty"):
        if env.name == "empty":
            env.touch()
        set_secret(env, "TOWNHALL_TOKEN", "a.b.c")
        assert env.read_text() == "TOWNHALL_TOKEN=a.b.c\n"
