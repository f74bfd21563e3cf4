"""A thousand inputs that cannot be used, each judged by its answer: ``python -m bench.bad_inputs``.

Through four doors: slash commands that a hostile client sends past Discord's own checks to the real bot (500), settings
(200), files of a checkpoint (200) and the command line (100). An answer is clear where somebody is told, in words that
are no traceback and no apology for a surprise, and where it names what was wrong. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from pydantic import SecretStr

from bench import machine
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.bot import Townhall
from townhall_bot.cli import main as townhall
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.lifecycle import running
from townhall_bot.loopback import LoopbackDiscord, Person, Turn, point_discord_at
from townhall_bot.loopback.world.enums import CommandType, InteractionType, OptionType
from townhall_bot.plugins.outcomes import Outcomes
from townhall_bot.settings import Settings, SettingsError, load_settings
from townhall_bot.store import Store, database_in

MINI = Path(__file__).parents[1] / "plugins" / "gpt2" / "mini"
SURPRISE = TEXTS.english("refusal.surprise").split("{")[0]
WRONG_OPTIONS: dict[str, tuple[int, list[Any]]] = {
    "count": (OptionType.INTEGER, [-1, 0, 301, 10**6, 2**53]),
    "temperature": (OptionType.NUMBER, [-0.1, 2.5, 1e308, -1e308]),
    "top_k": (OptionType.INTEGER, [-1, 10**9]),
    "top_p": (OptionType.NUMBER, [-1.0, 0.0, 1.01, 50.0]),
    "seed": (OptionType.INTEGER, [-1, 2**60, -(2**53)]),
}
WRONG_SETTINGS: dict[str, list[str]] = {
    "TOWNHALL_GUILD": ["home", "-1", "0", "1.5"],
    "TOWNHALL_LOG_LEVEL": ["LOUD", "2", "debug please"],
    "TOWNHALL_LOG_FORMAT": ["xml", "yes"],
    "TOWNHALL_DRAIN_S": ["soon", "-1", "601", "nan"],
    "TOWNHALL_HEALTH_PORT": ["-1", "65536", "http", "80.5"],
    "TOWNHALL_KEEP_RECORDS_DAYS": ["0", "-3", "a week", "1e9"],
    "TOWNHALL_PLUGINS": ["gpt2,-ping", "-gpt2,ping"],
    "TOWNHALL_GPT2_WEIGHTS": ["int3", "float32", "8"],
    "TOWNHALL_GPT2_ROWS": ["0", "33", "many", "-1"],
    "TOWNHALL_GPT2_MAX_COUNT": ["0", "1025", "∞"],
    "TOWNHALL_GPT2_TEMPERATURE": ["-1", "2.01", "hot"],
    "TOWNHALL_GPT2_TOP_P": ["0", "1.1", "all"],
    "TOWNHALL_GPT2_QUEUE_LIMIT": ["0", "1001", "long"],
    "TOWNHALL_GPT2_DEADLINE_S": ["0", "-5", "never"],
    "TOWNHALL_GPT2_ALLOW_PICKLE": ["maybe", "2"],
}
WRONG_LINES = [
    ["gpt2", "--count", "many"],
    ["gpt2", "--count", "0"],
    ["gpt2", "--temperature", "-1"],
    ["gpt2", "--temperature", "hot"],
    ["gpt2", "--model_size", "gpt5"],
    ["gpt2", "--model_size", "./nowhere"],
    ["gpt2", "--model_size", "../../etc/passwd"],
    ["gpt2", "--weights", "int4"],
    ["gpt2", "--seed", "x"],
    ["gpt2", "--frobnicate"],
    ["models", "download"],
    ["models", "remove", "no-such-model"],
    ["models", "burn", "gpt2"],
    ["local", "--port", "web"],
    ["local", "--say", "/gpt2", "--as", "nobody"],
    ["doctor", "--online", "--offline"],
    ["backup"],
    ["backup", "copy.db"],
    ["dance"],
    ["run", "--sideways"],
]


class Judge:
    """Counts answers by door, and keeps those that are not clear."""

    def __init__(self) -> None:
        self.clear: Counter[str] = Counter()
        self.unclear: list[str] = []

    def of(self, door: str, given: str, answer: str | None, *names: str) -> None:
        """Judge one answer; it must hold one of ``names``, if there are any."""
        fine = bool(answer) and "Traceback" not in str(answer) and not str(answer).startswith(SURPRISE)
        if fine and (not names or any(name in str(answer) for name in names)):
            self.clear[door] += 1
        else:
            self.unclear.append(f"{door}: {given[:80]!r} was answered with {str(answer)[:160]!r}")


def wrong_commands(count: int, draw: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Yield the options of /gpt2 commands that cannot be carried out."""
    prompt = {"name": "prompt", "type": OptionType.STRING, "value": "My fellow citizens"}
    for number in range(count):
        name = draw.choice(list(WRONG_OPTIONS))
        kind, values = WRONG_OPTIONS[name]
        match number % 5:
            case 0 | 1:  # beyond its bounds
                yield [prompt, {"name": name, "type": kind, "value": draw.choice(values)}]
            case 2:  # of another type
                text = draw.choice(["many", "", "0x10", "½", "{}"])
                yield [prompt, {"name": name, "type": OptionType.STRING, "value": text}]
            case 3:  # a prompt that is none, or too long
                yield [{**prompt, "value": draw.choice(["", "x" * 6001, "🙂" * 7000])}]
            case 4:  # none at all, or one that Discord was never told of
                unknown = {"name": "promt", "type": OptionType.STRING, "value": "Hello"}
                yield draw.choice([[], [unknown], [{**prompt, "type": OptionType.INTEGER, "value": 3}]])


