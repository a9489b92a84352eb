"""Every collected schema, forced and automatic, as arguments and as content, streamed and whole, with thinking and
without: every answer valid, none unfinished (contract.md 1.5, 1.6, 7.2, 7.3)."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, SchemaError, validate

from tests.engines.test_ending import TEN, WAYS, Way
from tests.running import Running
from tests.schemas import Collected, collected
from tests.server.client import Json, body, error_of, post, stream
from tests.server.test_endings import serving

ROOM = 120
"""Tokens beyond the shortest answer, as far as that is known; most answers end by themselves within it, or are cut."""


class Heard:
    """One answer, however it travelled."""

    def __init__(self) -> None:
        self.content = ""
        self.calls: dict[int, list[str]] = {}
        self.reason = ""

    def take(self, choice: Json) -> None:
        message: Json = choice.get("delta") or choice.get("message") or {}
        self.content += message.get("content") or ""
        calls: list[Json] = message.get("tool_calls") or []
        for place, call in enumerate(calls):
            function: Json = call["function"]
            known = self.calls.setdefault(call.get("index", place), [function.get("name", ""), ""])
            known[1] += function.get("arguments") or ""
        self.reason = choice["finish_reason"] or self.reason


async def ask(server: Running, payload: Json, *, streamed: bool) -> Heard | str:
    """The answer; the message where the request was refused."""
    heard = Heard()
    if streamed:
        answer = await stream(server, payload)
        assert (answer.status, answer.done) == (200, True)
        for choice in (choice for frame in answer.frames for choice in frame["choices"]):
            heard.take(choice)
        return heard
    whole = await post(server, payload)
    if whole.status_code != 200:
        return error_of(whole)[2]
    heard.take(whole.json()["choices"][0])
    return heard


def fits(text: str, schema: Any) -> None:
    value = json.loads(text)
    with suppress(SchemaError):
        validate(value, schema, Draft202012Validator)


async def exercise(server: Running, row: Collected, way: Way, *, streamed: bool) -> str:
    """What came of it, for the count."""
    schema = row.schema if way.json or row.is_object else TEN
    where = (row.name, way.name, streamed)
    least = await ask(server, body(**way.fields(schema, 1)), streamed=False)
    if isinstance(least, str) and "cannot be enforced" in least:
        return "refused"
    found = re.search(r"takes (\d+) tokens", least) if isinstance(least, str) else None
    room = ROOM + (int(found[1]) if found else 1)
    heard = await ask(server, body(**way.fields(schema, room), seed=1), streamed=streamed)
    assert not isinstance(heard, str), (where, heard)
    if way.json:
        assert heard.reason == "stop", (where, heard.content)
        fits(heard.content, schema)
    if way.forced:
        assert heard.calls, where
    assert heard.reason == ("tool_calls" if heard.calls else heard.reason), where
    for name, arguments in heard.calls.values():
        fits(arguments, {"save_it": schema, "other": TEN}[name])
    return "called" if heard.calls else "content" if way.json else "text"


async def exercise_all(server: Running, rows: tuple[Collected, ...]) -> Counter[str]:
    """Four at a time, as requests come."""
    turn = asyncio.Semaphore(4)
    counts: Counter[str] = Counter()

    async def one(row: Collected, way: Way, streamed: bool) -> None:
        async with turn:
            counts[f"{way.name}: {await exercise(server, row, way, streamed=streamed)}"] += 1

    async with asyncio.TaskGroup() as group:
        for row in rows:
            for way in WAYS:
                for streamed in (False, True):
                    group.create_task(one(row, way, streamed))
    return counts


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["random", "bundled"])
async def test_every_answer_fits(kind: str, tmp_path: Path) -> None:
    rows = collected()
    assert len(rows) >= 300
    async with serving(kind, tmp_path) as server:
        counts = await exercise_all(server, rows)
    print("\n".join(f"{kind} {name} {count}" for name, count in sorted(counts.items())))
    assert counts.total() == len(rows) * len(WAYS) * 2
    refused = sum(count for name, count in counts.items() if name.endswith("refused"))
    assert refused < counts.total() / 40
