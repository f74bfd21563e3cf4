"""Who may know whom: the imports of the whole tree, drawn from the source, have no circle and point one way.

Imports inside functions count; those for the type checker alone, or for a module as a program of its own, do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
Graph = dict[str, set[str]]

UNCOUNTED = ("TYPE_CHECKING", "__name__ == '__main__'")
"""What a module does not do when it is imported: what is for type checkers, and what makes a program of it."""

ABOVE_MODEL = ("engine", "service", "chat", "admin", "stats")
NEVER = [
    ("townhall_bot", ("plugins",)),  # it knows them by their entry points, like anybody's
    ("townhall_bot.discordpy", ("townhall_bot",)),  # what is to be done is handed over
    ("townhall_bot.store", ("townhall_bot.bot", "townhall_bot.plugins", "discord")),
    ("townhall_bot.loopback.world", tuple(f"townhall_bot.loopback.{n}" for n in ("people", "wire", "rest", "faults"))),
    ("townhall_bot.loopback", ("townhall_bot.bot", "townhall_bot.plugins")),  # any bot may connect to it
    ("plugins.ping", ("plugins.gpt2",)),
    ("plugins.gpt2.checkpoint", (*(f"plugins.gpt2.{n}" for n in ABOVE_MODEL), "discord", "tinygrad")),
    ("plugins.gpt2.model", (*(f"plugins.gpt2.{n}" for n in ABOVE_MODEL), "discord")),
    ("plugins.gpt2.engine", (*(f"plugins.gpt2.{n}" for n in ABOVE_MODEL[1:]), "discord", "tinygrad")),
    ("plugins.gpt2.service", (*(f"plugins.gpt2.{n}" for n in ABOVE_MODEL[2:]), "discord", "tinygrad")),
    (
        "plugins.gpt2.chat",
        (*(f"plugins.gpt2.engine.{n}" for n in ("engine_thread", "scheduler")), "plugins.gpt2.model"),
    ),
]
"""A room, and what nothing in it may import."""
EXCEPT = {
    ("townhall_bot.discordpy.components", "townhall_bot.discordpy.forms"),  # the room's own
    ("townhall_bot.discordpy.retries", "townhall_bot.discordpy.backoff"),  # arithmetic, without anything of ours
    ("townhall_bot.discordpy.retries", "townhall_bot.redaction"),  # patterns, likewise
    ("townhall_bot.discordpy.bodies", "townhall_bot.redaction"),
}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for top in ("townhall_bot", "plugins"):
        for file in sorted((CHECKOUT / top).rglob("*.py")):
            path = file.relative_to(CHECKOUT).with_suffix("")
            found[".".join(path.parent.parts if path.name == "__init__" else path.parts)] = file
    return found


@cache
def imports() -> Graph:
    """Return what each module imports: ours by module, others' by whatever stands behind ``import``."""
    return {
        name: {found for found in imported_in(ast.parse(file.read_text())) if found not in (name, "__future__")}
        for name, file in modules().items()
    }


def imported_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            full = [f"{module}.{alias.name}" for alias in names]
            yield from (each if each in modules() else module for each in full)
        case ast.If(test=test, orelse=others) if ast.unparse(test) in UNCOUNTED:
            for other in others:
                yield from imported_in(other)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from imported_in(child)


def room_of(module: str) -> str:
    """Return the innermost package that a module of the core lies in; on its top floor each is a room of its own."""
    package = module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]
    return module if package in ("townhall_bot", "townhall_bot.loopback") else package


def rooms() -> Graph:
    drawn: Graph = {}
    for module, imported in imports().items():
        if module.startswith("townhall_bot."):
            inside = {room_of(each) for each in imported if each.startswith("townhall_bot.") and each in modules()}
            drawn.setdefault(room_of(module), set()).update(inside - {room_of(module)})
    return drawn


def circle_in(graph: Graph) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle_in(imports()) == []


def test_no_room_of_the_core_needs_itself_by_way_of_others() -> None:
    assert circle_in(rooms()) == []


@pytest.mark.parametrize(("room", "never"), NEVER, ids=lambda value: value if isinstance(value, str) else "")
def test_arrows_point_down(room: str, never: tuple[str, ...]) -> None:
    upwards = [
        f"{module} imports {found}"
        for module in modules()
        if within(module, (room,))
        for found in imports()[module]
        if within(found, never) and not within(found, (room,)) and (module, found) not in EXCEPT
    ]
    assert sorted(upwards) == []


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_a_circle_is_seen() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_for_the_type_checker_alone_are_not_counted_and_those_in_functions_are() -> None:
    source = "if TYPE_CHECKING:\n import a\nelse:\n import b\ndef f():\n from c import d\n"
    program = "if __name__ == '__main__':\n import e\n"
    assert list(imported_in(ast.parse(source + program))) == ["b", "c"]
