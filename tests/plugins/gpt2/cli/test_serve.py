"""``townhall router`` and ``townhall engine``: a house of several programs, and what is said where one cannot serve."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from plugins.gpt2.protocol import GenerationRequest, SamplingParams
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.asker import Asker
from townhall_bot.cli import main
from townhall_bot.settings import SettingsError, load_settings

Said = pytest.CaptureFixture[str]


@contextmanager
def program(*arguments: str) -> Iterator[int]:
    """Run a part as a program of its own; yield its port, and see that SIGTERM ends it well."""
    with subprocess.Popen(
        [sys.executable, "-m", "townhall_bot", *arguments, "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[4],
    ) as running:
        try:
            assert running.stderr is not None
            found = next(re.search(r"listens on 127\.0\.0\.1 port (\d+)", line) for line in running.stderr)
            assert found is not None
            yield int(found[1])
        finally:
            running.terminate()
            running.communicate(timeout=30)
        assert running.returncode == 0


@pytest.fixture
async def bot() -> AsyncIterator[RemoteTextGenerator]:
    with ExitStack() as house:
        router = f"http://127.0.0.1:{await asyncio.to_thread(house.enter_context, program('router'))}"
        await asyncio.to_thread(house.enter_context, program("engine", "--router", router, "--drain", "0"))
        generator = RemoteTextGenerator([router], None)
        await generator.start()
        yield generator
        await generator.close()
        await asyncio.to_thread(house.close)


@pytest.mark.slow
async def test_router_and_engine_as_programs_write_a_text(bot: RemoteTextGenerator) -> None:
    greedy = SamplingParams(temperature=0)
    asker = await Asker(bot, GenerationRequest("My fellow citizens", 5, "townhall-mini", greedy)).done()
    assert asker.error is None
    assert asker.finished is not None
    assert asker.finished.timing.new_tokens == 5
    assert asker.text


def test_a_port_that_is_taken_is_named(capsys: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["router", "--listen", f"127.0.0.1:{port}"]) == 1
    said = capsys.readouterr().err
    assert f"townhall router: 127.0.0.1 port {port}: " in said
    assert "Choose another one with --listen." in said


@pytest.mark.parametrize("part", [["router"], ["engine", "--router", "http://127.0.0.1:1"]])
def test_beyond_loopback_a_secret_is_asked_for(part: list[str], capsys: Said) -> None:
    assert main([*part, "--listen", "0.0.0.0:0"]) == 2, "a service manager leaves it alone then"
    assert "set TOWNHALL_GPT2_ROUTER_SECRET to a long random word" in capsys.readouterr().err


def test_an_engine_wants_to_know_its_router(capsys: Said) -> None:
    assert main(["engine"]) == 2
    assert "An engine needs to know its router: townhall engine --router http://" in capsys.readouterr().err


@pytest.mark.parametrize("router", ["nonsense", "127.0.0.1:8765", "http://", "http://a:99999", "http://a:8765,ftp://b"])
def test_what_is_no_routers_address_is_refused_before_anything_begins(
    router: str, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["engine", "--router", router]) == 2
    assert "is no address; one looks like http://router:8765" in capsys.readouterr().err
    monkeypatch.setenv("TOWNHALL_GPT2_ROUTER", router)
    with pytest.raises(SettingsError, match="is no address"):
        load_settings(GPT2Settings, env_file=None)


@pytest.mark.parametrize("seconds", ["-5", "nan", "inf", "soon", "3601"])
def test_how_long_an_engine_may_take_to_leave_is_bounded(seconds: str, capsys: Said) -> None:
    assert main(["engine", "--drain", seconds]) == 2
    assert "is not a number from 0 to 3600" in capsys.readouterr().err
