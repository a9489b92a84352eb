"""Answers that must fit a form end whole within small budgets: real engines, over HTTP, streamed and whole
(contract.md 1.5, 1.6, 7.2, 7.3)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator, SchemaError, validate

from moonbase.contract.formats import KIMI
from moonbase.engines.grammar_walk import open_walk
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.opening import bundled_model, open_gguf
from moonbase.engines.rendered import RenderedEngine
from moonbase.prompt import kimi_k2
from tests.engines.gguf_fixture import Shape, write_random
from tests.engines.test_ending import TEN, WAYS, Way
from tests.running import Running, make_platform, running
from tests.schemas import Collected, collected
from tests.server.client import Json, body, error_of, post, stream

_LEAST = re.compile(r"takes (\d+) tokens; set it to (\d+) or more")


@asynccontextmanager
async def serving(kind: str, folder: Path) -> AsyncGenerator[Running]:
    """A server over a model of random weights, which is as bad as they come, or over the bundled one."""
    if kind == "random":
        model = write_random(folder / "m.gguf", Shape(context=32_768))
        settings = LlamaSettings(model=str(model), threads=1)
        engine = RenderedEngine(LlamaEngine(settings), kimi_k2.render, KIMI, open_walk=open_walk)
    else:
        engine = open_gguf(bundled_model(), threads=1)
    async with running(make_platform(folder, engine=engine)) as up:
        yield up


def message_of(frames: list[Json]) -> tuple[str, list[str], str]:
    """Content, the arguments of each call, and the finish reason of a streamed answer."""
    content, calls, reason = "", dict[int, str](), ""
    for choice in (choice for frame in frames for choice in frame["choices"]):
        reason = choice["finish_reason"] or reason
        content += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls") or ():
            calls[call["index"]] = calls.get(call["index"], "") + (call["function"].get("arguments") or "")
    return content, list(calls.values()), reason


async def ask(server: Running, payload: Json, *, streamed: bool) -> tuple[str, list[str], str, int] | str:
    """Content, arguments, finish reason and completion tokens; the message where the request was refused."""
    payload = body(**payload)
    if streamed:
        heard = await stream(server, {**payload, "stream_options": {"include_usage": True}})
        if heard.status == 200:
            assert heard.done
            return (*message_of(heard.frames), heard.frames[-1]["usage"]["completion_tokens"])
    answer = await post(server, payload)
    if answer.status_code != 200:
        return error_of(answer)[2]
    whole = answer.json()
    message = whole["choices"][0]["message"]
    calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return message["content"], calls, whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"]


def fits(text: str, schema: dict[str, Any]) -> None:
    value = json.loads(text)
    with suppress(SchemaError):
        validate(value, schema, Draft202012Validator)


async def exercise(server: Running, row: Collected, way: Way, random: Random, budgets: list[int]) -> int:
    """How many answers there were."""
    schema = row.schema if way.json or row.is_object else TEN
    first = await ask(server, way.fields(schema, 1), streamed=False)
    least = 1
    if isinstance(first, str):
        found = _LEAST.search(first)
        if found is None:
            assert "cannot be enforced" in first, (row.name, first)
            return 0
        least = int(found.group(1))
    for more in budgets:
        streamed = random.random() < 0.5
        heard = await ask(server, way.fields(schema, least + more), streamed=streamed)
        assert not isinstance(heard, str), (row.name, way.name, least + more, heard)
        content, calls, reason, tokens = heard
        where = (row.name, way.name, least, more, streamed, heard)
        assert tokens <= least + more, where
        if way.json:
            assert reason == "stop", where
            fits(content, schema)
        if way.forced:
            assert (reason, bool(calls)) == ("tool_calls", True), where
        for arguments in calls:
            assert isinstance(json.loads(arguments), dict), where
    return len(budgets)


async def exercise_all(server: Running, rows: list[Collected], way: Way, budgets: list[int]) -> int:
    """Four at a time, as requests come."""
    turn = asyncio.Semaphore(4)

    async def one(row: Collected) -> int:
        async with turn:
            return await exercise(server, row, way, Random(f"{row.name} {way.name}"), budgets)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(row)) for row in rows]
    return sum(task.result() for task in tasks)


@pytest.mark.parametrize("kind", ["random", "bundled"])
async def test_forms_are_kept_within_small_budgets(kind: str, tmp_path: Path) -> None:
    async with serving(kind, tmp_path) as server:
        for index, way in enumerate(WAYS):
            rows = list(collected()[index::80])
            assert await exercise_all(server, rows, way, [0, 9]) > len(rows)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["random", "bundled"])
async def test_many_forms_are_kept_within_many_budgets(kind: str, tmp_path: Path) -> None:
    async with serving(kind, tmp_path) as server:
        for index, way in enumerate(WAYS):
            rows = list(collected()[index % 3 :: 3])
            assert len(rows) >= 100
            assert await exercise_all(server, rows, way, [0, 1, 3, 8, 25, 70]) > 500
