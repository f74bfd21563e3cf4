"""``townhall gpt2``, ``models``, ``texts``, ``capacity``: the plugin on the command line. Imports late."""

from __future__ import annotations

import argparse

from townhall_bot.plugins import CliCommand


def _configure_gpt2(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.generate_options import configure

    configure(parser)


def _run_gpt2(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.generate import run

    return run(arguments)


def _run_models(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.models import run

    return run(arguments)


def _configure_models(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.models import configure

    configure(parser)


def _run_texts(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.transcripts import run

    return run(arguments)


def _configure_texts(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.transcripts import configure

    configure(parser)


def _run_capacity(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.capacity import run

    return run(arguments)


def _configure_capacity(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.capacity import configure

    configure(parser)


def _run_router(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.serve import run_router

    return run_router(arguments)


def _configure_router(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.serve import configure_router

    configure_router(parser)


def _run_engine(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.serve import run_engine

    return run_engine(arguments)


def _configure_engine(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.serve import configure_engine

    configure_engine(parser)


def _run_ray(arguments: argparse.Namespace) -> int:
    from plugins.gpt2.cli.ray import run

    return run(arguments)


def _configure_ray(parser: argparse.ArgumentParser) -> None:
    from plugins.gpt2.cli.ray import configure

    configure(parser)


COMMANDS = (
    CliCommand("gpt2", "continue a text with a model, without Discord", _configure_gpt2, _run_gpt2),
    CliCommand("models", "list, download, verify, remove or train models", _configure_models, _run_models),
    CliCommand("router", "keep the one line of several machines' engines", _configure_router, _run_router),
    CliCommand("engine", "write texts for a router, without Discord", _configure_engine, _run_engine),
    CliCommand("ray", "have Ray Serve run engines, and say how they are", _configure_ray, _run_ray),
    CliCommand("texts", "print the prompts and texts that are kept, where that is on", _configure_texts, _run_texts),
    CliCommand("capacity", "how many machines a number of servers asks for", _configure_capacity, _run_capacity),
)
