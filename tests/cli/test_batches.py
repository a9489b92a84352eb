"""`moonbase batches`: from files of requests to files of answers (contract.md 5.5)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from moonbase.accounts.batches import BatchStore
from moonbase.cli.asking import Server
from moonbase.cli.batching.told import Batches, Known, Told
from moonbase.cli.batching.watching import Watch
from moonbase.cli.exits import Unusable
from moonbase.cli.terminal.paint import Paint
from moonbase.cli.terminal.screen import Screen
from moonbase.cli.where import Where
from moonbase.contract.batches import Batch, BatchBody, RequestCounts
from moonbase.contract.errors import InvalidAuthentication, InvalidRequest, ServerError
from moonbase.contract.files import StoredFile
from tests.cli.running_commands import typed
from tests.running import KEY, NOW, Running, make_platform, running
from tests.server.client import Json
from tests.server.test_batches import Holding, jsonl, line, lines

MOONS = lines("first", "second")
COLD = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "x"}], "temperature": 0.2}


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncGenerator[Running]:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        yield up


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "moons.jsonl").write_bytes(MOONS)
    (work / "prompts.txt").write_bytes("\ufeffa moon\r\n\r\n月亮\n".encode())
    monkeypatch.chdir(work)
    return work


def at(up: Running) -> Sequence[str]:
    return ("--base-url", up.url, "--key", KEY)


def contents(text: str) -> dict[str, str]:
    rows = [json.loads(each) for each in text.splitlines()]
    return {row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in rows}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


SAID = {"first": "You said: first", "second": "You said: second"}


async def test_a_batch_is_created_and_its_id_printed(keyed: Running) -> None:
    done = await typed("batches", "create", "moons.jsonl", *at(keyed))
    assert (done.exit_code, done.stdout[:6], done.stdout.count("\n")) == (0, "batch_", 1)
    assert "2 requests for kimi-k2.6\n" in done.stderr
    waited = await typed("batches", "wait", done.stdout.strip(), *at(keyed))
    assert (waited.exit_code, contents(waited.stdout)) == (0, SAID)


async def test_it_is_waited_for_and_its_results_are_in_a_file(keyed: Running, folder: Path) -> None:
    (folder / "results.jsonl").write_text("old")
    done = await typed("batches", "create", "moons.jsonl", "--wait", "-o", "results.jsonl", "--json", *at(keyed))
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "completed")
    assert contents((folder / "results.jsonl").read_text()) == SAID
    assert names(folder) == ["moons.jsonl", "prompts.txt", "results.jsonl"]


async def test_what_failed_is_told_and_is_exit_code_1(keyed: Running, folder: Path) -> None:
    (folder / "some.jsonl").write_bytes(MOONS + jsonl(*(line(f"cold {number}", COLD) for number in range(7))))
    done = await typed("batches", "create", "some.jsonl", "--wait", "-o", "-", "--quiet", *at(keyed))
    assert (done.exit_code, contents(done.stdout)) == (1, SAID)
    said = done.stderr.splitlines()
    assert said[0] == "cold 0: 400 invalid temperature: only 1 is allowed for this model"
    assert len(said) == 6
    assert "2 of 9 answered, 7 failed; all that failed: moonbase batches errors batch_" in said[-1]
    again = await typed("batches", "wait", "last", "-o", "r.jsonl", "--errors", "e.jsonl", *at(keyed))
    assert again.exit_code == 1
    assert "all that failed" not in again.stderr
    assert len((folder / "e.jsonl").read_text().splitlines()) == 7


async def test_prompts_and_bodies_become_requests(keyed: Running, folder: Path) -> None:
    prompts = ("batches", "create", "prompts.txt", "--format", "prompts")
    dry = await typed(*prompts, "--system", "Be brief.", "--model", "kimi-k2.5", "--dry-run")
    assert dry.exit_code == 0
    rows = [json.loads(each) for each in dry.stdout.splitlines()]
    assert [row["custom_id"] for row in rows] == ["line-1", "line-3"]
    assert rows[1]["body"] == {
        "model": "kimi-k2.5",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "月亮"}],
    }
    done = await typed(*prompts, "--wait", *at(keyed))
    assert contents(done.stdout) == {"line-1": "You said: a moon", "line-3": "You said: 月亮"}
    (folder / "bodies.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}], "thinking": {}}\n')
    dry = await typed("batches", "create", "bodies.jsonl", "--format", "bodies", "--dry-run")
    body: Json = json.loads(dry.stdout)["body"]
    assert (body["model"], body["thinking"]) == ("kimi-k2.6", {})


async def test_standard_input_is_a_file_too(keyed: Running) -> None:
    done = await typed("batches", "create", "-", "--format", "prompts", "--wait", *at(keyed), stdin="a\nb\n")
    assert done.exit_code == 0, done.output
    assert list(contents(done.stdout)) == ["line-1", "line-2"]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (
            MOONS + b"\nno\n" + jsonl(line("third", url="/v1/x")),
            (),
            ["f:4: the line is not valid JSON", "f:5: the `url`"],
        ),
        (MOONS + lines("first"), (), ["f:3: the `custom_id` field 'first' is that of line 1 too"]),
        (jsonl(line("a", {**COLD, "model": "kimi-k3"})), (), ["f:1: the model kimi-k3 is not available for batches"]),
        (b"\n[1]\n{\n", ("--format", "bodies"), ["f:2: the line is not a JSON object", "f:3: the line is not valid"]),
        (b" \n", (), ["f: the input file has no requests"]),
        (b"a\n\xff\n", ("--format", "prompts"), ["line 2 of the prompts is no UTF-8 text"]),
    ],
)
async def test_wrong_lines_are_named_and_nothing_is_uploaded(
    keyed: Running, folder: Path, text: bytes, words: tuple[str, ...], said: list[str]
) -> None:
    (folder / "f").write_bytes(text)
    done = await typed("batches", "create", "f", *words, *at(keyed))
    assert (done.exit_code, done.stdout) == (2, "")
    assert [each for each in said if each not in done.stderr] == []
    assert "nothing was uploaded\n" in done.stderr
    assert await keyed.platform.files.of(keyed.platform.keys.authenticate(f"Bearer {KEY}")) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "moons.jsonl", "--window", "3h"), 2, "--window '3h': expected hours or days from 12h to 7d"),
        (("create", "moons.jsonl", "--metadata", "x"), 2, "expected KEY=VALUE"),
        (("create", "moons.jsonl", "--model", "kimi-k2.5"), 2, "--model goes with --format bodies or prompts"),
        (("create", "moons.jsonl", "-o", "x"), 2, "go with --wait"),
        (("create", "moons.jsonl", "--wait", "--json"), 2, "would both go to standard output"),
        (("create", "moons.jsonl", "--wait", "-o", "no/x"), 1, "no/x cannot be written: there is no folder"),
        (("create", "nowhere"), 2, "does not exist"),
        (("show", "last"), 1, "there are no batches of this key"),
        (("results", "batch_x"), 1, "batch batch_x is not found; `moonbase batches list` lists those of your key"),
        (("list", "--key", "sk-wrong"), 3, "does not accept the API key"),
        (("list", "--base-url", "http://127.0.0.1:1"), 3, "no server answers"),
    ],
)
async def test_what_goes_wrong(keyed: Running, words: tuple[str, ...], code: int, said: str) -> None:
    done = await typed("batches", *words, env={"MOONSHOT_BASE_URL": keyed.url, "MOONSHOT_API_KEY": KEY})
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


class Full(BatchStore):
    async def create(self, owner: str, body: BatchBody, file: StoredFile) -> Batch:
        raise InvalidRequest("there are too many")


async def test_a_server_that_refuses_a_batch_keeps_no_file_of_it(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, keys=(KEY,))
    full = Full(tmp_path / "full", clock=lambda: NOW)
    async with running(replace(platform, batches=full)) as up:
        done = await typed("batches", "create", "moons.jsonl", "--wait", *at(up))
        assert (done.exit_code, done.stderr.splitlines()[-1][:41]) == (1, "moonbase batches: there are too many (inv")
        assert await platform.files.of(platform.keys.authenticate(f"Bearer {KEY}")) == []
    await platform.batches.close()
    await full.close()


async def test_one_that_is_refused_says_why(keyed: Running) -> None:
    done = await typed(
        "batches", "create", "prompts.txt", "--format", "prompts", "--model", "nobody", "--wait", *at(keyed)
    )
    assert (done.exit_code, done.stdout) == (1, "")
    assert "was refused: line 1: Not found the model nobody" in done.stderr
    assert "goes on" not in done.stderr
    shown = await typed("batches", "show", "last", *at(keyed))
    assert "status     failed\n" in shown.stdout
    assert "line 2: Not found the model nobody or Permission denied\n" in shown.stdout
    assert "says why" in (await typed("batches", "results", "last", *at(keyed))).stderr


async def test_batches_are_listed_and_shown(keyed: Running) -> None:
    assert (await typed("batches", "list", *at(keyed))).stdout == "no batches yet\n"
    for _ in range(21):
        assert (await typed("batches", "create", "moons.jsonl", "--metadata", "of=me", *at(keyed))).exit_code == 0
    listed = (await typed("batches", "list", *at(keyed))).stdout.splitlines()
    assert len(listed) == 22
    every = json.loads((await typed("batches", "list", "--all", "--json", *at(keyed))).stdout)
    assert every[0]["id"] == listed[2].split()[0]
    assert len(every) == 21
    await typed("batches", "wait", "last", *at(keyed))
    shown = (await typed("batches", "show", "last", *at(keyed))).stdout
    assert {" ".join(row.split()) for row in shown.splitlines()} >= {"requests 2 of 2 answered", "metadata of me"}
    assert json.loads((await typed("batches", "show", "last", "--json", *at(keyed))).stdout)["metadata"] == {"of": "me"}


async def test_ctrl_c_leaves_the_batch_and_says_how_to_go_on(tmp_path: Path, folder: Path) -> None:
    engine = Holding(free=1)
    async with running(make_platform(tmp_path, engine=engine, keys=(KEY,))) as up:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "moonbase", "batches", "create", "moons.jsonl", "--wait", "-o", "r.jsonl"),
            env={**os.environ, "MOONSHOT_BASE_URL": up.url, "MOONSHOT_API_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr
        while b"in_progress" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert process.returncode == 130
        assert b"the batch goes on; wait for it again: moonbase batches wait batch_" in said
        assert b" --output r.jsonl\n" in said
        assert names(folder) == ["moons.jsonl", "prompts.txt"]
        results = await typed("batches", "results", "last", *at(up))
        assert (results.exit_code, results.stdout) == (1, "")
        cancelled = await typed("batches", "cancel", "last", *at(up))
        assert "status     cancelling" in cancelled.stdout
        waited = await typed("batches", "wait", "last", "--errors", "e.jsonl", *at(up))
        assert (waited.exit_code, len(contents(waited.stdout))) == (1, 1)
        errors = await typed("batches", "errors", "last", *at(up))
        assert errors.stdout == (folder / "e.jsonl").read_text()
        assert json.loads(errors.stdout)["error"]["code"] == "batch_cancelled"


class Scripted(Batches):
    """Answers `get` with one of `told` after the other, or raises it."""

    def __init__(self, *told: Told | Exception) -> None:
        super().__init__(Server(Where("http://127.0.0.1:1/v1", "k")))
        self.told = list(told)

    async def get(self, name: str) -> Known:
        given = self.told.pop(0)
        if isinstance(given, Exception):
            raise given
        return Known(given, {})


def told(status: str, completed: int = 0) -> Told:
    return Told(id="b", status=status, request_counts=RequestCounts(completed=completed, total=20))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds


async def watched(*later: Told | Exception, terminal: bool = False) -> tuple[Known, str]:
    out, time = io.StringIO(), Time()
    screen = Screen(out, terminal=terminal, paint=Paint(on=False), columns=lambda: 80)
    watch = Watch(Scripted(*later), screen, pause=time.pause, clock=time.clock)
    return await watch.until_ended(Known(told("in_progress"), {})), out.getvalue()


async def test_a_server_that_is_away_is_waited_for() -> None:
    away = Unusable("no server answers")
    found, said = await watched(away, ServerError("broken"), told("in_progress", 3), away, told("completed", 20))
    assert found.told.status == "completed"
    assert said.splitlines() == [
        "b: in_progress, 0 of 20 answered",
        "no server answers; the batch stays there, and is asked for again",
        "b: in_progress, 3 of 20 answered",
        "no server answers; the batch stays there, and is asked for again",
    ]


async def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(Unusable):
        await watched(*[Unusable("no server answers")] * 1000)
    with pytest.raises(InvalidAuthentication):
        await watched(InvalidAuthentication("no"))


async def test_without_a_terminal_there_is_a_line_for_each_ten_percent() -> None:
    counted = [told("in_progress", number) for number in range(21)]
    _, said = await watched(*counted, told("finalizing", 20), told("completed", 20))
    assert len(said.splitlines()) == 12
    _, live = await watched(*counted, told("completed", 20), terminal=True)
    assert "\n" not in live
