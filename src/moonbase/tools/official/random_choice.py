"""`moonshot/random-choice:latest`: picks from a list, by chance or by a seed (contract.md 6.2)."""

from __future__ import annotations

import asyncio
import heapq
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from moonbase.contract.tools import Function
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError

URI = "moonshot/random-choice:latest"
MAX_COUNT = 10_000
MAX_LENGTH = 1_000_000  # characters of all picks; ten thousand of a long candidate would fill the memory
_MANY = 2_000  # candidates; more are drawn in a thread, so that no other request waits for it

Format = Literal["simple", "detailed", "json"]

FUNCTION = Function(
    name="random_choice",
    description="Pick random items from a list.",
    parameters={
        "type": "object",
        "properties": {
            "candidates": {"type": "array", "items": {"type": "string"}, "description": "What to pick from"},
            "count": {"type": "integer", "default": 1, "description": "How many to pick"},
            "format": {"type": "string", "enum": ["simple", "detailed", "json"], "default": "simple"},
            "replace": {"type": "boolean", "default": False, "description": "Whether one may be picked twice"},
            "seed": {"type": "integer", "description": "Makes the picks repeatable"},
            "weights": {"type": "array", "items": {"type": "number"}, "description": "One for each candidate"},
        },
        "required": ["candidates"],
    },
)


@dataclass(frozen=True, slots=True)
class Draw:
    """What to pick, and how. `weights` is empty where all candidates are alike; None as `seed` leaves it to chance."""

    candidates: Sequence[str]
    count: int = 1
    replace: bool = False
    seed: int | None = None
    weights: Sequence[float] = ()

    def picks(self) -> list[int]:
        """The indexes of what was picked, in the order of picking; the same for the same seed."""
        rng = random.Random(self.seed)
        indexes = range(len(self.candidates))
        if not self.weights:
            return rng.choices(indexes, k=self.count) if self.replace else rng.sample(indexes, self.count)
        largest = max(self.weights)
        if self.replace:  # of the largest: huge weights must not add up to infinity
            return rng.choices(indexes, weights=[weight / largest for weight in self.weights], k=self.count)
        # Efraimidis and Spirakis (2006): the smallest of exponential times with these rates are a weighted sample.
        times = ((-math.log(1 - rng.random()) / (weight / largest or 5e-324), at) for at, weight in self._possible())
        return [index for _, index in heapq.nsmallest(self.count, times)]

    def _possible(self) -> list[tuple[int, float]]:
        return [(index, weight) for index, weight in enumerate(self.weights) if weight > 0]


def random_choice_formula() -> Formula:
    """The picking tool."""

    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        draw = draw_of(arguments)
        style: Format = arguments.get("format") or "simple"
        if len(draw.candidates) > _MANY:
            return await asyncio.to_thread(render, draw, style)
        return render(draw, style)

    return Formula(uri=URI, functions=(FUNCTION,), run=run)


def draw_of(arguments: Arguments) -> Draw:
    """The call's arguments, checked; raises `ToolError`."""
    candidates = arguments["candidates"]
    count, seed = arguments.get("count"), arguments.get("seed")
    draw = Draw(
        candidates=candidates,
        count=1 if count is None else int(count),  # 2.0 is an integer to JSON schema
        replace=bool(arguments.get("replace")),
        seed=None if seed is None else int(seed),
        weights=_weights(arguments.get("weights") or (), len(candidates)),
    )
    if not candidates:
        raise ToolError("candidates is empty; give at least one to pick from")
    if not 1 <= draw.count <= MAX_COUNT:
        raise ToolError(f"count must be from 1 to {MAX_COUNT}")
    possible = sum(weight > 0 for weight in draw.weights) if draw.weights else len(candidates)
    if not draw.replace and draw.count > possible:
        raise ToolError(
            f"count is {draw.count}, but only {possible} of the candidates can be picked; "
            "ask for fewer, or set replace to true"
        )
    return draw


def _weights(weights: Sequence[float], candidates: int) -> tuple[float, ...]:
    if not weights:
        return ()
    if len(weights) != candidates:
        raise ToolError(f"weights has {len(weights)} numbers for {candidates} candidates; give one for each")
    numbers = tuple(_finite(weight) for weight in weights)
    bad = next((index for index, number in enumerate(numbers) if not 0 <= number < math.inf), None)
    if bad is not None:
        raise ToolError(f"weights[{bad}] must be a number of 0 or more, and not above 1e308")
    if not any(numbers):
        raise ToolError("weights are all 0; give at least one candidate a weight above 0")
    return numbers


def _finite(weight: float) -> float:
    try:
        return float(weight)
    except OverflowError:  # an integer of a thousand digits
        return math.inf


def render(draw: Draw, style: Format) -> str:
    """The picks as text: the items alone, a numbered list, or JSON; raises `ToolError` where they are too long."""
    picks = draw.picks()
    items = [draw.candidates[index] for index in picks]
    if (length := sum(map(len, items))) > MAX_LENGTH:
        raise ToolError(f"the picks have {length} characters; at most {MAX_LENGTH} are allowed; set a smaller count")
    if style == "simple":
        return ", ".join(items)
    if style == "json":
        answer = {"selected": items, "count": draw.count, "total": len(draw.candidates), "replace": draw.replace}
        return json.dumps(answer if draw.seed is None else answer | {"seed": draw.seed}, ensure_ascii=False)
    how = "with replacement" if draw.replace else "without replacement"
    seed = "" if draw.seed is None else f", seed {draw.seed}"
    lines = [
        f"{number}. {draw.candidates[index]}" + (f" (weight {draw.weights[index]:g})" if draw.weights else "")
        for number, index in enumerate(picks, start=1)
    ]
    return "\n".join([f"Picked {draw.count} of {len(draw.candidates)}, {how}{seed}:", *lines])
