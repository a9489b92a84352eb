"""Grammars tried in a process of their own: a verdict, soon, whatever the schema."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from moonbase.engines.llama.trial import Trial


@pytest.fixture
async def trial() -> AsyncGenerator[Trial]:
    trial = Trial()
    await trial.start()
    yield trial
    await trial.close()


def of(schema: Any) -> str:
    return f"start: %json {json.dumps(schema)}"


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


async def test_a_good_grammar_has_no_fault(trial: Trial) -> None:
    assert await trial.fault(of({"type": "object", "properties": {"a": {"type": "string"}}})) is None
    assert await trial.fault("start: /(?s:.*)/") is None


async def test_a_folder_with_modules_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server starts wherever its operator stands, also beside a `types.py`."""
    (tmp_path / "types.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    trial = Trial()
    await trial.start()
    await trial.close()


async def test_a_bad_one_is_told_in_plain_words(trial: Trial) -> None:
    assert await trial.fault(of({"type": "array", "uniqueItems": True})) == 'Unimplemented keys: ["uniqueItems"]'
    assert "Unsatisfiable" in str(await trial.fault(of({"type": "string", "enum": [1]})))
    assert await trial.fault("start: nothing") is not None


HOSTILE: dict[str, Any] = {
    "a long string": {"type": "string", "minLength": 5_000_000, "maxLength": 5_000_000},
    "a long array": {"type": "array", "items": {"type": "integer"}, "maxItems": 1_000_000},
    "a large multiple": {"type": "integer", "multipleOf": 999_983},
    "many optional properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(3000)}},
    "an automaton of a billion states": {"type": "string", "pattern": "(a|b)*a(a|b){30}"},
    "counted patterns": {"type": "string", "pattern": "^((a{1,100}){1,100}){1,100}$"},
    "depth": nested(200),
    "a reference to itself": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "references that double": {
        "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)} | {"d30": {}},
        "$ref": "#/$defs/d0",
    },
    "anyOf that multiplies": {
        "allOf": [{"anyOf": [{"properties": {f"a{i}_{j}": {}}} for j in range(6)]} for i in range(12)]
    },
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_schema_gets_a_verdict_and_the_next_one_too(trial: Trial, name: str) -> None:
    begun = time.monotonic()
    await trial.fault(of(HOSTILE[name]))
    assert await trial.fault(of({"type": "boolean"})) is None
    assert time.monotonic() - begun < 30


async def test_one_that_takes_too_long_is_ended(trial: Trial) -> None:
    fault = await trial.fault(of(HOSTILE["a large multiple"]))
    assert fault is not None and "too long" in fault


async def test_each_is_tried_once(trial: Trial) -> None:
    text = of({"type": "integer", "multipleOf": 999_983})
    first = await trial.fault(text)
    begun = time.monotonic()
    assert await trial.fault(text) == first
    assert time.monotonic() - begun < 0.1


async def test_a_process_that_died_is_replaced(trial: Trial) -> None:
    process = trial._process  # pyright: ignore[reportPrivateUsage]
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert await trial.fault(of({"type": "null"})) is None


async def test_who_leaves_while_waiting_leaves_nothing_behind(trial: Trial) -> None:
    waiting = asyncio.create_task(trial.fault(of({"type": "integer", "multipleOf": 999_979})))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert await trial.fault(of({"type": "string"})) is None
