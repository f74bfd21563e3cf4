"""Nothing private of tinygrad is touched outside two files, and what they touch is as we know it.

tinygrad is pinned exactly. When the pin moves, what fails here says which part is another now, and what needs it.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tinygrad import helpers

from plugins.gpt2.model import device
from plugins.gpt2.model.cpu import graph_runner
from tests.plugins.gpt2.model.private_parts import PARTS

CHECKOUT = Path(__file__).parents[4]
PRIVATE = [Path(inspect.getfile(module)) for module in (device, graph_runner)]
"""The files that may touch what is private."""
PUBLIC = {"Tensor", "UOp", "dtypes"}
"""What tinygrad offers to everybody, and the model uses anywhere."""


@pytest.mark.parametrize("name", list(PARTS))
def test_a_private_part_is_as_we_know_it(name: str) -> None:
    needed_for, check = PARTS[name]
    try:
        known = check()
    except Exception as error:
        known, problem = False, repr(error)
    else:
        problem = "it is another"
    assert known, f"tinygrad {device.TINYGRAD_VERSION}: {name}, which is needed for {needed_for}: {problem}"


def imports_of(tree: ast.AST) -> set[str]:
    """Return what is imported of tinygrad, as ``module.name`` without ``tinygrad.``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinygrad":
            inner = (node.module or "").removeprefix("tinygrad").removeprefix(".")
            found |= {f"{inner}.{alias.name}".removeprefix(".") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "tinygrad"}
    return found


def attributes_of(tree: ast.AST) -> set[str]:
    """Return attributes that begin with an underscore, of anything but ``self`` and ``cls``."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def used_of(tree: ast.AST, modules: Mapping[str, str]) -> set[str]:
    """Return what is used of ``modules`` (local name → name), as ``name.attribute``."""
    return {
        f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }


OTHERS = sorted(
    path
    for folder in ("plugins", "townhall_bot", "bench", "tools")
    for path in (CHECKOUT / folder).rglob("*.py")
    if path not in PRIVATE and "tinygrad" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_nobody_else_touches_what_is_private(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert imports_of(tree) <= PUBLIC
    if path.is_relative_to(PRIVATE[0].parent):
        assert not attributes_of(tree)
        assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"uop", "allocator"}


def test_every_private_part_has_its_case_here() -> None:
    modules = {"helpers": "helpers", "ops_cpu": "runtime.ops_cpu"}
    imported, touched = set[str](), set[str]()
    for path in PRIVATE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported |= imports_of(tree) | used_of(tree, modules)
        touched |= attributes_of(tree)
    assert imported - PUBLIC - {"Device", "TinyJit", *modules.values()} <= set(PARTS)
    assert touched <= {name.rpartition(".")[2] for name in PARTS}


LOADING = """
import threading
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.model.target.device_plan import open_device
from plugins.gpt2.model.gpt2 import load

looking = threading.Thread(target=open_device, args=("CPU",))
looking.start()
looking.join()
with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
    print(load(checkpoint, rows=1).decode([0], [1], [0]).shape)
"""


def test_a_model_loads_in_another_thread_than_the_one_that_looked_at_the_device() -> None:
    """As where the doctor's checks and a bot share a process: sqlite3 ties a connection to its thread."""
    ran = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "(1, 8192)"), ran.stderr


def test_the_kernel_cache_serves_every_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(helpers, "CACHEDB", str(tmp_path / "kernels.db"))
    monkeypatch.setattr(helpers, "_db_connection", None)
    monkeypatch.setattr(helpers, "_db_tables", set())
    monkeypatch.setattr(device, "_opened", [])

    def compile_one() -> None:
        name = f"f{uuid.uuid4().hex}"
        device.load_c(name, f"void {name}(int core_id) {{}}")

    with ThreadPoolExecutor(1) as another:
        another.submit(compile_one).result()
        compile_one()  # while that thread still lives: its number, by which sqlite3 knows it, may be given again
        another.submit(compile_one).result()
    assert (tmp_path / "kernels.db").stat().st_size > 0


PURE = """
import sys
import plugins.gpt2.model.cache.weights_cache, plugins.gpt2.model.layout, plugins.gpt2.model.packing
import plugins.gpt2.settings, plugins.gpt2.service.service
print([name for name in sys.modules if name.split(".")[0] == "tinygrad"])
"""


def test_packing_settings_and_service_need_no_tinygrad() -> None:
    ran = subprocess.run([sys.executable, "-c", PURE], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
