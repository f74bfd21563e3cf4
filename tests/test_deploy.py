"""The files in ``docs/deploy`` agree with the code: paths, port, and time enough for a stop."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from plugins.gpt2.cli.serve import configure_engine, configure_router
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.terminal import USAGE
from townhall_bot.ops.addresses import is_loopback
from townhall_bot.plugins.host import STOP_TIMEOUT
from townhall_bot.settings import Settings, env_names

CHECKOUT = Path(__file__).parents[1]
DEPLOY = CHECKOUT / "docs" / "deploy"
DEFAULTS = {name: info.default for name, info in Settings.model_fields.items()}
SLOWEST_STOP = DEFAULTS["drain_s"] + STOP_TIMEOUT


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = text("Dockerfile.dockerignore").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), flags=re.MULTILINE):
        for source in line.split():
            assert (CHECKOUT / source).exists()
            assert f"!{source}" in ignored


def test_the_image_does_not_run_as_root_and_has_volumes_for_what_it_keeps() -> None:
    dockerfile = text("Dockerfile")
    assert re.findall(r"^USER (.+)$", dockerfile, flags=re.MULTILINE) == ["townhall"]
    (volumes,) = re.findall(r"^VOLUME (.+)$", dockerfile, flags=re.MULTILINE)
    assert [f":{volume}" in text("compose.yaml") for volume in json.loads(volumes)] == [True] * 3


def test_the_health_check_asks_where_the_page_is() -> None:
    assert f"127.0.0.1:{DEFAULTS['health_port']}/healthz" in text("Dockerfile")
    assert f'TOWNHALL_HEALTH_PORT: "{DEFAULTS["health_port"]}"' in text("compose.yaml")


def test_nobody_is_killed_while_the_bot_drains() -> None:
    (unit,) = re.findall(r"^TimeoutStopSec=(\d+)$", text("townhall.service"), flags=re.MULTILINE)
    (compose,) = re.findall(r"stop_grace_period: (\d+)s", text("compose.yaml"))
    assert min(int(unit), int(compose)) > SLOWEST_STOP
    assert DEFAULTS["lock_wait_s"] >= SLOWEST_STOP  # a second start waits for the first


UNITS = {name: text(f"{name}.service") for name in ("townhall", "townhall-router", "townhall-engine")}


def assigned(unit: str, key: str) -> list[str]:
    """Return what a unit says of a key, in its order."""
    return re.findall(rf"^{key}=(.+)$", UNITS[unit], flags=re.MULTILINE)


@pytest.mark.parametrize("part", ["router", "engine"])
def test_a_parts_unit_runs_the_part_where_its_file_says_and_leaves_wrong_settings_alone(part: str) -> None:
    (command,) = assigned(f"townhall-{part}", "ExecStart")
    program, name, *options = command.split()
    assert (program, name) == ("/opt/townhall/.venv/bin/townhall", part)
    assert options[:2] == ["--listen", "${LISTEN}"]
    (default,) = [each for each in assigned(f"townhall-{part}", "Environment") if each.startswith("LISTEN=")]
    parser = argparse.ArgumentParser()
    {"router": configure_router, "engine": configure_engine}[part](parser)
    given = parser.parse_args([each.replace("${LISTEN}", default.partition("=")[2]) for each in options])
    assert is_loopback(given.listen[0])
    assert assigned(f"townhall-{part}", "EnvironmentFile") == [f"/etc/townhall/{part}.env"]
    assert assigned(f"townhall-{part}", "RestartPreventExitStatus") == [str(USAGE)]
    if part == "engine":
        (stop,) = assigned("townhall-engine", "TimeoutStopSec")
        assert int(stop) > given.drain


def test_parts_see_as_little_of_the_machine_as_the_bot() -> None:
    kept = re.compile(
        r"^(?:Protect|Private|Restrict|System|Capability|Ambient|NoNew|Lock|RemoveIPC|DynamicUser).*", re.M
    )
    bot, *parts = (kept.findall(unit) for unit in UNITS.values())
    assert len(bot) > 15
    assert parts == [bot, bot]


def test_the_service_has_a_home_though_its_user_has_none() -> None:
    variables = dict(
        assignment.split("=", 1)
        for line in re.findall(r"^Environment=(.+)$", text("townhall.service"), flags=re.MULTILINE)
        for assignment in line.split()
    )
    assert variables["HOME"] == variables["TOWNHALL_DATA_DIR"] == "%S/townhall"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_unit(name: str, tmp_path: Path) -> None:
    unit = tmp_path / f"{name}.service"
    # The program is not installed where the unit expects it; everything else is checked as it is.
    unit.write_text(UNITS[name].replace("/opt/townhall/.venv/bin/townhall", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    newer = re.compile(r".*Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)' in section .*, ignoring.*")  # 254
    said = [line for line in done.stderr.splitlines() if not newer.fullmatch(line)]
    assert (done.returncode, said) == (0, [])


def test_the_scaled_composition_names_settings_and_ports_that_there_are() -> None:
    compose = text("compose.scaled.yaml")
    known = {*env_names(Settings), *env_names(GPT2Settings)}
    named = set(re.findall(r"TOWNHALL_[A-Z0-9_]+", compose))
    assert named <= known, named - known
    routers = {int(port) for port in re.findall(r"router:(\d+)", compose)}
    listening = {int(port) for port in re.findall(r"router, --listen, \"0\.0\.0\.0:(\d+)\"", compose)}
    assert routers == listening == {8765}
    grace = [int(seconds) for seconds in re.findall(r"stop_grace_period: (\d+)s", compose)]
    assert min(grace) > SLOWEST_STOP
    assert 'ARG EXTRAS=""' in text("Dockerfile")
    services = yaml.safe_load(compose)["services"]
    assert [name for name, service in services.items() if "env_file" in service] == ["bot"]  # only it gets the token
    for name in ("router", "engine-1", "engine-2"):
        assert "TOWNHALL_GPT2_ROUTER_SECRET" in services[name]["environment"]
        assert "TOWNHALL_TOKEN" not in str(services[name])
