"""``townhall new-plugin NAME``: a working plugin with its test, in a folder that pip can install."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from string import Template

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 32
"""The name is the command's too, and Discord allows no more."""

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "townhall-$name"
version = "0.1.0"
description = "A plugin for Townhall."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["townhall-bot"]

[project.optional-dependencies]
test = ["pytest>=8", "pytest-asyncio>=1"]

[project.entry-points."townhall.plugins"]
$name = "$package.plugin:$cls"

[tool.hatch.build.targets.wheel]
packages = ["$package"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
"""

README = """\
# townhall-$name

A plugin for Townhall, a Discord bot.

| command | does |
|---|---|
| `/$name who:NAME` | greets somebody |

| setting | default | does |
|---|---|---|
| `TOWNHALL_${PREFIX}_GREETING` | `Hello` | the word to greet with |

## Develop

In the virtual environment that Townhall is installed in:

```
pip install -e '.[test]'
pytest
townhall local --reload
```

The last command opens a Discord on this machine; the plugin reloads when you save a file.
"""

INIT = '''\
"""The Townhall plugin $name."""
'''

PLUGIN = '''\
"""``/$name``: greets somebody. Start from here."""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import app_commands
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from townhall_bot.plugins import AppCommand, Plugin, PluginSettings
from townhall_bot.replies import Refusal


class ${stem}Settings(PluginSettings):
    """What the host decides."""

    model_config = SettingsConfigDict(env_prefix="TOWNHALL_${PREFIX}_")

    greeting: str = Field(default="Hello", description="The word to greet with.")


class $cls(Plugin):
    """Brings ``/$name``."""

    name = "$name"
    settings_model = ${stem}Settings

    def commands(self) -> Sequence[AppCommand]:
        """Return the commands; called once."""

        @app_commands.command(name="$name", description="Greet somebody")
        @app_commands.describe(who="Whom to greet")
        async def greet(interaction: discord.Interaction, who: app_commands.Range[str, 1, 100]) -> None:
            if not who.strip():
                raise Refusal("Whom shall I greet?")
            await interaction.response.send_message(f"{self.context.settings.greeting}, {who}!")

        return [greet]
'''

CONFTEST = '''\
"""A Discord on this machine for every test, with the bot and this plugin in it."""

from __future__ import annotations

import pytest
from townhall_bot.plugins import Plugin

from $package.plugin import $cls

pytest_plugins = ["townhall_bot.testkit"]


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [$cls]
'''

TEST = '''\
"""What members see."""

from __future__ import annotations

from townhall_bot.loopback import Person
from townhall_bot.testkit import RunningTownhall, StartTownhall

from $package.plugin import $cls


async def test_somebody_is_greeted(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type("/$name who:Ben")
    assert await townhall.settled(turn) is None
    assert turn.text == "Hello, Ben!"


async def test_nobody_is_greeted_with_nothing(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type('/$name who:" "')
    assert await townhall.settled(turn) is not None
    assert turn.text == "Whom shall I greet?"
    assert turn.message.ephemeral


async def test_the_host_chooses_the_word(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall($cls, settings={"TOWNHALL_${PREFIX}_GREETING": "Servus"})
    turn = await ada.type("/$name who:Ben")
    await townhall.settled(turn)
    assert turn.text == "Servus, Ben!"
'''


class NewPluginError(Exception):
    """It cannot be written. The message says why, and what to do."""


def write(name: str, folder: Path | None, taken: frozenset[str]) -> Path:
    """Write the plugin into ``folder``, by default ``townhall-NAME`` here; return where it is.

    ``taken`` are the names of the plugins that are installed. Raises :class:`NewPluginError`; then nothing was written.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise NewPluginError(
            f"{name!r} cannot be a plugin's name: up to {LONGEST} lower-case letters, digits and hyphens, "
            "beginning with a letter, for example: dice, word-count."
        )
    if name in taken:
        raise NewPluginError(f"a plugin {name} is installed already; choose another name.")
    target = (folder or Path(f"townhall-{name}")).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise NewPluginError(f"{target} exists and is not empty; name another place with --folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            _write(name, draft)
            draft.chmod(0o755)  # mkdtemp's folders are for their owner alone
            draft.replace(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise NewPluginError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def _write(name: str, folder: Path) -> None:
    package = f"townhall_{name.replace('-', '_')}"
    stem = "".join(word.capitalize() for word in name.split("-"))
    words = {
        "name": name,
        "package": package,
        "stem": stem,
        "cls": f"{stem}Plugin",
        "PREFIX": name.upper().replace("-", "_"),
    }
    for path, text in (
        ("pyproject.toml", PYPROJECT),
        ("README.md", README),
        (f"{package}/__init__.py", INIT),
        (f"{package}/plugin.py", PLUGIN),
        ("tests/conftest.py", CONFTEST),
        ("tests/test_plugin.py", TEST),
    ):
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(Template(text).substitute(words), encoding="utf-8")
