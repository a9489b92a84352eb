"""`--help` of every command: quick, because little is loaded for it, and with examples that hold."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

from moonbase.agent.records import Step
from moonbase.agent.session import Session
from moonbase.cli import serve
from moonbase.cli.main import COMMANDS, main
from moonbase.contract.events import Usage
from moonbase.contract.messages import Message
from moonbase.contract.mfjs import LEVELS
from moonbase.engines.http.dialect import DialectName
from tests.contract.pictures import PNG
from tests.running import KEY, Running
from tests.server.test_batches import begin, ended, lines

HEAVY = {
    "asyncio",
    "httpx",
    "jinja2",
    "jsonschema",
    "msgspec",
    "prompt_toolkit",
    "pydantic",
    "rich",
    "sqlite3",
    "starlette",
    "uvicorn",
    "moonbase.agent",
    "moonbase.conformance",
    "moonbase.contract",
    "moonbase.engines",
    "moonbase.server",
    "moonbase.tools",
}
SERVER = "http://127.0.0.1:8000"
"""Where the server of an example is."""
ONLY_READ = {
    "moonbase serve": "it serves until Ctrl-C",
    "moonbase chat": "it talks with a person",
    "moonbase news": "it needs a model that searches; test_news has one",
    "moonbase pull": "it fetches from a hub",
    "moonbase batches cancel": "it ends one that is under way",
}
"""Examples that begin like this are not run, only read as the command would."""

PRESENT = [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]


def test_every_command_of_the_table_is_there() -> None:
    assert list(COMMANDS) == PRESENT


@pytest.mark.parametrize("name", ["", *PRESENT])
def test_help_loads_nothing_heavy(name: str) -> None:
    """What keeps it under 150 ms; `python -m bench startup` measures the time itself."""
    words = json.dumps([*filter(None, [name]), "--help"])
    code = f"import sys\nfrom moonbase.cli.main import main\nmain({words}, standalone_mode=False)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "moonbase.cli.main" in loaded
    assert HEAVY & loaded == set()


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """(its words, the command), those below a group too."""
    if path:
        yield path, command
    if isinstance(command, click.Group):
        names = PRESENT if command is main else list(command.commands)
        for name in names:
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, *path, name)


def examples_of(command: click.Command) -> list[str]:
    """The command lines under "Examples:"; what follows after two spaces is a comment."""
    _, _, text = (command.epilog or "").partition("Examples:\n")
    lines = text.partition("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", line.strip())[0] for line in lines if re.match(r"  (?:echo .*\| )?moonbase ", line)]


def typed_in(line: str) -> tuple[list[str], str]:
    """The words after `moonbase`, and what `echo ... |` before it puts into its standard input."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(line):
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    echoed = " ".join(parts[0][1:]) if parts[0][0] == "echo" else ""
    (words,) = [part[1:] for part in parts if part[0] == "moonbase"]
    return words, echoed and f"{echoed}\n"


ALL = [(path, line) for path, command in commands(main) for line in examples_of(command)]


def only_read(line: str) -> bool:
    elsewhere = "://" in line.replace(SERVER, "")
    return elsewhere or any(line.startswith(begin) for begin in ONLY_READ)


@pytest.mark.parametrize("path", [path for path, _ in commands(main)], ids=" ".join)
def test_every_command_has_examples(path: tuple[str, ...]) -> None:
    assert [line for found, line in ALL if found == path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that examples name."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "mytools.py").write_text(
        "from moonbase.tools import tool\n\n\n"
        '@tool\ndef weather(city: str) -> str:\n    """The weather.\n\n    Args:\n        city: Where.\n    """\n'
        '    return f"{city}: dry"\n'
    )
    (work / "program.js").write_text("console.log(6 * 7)\n")
    (work / "moonbase.toml").write_text('[engines.test]\nkind = "scripted"\n')
    saved = tmp_path / "data" / "sessions" / "2026-11-22-trip.jsonl"
    with Session.open(saved, model="kimi-k2.6", sync="never") as session:
        for text in ("Where is it warm?", "And where not?", "Thanks"):
            session.append(Message("user", text), Message("assistant", f"You said: {text}", reasoning_content="Hm"))
            session.record(Step(usage=Usage(5, 5, 2), finish_reason="stop", seconds=0.01))
        session.fork(work / "trip.jsonl").close()
    city = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (work / "requests.jsonl").write_bytes(lines("first", "second"))
    (work / "keys.txt").write_text("sk-one  # one\n")
    (work / "prompts.txt").write_text("Name a moon.\n")
    (work / "report.txt").write_text("The harvest was good.\n")
    (work / "moon.png").write_bytes(PNG)
    (work / "city.json").write_text(json.dumps(city))
    monkeypatch.chdir(work)
    return work


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("path", "line"), ALL, ids=[line for _, line in ALL])
def test_an_example_is_read_by_its_command(path: tuple[str, ...], line: str) -> None:
    words, _ = typed_in(line)
    command: click.Command | None = main
    for name in path:
        assert isinstance(command, click.Group)
        assert words.pop(0) == name
        command = command.get_command(click.Context(command), name)
    assert command is not None
    command.make_context(" ".join(path), words)  # raises `click.UsageError` for what it does not know


RUN = [line for _, line in ALL if not only_read(line)]


@pytest.fixture
async def used(server: Running) -> Running:
    """A server that has answered a batch."""
    await ended(server, await begin(server, lines("first")))
    return server


@pytest.mark.parametrize("line", RUN)
async def test_an_example_does_what_it_shows(line: str, used: Running, folder: Path) -> None:
    words, echoed = typed_in(line.replace(SERVER, used.url))
    known = {
        "MOONSHOT_BASE_URL": used.url,
        "MOONSHOT_API_KEY": KEY,
        "MOONBASE_DATA_DIR": str(folder.parent / "data"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "moonbase", *words),
        cwd=folder,
        env={**os.environ, **known},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, complained = await process.communicate(echoed.encode())
    assert process.returncode == 0, said.decode() + complained.decode()
    assert said or " -o " in line


def test_the_choices_written_out_are_those_that_there_are() -> None:
    assert serve.LEVELS == LEVELS
    assert get_args(DialectName) == serve.DIALECTS


@pytest.mark.parametrize(
    "words", [["tools", "list"], ["pull", "--list"], ["models"], ["batches", "list"], ["files", "list"]], ids=" ".join
)
def test_a_command_for_a_server_elsewhere_loads_no_server(words: list[str], tmp_path: Path) -> None:
    """`pip install 'moonbase[cli]'` is enough for it."""
    code = f"""
import sys
from moonbase.cli.main import main
try:
    main({[*words]}, standalone_mode=False)
finally:
    print(*sys.modules)
"""
    env = {**os.environ, "MOONSHOT_BASE_URL": "http://127.0.0.1:1", "MOONBASE_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "moonbase.cli.main" in loaded
    heavy = {"starlette", "uvicorn", "jsonschema", "jinja2", "cryptography", "moonbase.server.settings"}
    assert heavy & loaded == set()
