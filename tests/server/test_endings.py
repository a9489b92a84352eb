"""Answers that must fit a form end whole within small budgets: real engines, over HTTP, streamed and whole
(contract.md 1.5, 1.6, 7.2, 7.3)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random

import pytest

from tests.engines.test_ending import TEN, WAYS, Way
from tests.running import Running
from tests.schemas import Collected, collected
from tests.server.forms import ask, fits, least_budget, serving


async def exercise(server: Running, row: Collected, way: Way, random: Random, budgets: list[int]) -> int:
    """How many answers there were."""
    schema = row.schema if way.json or row.is_object else TEN
    least = await least_budget(server, way.fields(schema, 1))
    if least is None:
        return 0
    for more in budgets:
        streamed = random.random() < 0.5
        heard = await ask(server, way.fields(schema, least + more), streamed=streamed)
        assert not isinstance(heard, str), (row.name, way.name, least + more, heard)
        where = (row.name, way.name, least, more, streamed, vars(heard))
        assert heard.tokens <= least + more, where
        if way.json:
            assert heard.reason == "stop", where
            fits(heard.content, schema)
        if way.forced:
            assert (heard.reason, bool(heard.calls)) == ("tool_calls", True), where
        for _, arguments in heard.calls.values():
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
            rows = list(collected()[index::160])
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
