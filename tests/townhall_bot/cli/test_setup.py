"""A host sets the bot up: types the token where nobody sees it, is told what is wrong, and gets the invitation."""

import asyncio
import os
import pty
import stat
import subprocess
import sys
import termios
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from townhall_bot.cli import main, setup
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.world import permissions
from townhall_bot.machine.env_file import set_secret
from townhall_bot.machine.files import readable_by_others
from townhall_bot.ops import discord_account

AT = """
import sys
from townhall_bot.cli import main
from townhall_bot.discordpy.endpoints import pointed_at
with pointed_at(sys.argv[1]):
    sys.exit(main(["setup"]))
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def set_up(server: LoopbackDiscord, folder: Path, *typed: str) -> tuple[int, str]:
    """Run `townhall setup` on a terminal of its own; return its exit status and all that the terminal showed."""

    def run() -> tuple[int, str]:
        master, terminal = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", AT, server.api_url],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        ) as program:
            os.close(terminal)
            shown = b""
            for line in typed:
                asked = shown.count(b"not shown")
                while shown.count(b"not shown") == asked or termios.tcgetattr(master)[3] & termios.ECHO:
                    shown += os.read(master, 4096)
                os.write(master, line.encode() + b"\n")
            while chunk := _read(master):
                shown += chunk
        os.close(master)
        return program.returncode, shown.decode()

    return await asyncio.to_thread(run)


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # the terminal is gone with its program
        return b""


async def test_the_token_is_asked_for_checked_and_kept_without_being_shown(
    discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# mine\nTOWNHALL_LOG_LEVEL=WARNING\nTOWNHALL_TOKEN=old\nHF_HOME=/models\n")
    status, shown = await set_up(discord_server, tmp_path, "MTIz.wrong.one", discord_server.token)
    assert status == 0
    assert "does not accept this token" in shown
    assert discord_server.token not in shown
    env = tmp_path / ".env"
    assert env.read_text() == (
        f"# mine\nTOWNHALL_LOG_LEVEL=WARNING\nTOWNHALL_TOKEN={discord_server.token}\nHF_HOME=/models\n"
    )
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


async def test_the_invitation_asks_for_the_least(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    _, shown = await set_up(discord_server, tmp_path, discord_server.token)
    link = next(word for word in shown.split() if word.startswith("https://discord.com/oauth2"))
    asked = parse_qs(urlsplit(link).query)
    assert asked["client_id"] == [str(discord_server.world.application.id)]
    assert asked["scope"] == ["bot applications.commands"]
    # View Channels, Send Messages, Embed Links, Attach Files, Read Message History, Create Public Threads,
    # Send Messages in Threads; no more.
    assert int(asked["permissions"][0]) == 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38


def test_the_local_discord_gives_the_bot_what_the_invitation_asks_for() -> None:
    """It gave more, and what the real one refused worked here."""
    assert permissions.BOT == discord_account.LEAST_PERMISSIONS


@pytest.mark.parametrize("typed", ["\x1b[A", "with space", "t\u00f6ken", "0123456789abcdef0123456789abcdef"])
async def test_what_cannot_be_a_token_is_refused_without_asking_discord(
    typed: str, discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    status, shown = await set_up(discord_server, tmp_path, typed, f"  {discord_server.token} ")
    assert (status, shown.count("does not look like a bot's token"), shown.count("Asking Discord")) == (0, 1, 1)
    assert "Traceback" not in shown


async def test_who_types_nothing_is_told_so(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    status, shown = await set_up(discord_server, tmp_path, "", discord_server.token)
    assert status == 0
    assert "Nothing was typed" in shown


def test_ctrl_c_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup, "ask", interrupted)
    assert main(["setup"]) == 130
    assert "Nothing was written." in capsys.readouterr().err
    assert names(tmp_path) == []


async def test_a_place_that_cannot_be_written_is_named_with_its_cure(
    discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    (tmp_path / ".env").mkdir()
    status, shown = await set_up(discord_server, tmp_path, discord_server.token)
    assert status == 1
    assert f"{tmp_path / '.env'} cannot be written: Is a directory. Nothing was changed. Go to a folder" in shown


async def test_another_token_in_the_environment_is_pointed_out(
    discord_server: LoopbackDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "an.older.one")
    status, shown = await set_up(discord_server, tmp_path, discord_server.token)
    assert status == 0
    assert "the environment has another TOWNHALL_TOKEN" in shown
    assert "an.older.one" not in shown


@pytest.mark.parametrize("status", [403, 404])
async def test_an_answer_that_is_not_discords_own_is_told_as_such(
    status: int, discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    discord_server.faults.answer("GET", "/users/@me", status, times=1)  # as a proxy in between does
    ended, shown = await set_up(discord_server, tmp_path, discord_server.token)
    assert ended == 1
    assert f"Discord cannot be reached: {status}" in shown


async def test_after_three_wrong_tokens_nothing_is_written(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    status, shown = await set_up(discord_server, tmp_path, "one", "two", "three")
    assert status == 1
    assert "nothing was written" in shown
    assert names(tmp_path) == []


async def test_where_discord_is_away_nothing_is_written(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    discord_server.faults.answer("GET", "/users/@me", 503, times=1)
    status, shown = await set_up(discord_server, tmp_path, discord_server.token)
    assert status == 1
    assert "Discord cannot be reached" in shown
    assert names(tmp_path) == []


def test_a_link_stays_a_link_and_others_lose_their_view(tmp_path: Path) -> None:
    (tmp_path / "kept.env").write_text("A=1\n")
    (tmp_path / "kept.env").chmod(0o644)
    (tmp_path / ".env").symlink_to("kept.env")
    assert readable_by_others(tmp_path / ".env")
    set_secret(tmp_path / ".env", "TOWNHALL_TOKEN", "abc.def")
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "kept.env").read_text() == "A=1\nTOWNHALL_TOKEN=abc.def\n"
    assert not readable_by_others(tmp_path / "kept.env")


@pytest.mark.parametrize("value", ["a\nTOWNHALL_PLUGINS=evil", "with space", "$(rm)", "", "quote'"])
def test_what_is_no_token_never_reaches_the_file(value: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="TOWNHALL_TOKEN"):
        set_secret(tmp_path / ".env", "TOWNHALL_TOKEN", value)
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("A=1\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        set_secret(tmp_path / ".env", "TOWNHALL_TOKEN", "abc")
    assert names(tmp_path) == [".env"]
    assert (tmp_path / ".env").read_text() == "A=1\n"
