"""contract.md 6.2: random_choice."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.tools.official.random_choice import Draw, random_choice_formula
from tests.tools.official.asking import error_of, output_of

TOOL = random_choice_formula()
FRUIT = ["apple", "banana", "cherry", "durian"]


async def test_the_documented_sample() -> None:
    # Recorded from the hosted tool: candidates, count and seed as here.
    assert await output_of(TOOL, {"candidates": FRUIT, "count": 2, "seed": 42}) == "apple, durian"


async def test_one_by_default() -> None:
    assert await output_of(TOOL, {"candidates": FRUIT}) in FRUIT


async def test_blank_arguments_are_not_given() -> None:
    blank = {"count": None, "format": "", "replace": "", "seed": None, "weights": ""}
    assert await output_of(TOOL, {"candidates": FRUIT, **blank}) in FRUIT


async def test_the_three_formats() -> None:
    call: dict[str, Any] = {"candidates": ["猫", "狗"], "count": 2, "seed": 1}
    first, second = (await output_of(TOOL, call)).split(", ")
    detailed = await output_of(TOOL, call | {"format": "detailed"})
    assert detailed == f"Picked 2 of 2, without replacement, seed 1:\n1. {first}\n2. {second}"
    assert json.loads(await output_of(TOOL, call | {"format": "json"})) == {
        "selected": [first, second],
        "count": 2,
        "total": 2,
        "replace": False,
        "seed": 1,
    }
    weighted = await output_of(TOOL, call | {"format": "detailed", "weights": [1, 0.5], "replace": True})
    assert weighted.startswith("Picked 2 of 2, with replacement, seed 1:\n1. ")
    assert "(weight " in weighted


@st.composite
def draws(draw: st.DrawFn) -> Draw:
    candidates = draw(st.lists(st.text(), min_size=1, max_size=8))
    weight = st.floats(0, 1e308, allow_subnormal=True)
    weights = draw(st.none() | st.lists(weight, min_size=len(candidates), max_size=len(candidates)).filter(any)) or ()
    replace = draw(st.booleans())
    possible = sum(weight > 0 for weight in weights) if weights else len(candidates)
    count = draw(st.integers(1, 20 if replace else possible))
    return Draw(candidates, count, replace, draw(st.none() | st.integers()), weights)


@settings(deadline=None)
@given(draws())
def test_any_draw(draw: Draw) -> None:
    picks = draw.picks()
    assert len(picks) == draw.count
    assert set(picks) <= set(range(len(draw.candidates)))
    assert draw.replace or len(set(picks)) == len(picks)
    if draw.weights:
        assert all(draw.weights[index] > 0 for index in picks)
    if draw.seed is not None:
        assert draw.picks() == picks


@pytest.mark.parametrize("replace", [True, False])
def test_weights_count(replace: bool) -> None:
    firsts = Counter(Draw("ab", 1, replace, seed, (3.0, 1.0)).picks()[0] for seed in range(4_000))
    assert 0.72 < firsts[0] / 4_000 < 0.78


def test_without_weights_all_are_alike() -> None:
    firsts = Counter(Draw(FRUIT, 1, False, seed).picks()[0] for seed in range(4_000))
    assert all(900 < count < 1_100 for count in firsts.values())


async def test_many_candidates_with_weights_take_no_long_time() -> None:
    names = [str(number) for number in range(50_000)]
    call = {"candidates": names, "weights": [1] * 50_000, "count": 10_000, "seed": 5, "format": "json"}
    assert len(set(json.loads(await output_of(TOOL, call))["selected"])) == 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"candidates": []}, "candidates is empty"),
        ({"candidates": FRUIT, "count": 0}, "count must be from 1 to 10000"),
        ({"candidates": FRUIT, "count": -1}, "count must be from 1 to 10000"),
        ({"candidates": FRUIT, "count": 10**30, "replace": True}, "count must be from 1 to 10000"),
        ({"candidates": FRUIT, "count": 5}, "only 4 of the candidates can be picked"),
        ({"candidates": FRUIT, "count": 2, "weights": [1, 0, 0, 0]}, "only 1 of the candidates can be picked"),
        ({"candidates": FRUIT, "weights": [1]}, "weights has 1 numbers for 4 candidates"),
        ({"candidates": ["a", "b"], "weights": [1, -1]}, "weights[1] must be a number of 0 or more"),
        ({"candidates": ["a", "b"], "weights": [0, 0]}, "weights are all 0"),
        ({"candidates": ["a"], "weights": [10**400]}, "weights[0] must be a number of 0 or more, and not above"),
        ({"candidates": [1, 2]}, "arguments.candidates[0]: 1 is not of type 'string'"),
        ({"candidates": "abc"}, "arguments.candidates: 'abc' is not of type 'array'"),
        ({"candidates": FRUIT, "format": "xml"}, "'xml' is not one of"),
        ({"candidates": FRUIT, "seed": 1.5}, "arguments.seed: 1.5 is not of type 'integer'"),
        ({"candidates": None}, "arguments.candidates: None is not of type 'array'"),
        ({}, "'candidates' is a required property"),
    ],
)
async def test_refusals(arguments: dict[str, Any], words: str) -> None:
    assert words.casefold() in (await error_of(TOOL, arguments)).casefold()


async def test_a_whole_number_may_have_a_point() -> None:
    assert len((await output_of(TOOL, {"candidates": FRUIT, "count": 2.0, "seed": 42.0})).split(", ")) == 2


@pytest.mark.parametrize("style", ["simple", "detailed", "json"])
@pytest.mark.parametrize("weights", [[], [1.0]])
async def test_ten_thousand_picks_of_a_long_candidate_do_not_fill_the_memory(style: str, weights: list[float]) -> None:
    call = {"candidates": ["x" * 900_000], "count": 10_000, "replace": True, "format": style, "weights": weights}
    tracemalloc.start()
    try:
        error = await error_of(TOOL, call)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "the picks have 9000000000 characters; at most 1000000 are allowed; set a smaller count" in error
    assert most < 20_000_000


async def test_picks_of_a_million_characters_are_given() -> None:
    picks = await output_of(TOOL, {"candidates": ["x" * 90], "count": 10_000, "replace": True})
    assert len(picks) == 90 * 10_000 + 2 * 9_999