async def through_discord(judge: Judge, count: int, draw: random.Random, folder: Path) -> None:
    """Send wrong commands as a client that checks nothing would."""
    async with LoopbackDiscord() as server:
        with point_discord_at(server):
            people = server.townhall().people
            settings = Settings(token=SecretStr(server.token), data_dir=folder)
            bot = Townhall(settings, Store.open(database_in(folder)), [GPT2Plugin], env_file=None)
            async with running(bot, server.token):
                outcomes = Outcomes(bot)
                ada: Person = people["ada"]
                command = next(each for each in server.commands if each.name == "gpt2")
                for options in wrong_commands(count, draw):
                    data = {"id": str(command.id), "name": "gpt2", "type": CommandType.CHAT, "options": options}
                    place = ada.guild.channels[0]
                    interaction = server.world.interact(InteractionType.COMMAND, ada.user, place, data, command=command)
                    turn = Turn(server.world, ada, interaction)
                    error = await outcomes.of(turn)
                    judge.of("slash commands", json.dumps(options), turn.text if error is not None else None)


def through_settings(judge: Judge, count: int, draw: random.Random) -> None:
    """Start with wrong settings."""
    for _ in range(count):
        name = draw.choice(list(WRONG_SETTINGS))
        value = draw.choice(WRONG_SETTINGS[name])
        answer = None
        with mock.patch.dict(os.environ, {name: value}):
            try:
                load_settings(GPT2Settings if "GPT2" in name else Settings, env_file=None)
            except SettingsError as error:
                answer = str(error)
        judge.of("settings", f"{name}={value}", answer, name)


def through_files(judge: Judge, count: int, draw: random.Random, folder: Path) -> None:
    """Open checkpoints with one file damaged."""
    names = ["config.json", "vocab.json", "merges.txt", "model.safetensors"]
    for number in range(count):
        place = folder / f"checkpoint{number}"
        place.mkdir()
        name = names[number % len(names)]
        for each in names:
            if each != name:
                (place / each).symlink_to(MINI / each)
        content = (MINI / name).read_bytes()
        # A shorter list of merges is a list of merges: that damage cannot be seen, so it is not counted as bad.
        match draw.randrange(2 if name == "merges.txt" else 4):
            case 0:
                damaged = b"\x80" + draw.randbytes(draw.randrange(1, 200)) + content
            case 1:
                at = draw.randrange(min(len(content), 400))
                damaged = content[:at] + b"\xff\xfe\x00" + content[at + 3 :]
            case 2:
                damaged = content[: draw.randrange(len(content) // 2)]
            case _:
                damaged = b""
        (place / name).write_bytes(damaged)
        answer = None
        try:
            with open_checkpoint(str(place), local_only=True) as checkpoint:
                checkpoint.tokenizer()
        except CheckpointError as error:
            answer = str(error)
        judge.of("files of a checkpoint", f"{name}, {len(damaged)} bytes", answer, str(place), "merge", "token")
        shutil.rmtree(place)


def through_the_command_line(judge: Judge, count: int) -> None:
    """Type commands that are wrong."""
    for number in range(count):
        line = WRONG_LINES[number % len(WRONG_LINES)]
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            status = townhall(line)
        judge.of("command line", " ".join(line), said.getvalue() if status in (1, 2) else None)


def main() -> int:
    """Give all of them; exit 1 where an answer was not clear."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    draw, judge, began = random.Random(given.seed), Judge(), time.monotonic()
    for name in [name for name in os.environ if name.startswith("TOWNHALL_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"TOWNHALL_DATA_DIR": str(folder / "data"), "HF_HUB_OFFLINE": "1"}
        with contextlib.chdir(folder):
            asyncio.run(through_discord(judge, given.count // 2, draw, folder / "bot"))
            through_settings(judge, given.count // 5, draw)
            through_files(judge, given.count // 5, draw, folder)
            through_the_command_line(judge, given.count // 10)
    figures = {
        "inputs": given.count,
        "clear": sum(judge.clear.values()),
        "by_door": dict(judge.clear),
        "unclear": judge.unclear[:20],
        "seconds": round(time.monotonic() - began, 1),
        "machine": machine.describe(),
    }
    print(json.dumps(figures))
    return 0 if figures["clear"] == given.count else 1


if __name__ == "__main__":
    sys.exit(main())
