"""``townhall ray up``, ``status`` and ``down``: engines that Ray Serve starts, counts and replaces."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plugins.gpt2.cli.serve import DRAIN, DRAIN_S, routers_of
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.bounded import Decimal
from townhall_bot.cli.terminal import FAILED, note
from townhall_bot.settings import SettingsError, given_settings, load_settings

if TYPE_CHECKING:
    from plugins.gpt2.ray_host.app import Pool

NEEDED = (
    "Ray is not installed here. On this machine and on each that is to write: pip install 'townhall-bot[ray]' "
    "(350 MB). Without Ray, `townhall engine` does the same, one by one: docs/scaling.md."
)
NO_CLUSTER = (
    "There is no Ray to be found. Start one, then try again:\n"
    "  ray get-auth-token --generate\n"
    "  RAY_AUTH_MODE=token ray start --head --node-ip-address=ADDRESS\n"
    "or name one that runs elsewhere: RAY_ADDRESS=ADDRESS:6379"
)
NO_TOKEN = (
    "This Ray asks for no token: whoever reaches its ports can run programs on its machines. Stop it (ray stop) and "
    "start it with one:\n"
    "  ray get-auth-token --generate    # and copy ~/.ray/auth_token to the other machines\n"
    "  RAY_AUTH_MODE=token ray start --head --node-ip-address=ADDRESS\n"
    "or say --without-token, where nobody else reaches this network."
)
NOT_ELSEWHERE = frozenset({"TOWNHALL_GPT2_ROUTER", "TOWNHALL_GPT2_MODEL", "TOWNHALL_GPT2_ALLOWED_MODELS"})
"""Settings that an engine is given in another way."""
PATIENCE_S = 3600.0
"""How long ``up`` waits for engines: large models are downloaded first."""
LOOK_S = 0.5
CPUS, GPUS = Decimal(0.1, 512), Decimal(0, 64)

# Serve's words for how an application and its engines are.
WELL, BEING_MADE = "RUNNING", ("NOT_STARTED", "DEPLOYING", "DELETING")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``up``, ``status`` and ``down``."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    up = commands.add_parser(
        "up",
        help="have Ray run engines for each model",
        description="Has Ray Serve run engines for each model, or changes those there are: new ones come one by one.",
        epilog="example: townhall ray up gpt2 --router http://10.0.0.1:8765 --engines 1-4 --cpus 2",
    )
    _models(up, "as TOWNHALL_GPT2_MODEL and TOWNHALL_GPT2_ALLOWED_MODELS say")
    up.add_argument(
        "--router",
        metavar="URL[,URL]",
        type=routers_of,
        default=(),
        help="where engines register (TOWNHALL_GPT2_ROUTER where this is not given)",
    )
    up.add_argument(
        "--engines",
        type=_engines,
        default=(1, 1),
        metavar="N or MIN-MAX",
        help="how many engines a model has; a range goes by the router's line (1)",
    )
    up.add_argument(
        "--cpus", type=CPUS, default=2, metavar="N", help=f"cores that an engine takes, {CPUS} (default: 2)"
    )
    up.add_argument("--gpus", type=GPUS, default=0, metavar="N", help=f"GPUs that an engine takes, {GPUS} (default: 0)")
    up.add_argument(
        "--drain",
        type=DRAIN,
        default=DRAIN_S,
        metavar="SECONDS",
        help=f"how long texts may take to their end where an engine is replaced, {DRAIN} (default: {DRAIN_S:g})",
    )
    up.add_argument("--without-token", action="store_true", help="use a Ray that asks for no token")
    commands.add_parser("status", help="say which engines Ray runs, and what is wrong with them")
    down = commands.add_parser("down", help="have Ray stop engines; texts come to their end first")
    _models(down, "all")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; return the exit status."""
    if importlib.util.find_spec("ray") is None:
        note(NEEDED, "ray")
        return FAILED
    commands: dict[str, Callable[[argparse.Namespace], int]] = {"up": _up, "status": _status, "down": _down}
    try:
        return commands[arguments.what](arguments)
    except (SettingsError, _Refused) as error:
        note(str(error), "ray")
        return FAILED


class _Refused(Exception):
    """It cannot be done: says why, and what to do."""


def _models(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"which models ({default}, where none is given)")


