"""Reads out of a module's source what it uses of discord.py that is private, or that discord.py's pages leave out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

PUBLIC_MODULES = ("discord", "discord.abc", "discord.app_commands", "discord.ui", "discord.utils")
"""What discord.py's pages document is in one of these, or in ``discord.ext``; other modules are its inside."""
UNDOCUMENTED = frozenset(
    {"BASE", "DEFAULT_GATEWAY", "flag", "get_translated_payload", "http", "parsers", "warn_dave", "warn_nacl", "ws"}
)
"""Attributes without an underscore that are on none of its pages either, or lead to what is not."""
PATH = re.compile(r"discord(\.[a-z_]+)+(\.[A-Z]\w*)(\.\w+)*")
"""A class, and what is in it, as ``monkeypatch.setattr`` and ``import_module`` take it. (Loggers are modules.)"""


def private_names_in(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name: of an import its whole path, of an attribute the last part. Nothing without discord.py."""
    tree = ast.parse(source)
    yield from _in_imports(tree)
    if any(_imports_discord(node) for node in ast.walk(tree)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and _is_private(node):
                yield node.lineno, node.attr
        yield from _inherited(tree)


def _in_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if not _is_public(module):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names if not _is_public(alias.name))
            case ast.Constant(value=str(text)) if PATH.fullmatch(text) and not _is_public(_module_of(text)):
                yield node.lineno, text


def _is_public(module: str) -> bool:
    return module.split(".")[0] != "discord" or module in PUBLIC_MODULES or module.startswith("discord.ext")


def _module_of(path: str) -> str:
    return re.split(r"\.(?=[A-Z])", path)[0]


def _imports_discord(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "discord"
    return isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "discord" for alias in node.names)


def _is_private(node: ast.Attribute) -> bool:
    if node.attr in UNDOCUMENTED:
        return True
    of_itself = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    return node.attr.startswith("_") and not node.attr.startswith("__") and not of_itself


def _inherited(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the private attributes that a class of discord.py's kind uses of itself without having made them."""
    for cls in ast.walk(tree):
        if isinstance(cls, ast.ClassDef) and is_discords(cls):
            own = [node for node in ast.walk(cls) if isinstance(node, ast.Attribute) and _of_self(node)]
            made = {node.attr for node in own if isinstance(node.ctx, ast.Store)}
            made |= {node.name for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            made |= {ast.unparse(node.target) for node in cls.body if isinstance(node, ast.AnnAssign)}
            yield from ((node.lineno, node.attr) for node in own if node.attr not in made)


def is_discords(cls: ast.ClassDef) -> bool:
    """Tell whether a class derives from one of discord.py's, as far as its first line says."""
    return any(ast.unparse(base).split(".")[0] in ("discord", "app_commands", "ui") for base in cls.bases)


def _of_self(node: ast.Attribute) -> bool:
    private = node.attr.startswith("_") and not node.attr.startswith("__")
    return private and isinstance(node.value, ast.Name) and node.value.id == "self"
