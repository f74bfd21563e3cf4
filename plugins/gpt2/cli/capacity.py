"""``townhall capacity``: how many engines, cores and gigabytes a number of servers asks for, and what gives way first.

Plain arithmetic over what was measured. Each figure names its source; a test holds those of models to the files in
``docs/measured``, so that this sheet never promises more than an engine did.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from math import ceil
from textwrap import fill

from plugins.gpt2.protocol import COUNT_BOUNDS
from townhall_bot.cli.bounded import Decimal, Whole
from townhall_bot.cli.terminal import OK

SERVERS, COMMANDS, PEAK = Whole(1, 10**9), Decimal(0, 10**6, above=True), Decimal(1, 10**4)
TOKENS = Whole(int(COUNT_BOUNDS.low), int(COUNT_BOUNDS.high))


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one engine of 2 cores does with a model at int8: tokens a second with 8 texts at once, prompts and sampling
    included, and the most memory it takes, in MB."""

    tokens_per_s: float
    memory_mb: int
    source: str


MODELS = {
    "gpt2": ModelFigures(373, 600, "event-loop-lag.json; memory: gpt2.json, and 300 MB for Python and packages"),
    "gpt2-medium": ModelFigures(142, 920, "gpt2-medium.json: gpt2's 373 by the steps of 8 streams, 7.68 ms to 20.1 ms"),
    "gpt2-large": ModelFigures(62, 1300, "gpt2-large.json: the same, 7.68 ms to 46.2 ms"),
    "gpt2-xl": ModelFigures(31, 2200, "not measured: gpt2-large's by its bytes, 776 MB to 1,560 MB"),
}
ENGINE_CORES = 2
"""Of the machine that was measured. More cores in one engine were not."""
PLANNED_USE = 0.6
"""How much of an engine is planned for: beyond that, who comes waits."""
ROWS = 8
"""Texts that an engine writes at once: the default of TOWNHALL_GPT2_ROWS."""

ROUTER_CPU_S = 0.003
"""Seconds of a core a request of 60 tokens: fleet.json, 150 texts at once, text joined for 100 ms."""
ROUTER_MB, DATABASE_MB, BOT_MB = 150, 500, 150
"""Memory of a router, of PostgreSQL with its defaults, and of a bot alone: assumed, not measured."""
SERVER_KB = 23
"""A server with 30 channels and 20 roles, as discord.py keeps it."""

