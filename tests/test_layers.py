"""design.md, "The house": a module imports from its own package or from a lower tier. Never sideways, never up;
imports inside functions and under TYPE_CHECKING count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import moonbase

ROOT = Path(moonbase.__file__).parent
TIERS: list[set[str]] = [
    {"contract"},
    {"prompt", "parse"},
    {"engines", "tools", "accounts"},
    {"server", "agent", "conformance"},
    {"cli", "web"},
    {"testing"},
]
UNSEEN = {"server", "conformance", "cli", "web", "testing"}
"""What the public names of the package have nothing to do with."""
TIER = {package: tier for tier, packages in enumerate(TIERS) for package in packages}
ENTRY = "moonbase.__main__"
"""`python -m moonbase` is the command line and may import it."""
SURFACE = "moonbase"
"""`import moonbase` tells type checkers where its names are defined, and loads them only when they are used."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, module: str, *, package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that `module` imports, wherever in it; names of `from x import y` are x.y."""
    here = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            argument = node.args[0] if node.args else None
            if called in ("import_module", "__import__") and isinstance(argument, ast.Constant):
                yield node.lineno, str(argument.value)


def package_of(name: str) -> str | None:
    """The package of ours that a dotted name lies in; None for the root's own names and for other people's modules."""
    parts = name.split(".")
    if parts[0] != "moonbase" or len(parts) < 2:
        return None
    return parts[1] if len(parts) > 2 or parts[1] in TIER or (ROOT / parts[1]).is_dir() else None


def for_type_checkers(source: str) -> set[int]:
    """The lines that only type checkers read."""
    return {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def violations(source: str, module: str, *, package: bool = False) -> list[str]:
    if module == ENTRY:
        return []
    own = module.split(".")[1] if "." in module else None
    found: list[str] = []
    for line, name in imported(ast.parse(source), module, package=package):
        other = package_of(name)
        if other is None or other == own:
            continue
        if module == SURFACE and other not in UNSEEN and line in for_type_checkers(source):
            continue
        if own is None or other not in TIER or TIER.get(own, -1) <= TIER[other]:
            found.append(f"{module}:{line} imports {name}")
    return found


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def test_no_module_imports_sideways_or_up() -> None:
    found = [
        violation
        for path in sources()
        for violation in violations(path.read_text(), module_name(path), package=path.name == "__init__.py")
    ]
    assert found == []


def test_every_package_has_its_tier() -> None:
    packages = {path.relative_to(ROOT).parts[0] for path in sources() if path.parent != ROOT}
    assert packages <= set(TIER)
    assert len(sources()) > 40


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("moonbase.contract.events", "import moonbase.parse.machine"),
        ("moonbase.contract.events", "from moonbase import prompt"),
        ("moonbase.contract.events", "from moonbase.prompt.render import render"),
        ("moonbase.prompt.render", "from moonbase.parse import machine"),
        ("moonbase.parse.machine", "def late():\n    from moonbase.engines.scripted import ScriptedEngine"),
        ("moonbase.tools.run", "if TYPE_CHECKING:\n    from moonbase.engines import scripted"),
        ("moonbase.engines.http", "from moonbase.accounts.keys import Keys"),
        ("moonbase.server.app", "import json, moonbase.agent"),
        ("moonbase.agent.session", "from moonbase.server.app import create_app"),
        ("moonbase.server.app", "from ..cli.main import main"),
        ("moonbase.server.app", "from .. import cli"),
        ("moonbase.server.deep.app", "from ...cli import main"),
        ("moonbase.engines.opening", 'import importlib\nimportlib.import_module("moonbase.server.app")'),
        ("moonbase.cli.main", "from moonbase.web import assets"),
        ("moonbase.cli.serve", "from moonbase.testing.server import Server"),
        ("moonbase.contract.events", "from moonbase.unheard_of.module import thing"),
        ("moonbase.unheard_of.module", "from moonbase.contract import events"),
        ("moonbase", "from moonbase.contract.engine import Engine"),
        ("moonbase", "if TYPE_CHECKING:\n    from moonbase.server.app import App"),
    ],
)
def test_the_check_sees_a_violation(module: str, source: str) -> None:
    (violation,) = violations(source, module, package=module == "moonbase")
    assert violation.startswith(f"{module}:")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("moonbase.contract.events", "from moonbase.contract.errors import ApiError"),
        ("moonbase.parse.machine", "from .stops import StopScanner\nfrom moonbase.contract import events"),
        ("moonbase.server.app", "from moonbase import __version__\nfrom ..engines.opening import open_engine"),
        ("moonbase.cli.main", "import moonbase.server.app\nfrom moonbase.agent import session"),
        ("moonbase.contract.events", "import msgspec\nfrom parse.machine import thing"),
        ("moonbase.__main__", "from moonbase.cli.main import main"),
        ("moonbase", "if TYPE_CHECKING:\n    from moonbase.agent.agent import Agent"),
    ],
)
def test_the_check_lets_the_rest_pass(module: str, source: str) -> None:
    assert violations(source, module) == []