def _engines(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        least, most = int(first), int(last if dash else first)
    except ValueError:
        least, most = 0, 0
    if not 1 <= least <= most <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of engines, such as 2 or 1-4, from 1 to 1000")
    return least, most


def _up(arguments: argparse.Namespace) -> int:
    settings = load_settings(GPT2Settings)
    routers = arguments.router or settings.router
    if not routers:
        raise SettingsError("Engines need to know their router: townhall ray up --router http://10.0.0.1:8765")
    _connect()
    if not arguments.without_token:
        _check_token()
    from ray import serve

    from plugins.gpt2.ray_host.app import Pool, application_name, pool

    models = list(arguments.models or dict.fromkeys((settings.model, *settings.allowed_models)))
    if len({application_name(model) for model in models}) < len(models):
        raise _Refused(
            f"Two of {', '.join(models)} would have the same name in Ray. Rename a folder, or leave one out."
        )
    given = {k: v for k, v in given_settings().items() if k.startswith("TOWNHALL_GPT2_") and k not in NOT_ELSEWHERE}
    pools = [
        Pool(
            model=model,
            routers=routers,
            engines=arguments.engines,
            cpus=arguments.cpus,
            gpus=arguments.gpus,
            rows=settings.rows,
            surge=_has_room(arguments.cpus, arguments.gpus),
            drain_s=arguments.drain,
            given=given,
        )
        for model in models
    ]
    _quiet()
    serve.start(proxy_location="Disabled")  # nothing of Serve is on a text's way
    targets = [serve.RunTarget(pool(each), name=each.name, route_prefix=None) for each in pools]
    serve.run_many(targets, wait_for_applications_running=False)
    return _wait(pools)


def _wait(pools: Sequence[Pool]) -> int:
    """Say how the pools come along until each serves or has failed."""
    begun, said = time.monotonic(), dict[str, str]()
    while time.monotonic() - begun < PATIENCE_S:
        states = _applications()
        for each in pools:
            line = f"{each.model}: {_line(states.get(each.name))}"
            if said.get(each.name) != line:
                said[each.name] = line
                note(line, "ray")
        if all(each.name in states and states[each.name].status.value not in BEING_MADE for each in pools):
            break
        time.sleep(LOOK_S)
    well = all(each.name in states and states[each.name].status.value == WELL for each in pools)
    return 0 if well else FAILED


def _status(arguments: argparse.Namespace) -> int:
    _connect()
    states = _applications()
    if not states:
        print("Ray runs no engines of Townhall's: townhall ray up")
    for name, state in sorted(states.items()):
        print(f"{name}: {_line(state)}")
    return 0 if all(state.status.value == WELL for state in states.values()) else FAILED


def _down(arguments: argparse.Namespace) -> int:
    _connect()
    from ray import serve

    from plugins.gpt2.ray_host.app import application_name

    _quiet()
    states = _applications()
    names = [application_name(model) for model in arguments.models] or sorted(states)
    if missing := [name for name in names if name not in states]:
        raise _Refused(f"Ray runs no {', '.join(missing)}; it runs {', '.join(sorted(states)) or 'nothing'}.")
    for name in names:
        note(f"{name}: texts come to their end, then its engines go", "ray")
        serve.delete(name)
    return 0


def _applications() -> dict[str, Any]:
    """Return what Serve says of Townhall's applications, by name."""
    from ray import serve

    from plugins.gpt2.ray_host.app import PREFIX

    return {name: state for name, state in serve.status().applications.items() if name.startswith(PREFIX)}


def _line(state: Any) -> str:
    """Return how an application is, in a line, with what is wrong where something is."""
    if state is None:
        return "waits for Ray"
    engines = list(state.deployments.values())
    counts = ", ".join(
        f"{number} {word.lower()}" for each in engines for word, number in sorted(each.replica_states.items()) if number
    )
    # Serve's messages hold whole tracebacks; the last line says what was raised.
    reasons = [text.strip().splitlines()[-1] for text in (*(each.message for each in engines), state.message) if text]
    reason = "" if state.status.value == WELL or not reasons else f": {reasons[0]}"
    return f"{state.status.value.lower()}, engines: {counts or 'none yet'}{reason}"


def _connect() -> None:
    import ray

    host, _, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    if host and port.isdigit():  # Ray itself tries for some minutes
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
        except OSError as error:
            raise _Refused(NO_CLUSTER) from error
    try:
        ray.init(address="auto", log_to_driver=False, logging_level="ERROR", namespace="serve")
    except ConnectionError as error:
        raise _Refused(NO_CLUSTER) from error
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        raise _Refused(f"Ray cannot be reached: {error}") from error


def _quiet() -> None:
    """Keep Serve's own lines off the terminal: ours say how it goes. It sets its logger up when it is imported."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _check_token() -> None:
    """Raise where this Ray takes orders from anybody. Its workers know: they have what ``ray start`` was given."""
    import ray

    def mode() -> str:
        import os

        return os.environ.get("RAY_AUTH_MODE", "")

    if ray.get(ray.remote(num_cpus=0)(mode).remote()).lower() != "token":
        raise _Refused(NO_TOKEN)


def _has_room(cpus: float, gpus: float) -> bool:
    """Tell whether an engine more would find its place, so that new ones may begin before old ones leave."""
    import ray

    free = ray.available_resources()
    return bool(free.get("CPU", 0) >= cpus and free.get("GPU", 0) >= gpus)
