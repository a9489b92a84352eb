"""`moonbase` itself: its table of commands, and how it ends them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from moonbase.cli.exits import Unusable
from moonbase.cli.main import COMMANDS, Commands, main


def failing(error: BaseException) -> click.Command:
    def fail(**_: Any) -> None:
        raise error

    return click.Command("break", callback=fail)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Unusable("no server answers at x"), 3, "moonbase break: no server answers at x\n"),
        (KeyboardInterrupt(), 130, "moonbase break: stopped\n"),
        (Unusable("the server said \x1b[2J"), 3, "moonbase break: the server said ␛[2J\n"),
    ],
)
def test_a_command_that_fails_ends_with_a_line_and_its_code(error: BaseException, code: int, line: str) -> None:
    group = Commands("moonbase")
    group.add_command(failing(error))
    done = CliRunner().invoke(group, ["break"])
    assert (done.exit_code, done.stderr, done.stdout) == (code, line, "")


def test_help_lists_every_command() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in done.stdout] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_that_cannot_be_written_is_a_line_and_exit_code_1(word: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "moonbase", word], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "moonbase: No space left on device\n")


def test_an_unknown_command_is_a_usage_error() -> None:
    done = CliRunner().invoke(main, ["serv"])
    assert done.exit_code == 2
    assert "No such command 'serv'" in done.stderr


@pytest.mark.parametrize(
    ("word", "said"), [("serv", "No such command 'serv'. Did you mean 'serve'?"), ("xyz", "No such command 'xyz'.\n")]
)
def test_a_command_that_there_is_not_brings_to_mind_the_one_that_was_meant(word: str, said: str) -> None:
    done = CliRunner().invoke(main, [word])
    assert done.exit_code == 2
    assert said in done.stderr
