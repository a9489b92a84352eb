"""`moonbase conformance` as it is typed: the table, JSON, the exit codes, and the page about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from moonbase.cli.main import main
from moonbase.conformance.check import select
from moonbase.conformance.report import listing
from moonbase.conformance.suite import CHECKS
from tests.running import KEY, Running, make_platform, running

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncGenerator[Running]:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        yield up


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["conformance", *arguments])


async def judged(up: Running, *arguments: str) -> Result:
    return await run(up.url, "--key", KEY, "--model", "kimi-k2.6", *arguments)


async def test_a_table_and_a_summary(keyed: Running) -> None:
    done = await judged(keyed, "--only", "5.1", "--only", "usage-*")
    head, _, columns, *rows, _, last = done.output.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert head == f"kimi-k2.6 at {keyed.base_url}, judged by the card of kimi-k2.6"
    assert columns.split() == ["check", "section", "level", "result", "detail"]
    assert rows[0].split()[:4] == ["usage-body", "2.2", "rule", "pass"]
    assert last == f"{len(rows)} pass, 0 fail, 0 skip"


async def test_a_failure_is_exit_code_1(keyed: Running) -> None:
    done = await judged(keyed, "--thinking", "only", "--keep", "always", "--only", "thinking-cannot-stop")
    assert done.exit_code == 1
    assert "FAIL    expected 400, got 200" in done.output
    assert done.output.splitlines()[-1] == "0 pass, 1 fail, 0 skip (failing: 1 rule)"


async def test_json(keyed: Running) -> None:
    done = await judged(keyed, "--only", "body-id", "--json")
    whole = json.loads(done.output)
    assert (whole["url"], whole["model"]) == (keyed.base_url, "kimi-k2.6")
    assert whole["summary"] == {"pass": 1, "fail": 0, "skip": 0}
    (row,) = whole["results"]
    assert (row["check"], row["section"], row["result"]) == ("body-id", "2.1", "pass")


async def test_a_server_that_cannot_be_reached_is_exit_code_3() -> None:
    done = await run("http://127.0.0.1:1", "--key", "x", "--model", "m")
    assert (done.exit_code, "the connection failed" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:1", "--model", "m"), "URL, --key and --model are needed"),
        (("http://127.0.0.1:1", "--key", "x", "--model", "m", "--only", "nothing-like-it"), "no check is named"),
        (("http://127.0.0.1:1", "--key", "x", "--model", "m", "--parallel", "0"), "--parallel"),
        (("nonsense", "--key", "x", "--model", "m"), "'nonsense' is no address of a server"),
    ],
)
async def test_a_wrong_command_line_is_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    done = await run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


async def test_a_wrong_key_and_an_unknown_model_are_exit_code_3(keyed: Running) -> None:
    for key, model, said in (("sk-wrong", "kimi-k2.6", "401"), (KEY, "kimi-k9", "404")):
        done = await run(keyed.url, "--key", key, "--model", model)
        assert (done.exit_code, said in done.stderr, done.stdout) == (3, True, "")


async def test_the_page_lists_the_checks_as_they_are() -> None:
    listed = await run("--list")
    assert listed.output.strip() == listing(CHECKS)
    assert listing(CHECKS) in PAGE.read_text(), "docs/conformance.md is stale: paste `moonbase conformance --list`"


def test_checks_have_names_of_their_own_and_say_what_they_demand() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names) > 150
    assert [check.name for check in CHECKS if not check.demand.endswith(".")] == []


def test_patterns() -> None:
    assert {check.section for check in select(CHECKS, ["5.2"])} == {"5.2"}
    assert [check.name for check in select(CHECKS, ["body-i"])] == ["body-id"]
    assert len(select(CHECKS, ["locked-*"])) == 12
    assert select(CHECKS, []) == list(CHECKS)