SHARD_SERVERS, SHARD_SERVERS_MOST = 1_000, 2_500
"""Servers that a shard is planned for, and the most that Discord allows one."""
BOT_SHARDS = 20
"""Shards of one process: 20,000 servers, about 0.6 GB."""
IDENTIFY_S = 5
"""Discord lets one shard in each 5 s (max_concurrency 1, below 150,000 servers)."""
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for: servers, commands a day on each, tokens a text, and a day's peak in times its mean."""

    servers: int
    commands_a_day: float
    model: str
    tokens: int = 60
    peak: float = 3.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a load needs. ``stage`` is how many kinds of machine: "one process", "engines apart" or "shards".

    ``headroom`` is how many times this load the first part to give way still carries, which ``bottleneck`` names.
    """

    stage: str
    requests_per_s: float
    requests_per_s_peak: float
    tokens_per_s_peak: float
    engines: int
    spare_engines: int
    rows: int
    bots: int
    shards: int
    routers: int
    databases: int
    vcpu: int
    memory_gb: float
    headroom: float
    bottleneck: str
    next_step: str


def sheet(load: Load) -> Sheet:
    """Return what ``load`` needs. Raises KeyError where the model has no figures."""
    figures = MODELS[load.model]
    mean = load.servers * load.commands_a_day / SECONDS_A_DAY
    peak = mean * load.peak
    tokens = peak * load.tokens
    planned = figures.tokens_per_s * PLANNED_USE
    engines = max(1, ceil(tokens / planned))
    sharded = load.servers > SHARD_SERVERS_MOST
    alone = engines == 1 and not sharded
    shards = ceil(load.servers / SHARD_SERVERS) if sharded else 1
    bots = ceil(shards / BOT_SHARDS)
    spare = 0 if alone else max(1, ceil(engines / 20))  # one may die or be replaced without a line
    routers, databases = (0 if alone else 2), (1 if sharded else 0)
    headroom, bottleneck, next_step = _first_to_give_way(load, peak, engines * planned / tokens if tokens else None)
    memory_mb = (
        (engines + spare) * figures.memory_mb
        + (0 if alone else bots * BOT_MB)
        + load.servers * SERVER_KB / 1000
        + routers * ROUTER_MB
        + databases * DATABASE_MB
    )
    return Sheet(
        stage="one process" if alone else "shards" if sharded else "engines apart",
        requests_per_s=mean,
        requests_per_s_peak=peak,
        tokens_per_s_peak=tokens,
        engines=engines,
        spare_engines=spare,
        rows=(engines + spare) * ROWS,
        bots=bots,
        shards=shards,
        routers=routers,
        databases=databases,
        vcpu=(engines + spare) * ENGINE_CORES + (0 if alone else bots + routers + databases),
        memory_gb=memory_mb / 1000,
        headroom=headroom,
        bottleneck=bottleneck,
        next_step=next_step,
    )


def _first_to_give_way(load: Load, peak: float, tokens: float | None) -> tuple[float, str, str]:
    """Return how many times the load is carried, by which part, and what to do before. ``tokens`` is the engines'."""
    a_shard = SHARD_SERVERS_MOST if load.servers <= SHARD_SERVERS_MOST else None
    parts = [
        (
            tokens or float("inf"),
            f"tokens: the engines are planned at {PLANNED_USE:.0%} of their speed",
            "start one more engine (`townhall engine --router URL`), or let the autoscaler: the router sends it work "
            "within a second. A smaller model is the cheaper way.",
        ),
        (
            1 / (peak * ROUTER_CPU_S) if peak else float("inf"),
            f"the router: one process is one core, {ROUTER_CPU_S * 1000:.0f} ms a request",
            "a router for each part of the servers, each with engines of its own.",
        ),
        (
            a_shard / load.servers if a_shard else float("inf"),
            f"Discord: one connection carries {SHARD_SERVERS_MOST:,} servers",
            "TOWNHALL_SHARDS, and PostgreSQL when there is more than one bot.",
        ),
        (
            1000 * SHARD_SERVERS / load.servers if not a_shard else float("inf"),
            "Discord: 1,000 sessions a day, of which each start of all bots takes one a shard",
            "restart bots one after the other, and seldom; ask Discord for larger buckets from 150,000 servers on.",
        ),
    ]
    return min(parts, key=lambda part: part[0])


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``townhall capacity``."""
    parser.add_argument(
        "--servers", type=SERVERS, required=True, metavar="N", help=f"how many servers the bot is in, {SERVERS}"
    )
    parser.add_argument(
        "--commands-a-day",
        type=COMMANDS,
        default=2.0,
        metavar="N",
        help=f"texts a day on each server, {COMMANDS} (default: 2)",
    )
    parser.add_argument("--model", choices=tuple(MODELS), default="gpt2", help="the model (default: gpt2)")
    parser.add_argument(
        "--tokens", type=TOKENS, default=60, metavar="N", help=f"new tokens a text, {TOKENS} (default: 60)"
    )
    parser.add_argument(
        "--peak",
        type=PEAK,
        default=3.0,
        metavar="TIMES",
        help=f"the busiest minute, in times the mean, {PEAK} (default: 3)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Print the sheet; return 0."""
    load = Load(arguments.servers, arguments.commands_a_day, arguments.model, arguments.tokens, arguments.peak)
    result = sheet(load)
    print(json.dumps({"load": asdict(load), **asdict(result)}) if arguments.json else "\n".join(_lines(load, result)))
    return OK


def _lines(load: Load, result: Sheet) -> list[str]:
    figures = MODELS[load.model]
    engines = f"{result.engines} of {ENGINE_CORES} cores"
    if result.spare_engines:
        engines += f", and {result.spare_engines} to spare"
    bots = f"{result.bots} with {result.shards} shard{'s' * (result.shards > 1)} in all"
    if result.shards > 1:
        bots += f"; a start of all takes {result.shards * IDENTIFY_S / 60:.1f} min"
    rows = [
        ("requests a second", f"{result.requests_per_s:.2f} on average, {result.requests_per_s_peak:.2f} at the peak"),
        ("tokens a second", f"{result.tokens_per_s_peak:,.0f} at the peak; an engine: {figures.tokens_per_s:g}"),
        ("engines", f"{engines}; {result.rows} texts at once"),
        ("bots", bots if result.stage != "one process" else "the same process"),
        ("routers", f"{result.routers}, one of them on stand-by" if result.routers else "none is needed"),
        ("database", "PostgreSQL" if result.databases else "SQLite, as it is"),
        ("in all", f"{result.vcpu} vCPU, {result.memory_gb:.1f} GB of memory"),
        ("gives way first", f"{result.bottleneck}; at {result.headroom:,.1f} times this load"),
        ("what to do then", result.next_step),
    ]
    head = (
        f"{load.servers:,} servers, {load.commands_a_day:g} commands a day on each, {load.model} (int8), "
        f"{load.tokens} tokens a text, peak {load.peak:g} times the mean: {result.stage}."
    )
    tail = (
        f"Engine figures: {figures.source}. Assumed, not measured: memory of routers, bots and "
        "PostgreSQL. No GPU was measured. docs/scaling.md tells the rest."
    )
    table = (fill(f"  {name:<18} {value}", 110, subsequent_indent=" " * 21) for name, value in rows)
    return [head, "", *table, "", tail]
