"""Bounds that other libraries' words say of a parameter hold for its arguments."""

from __future__ import annotations

import json
from typing import Annotated, Any, Optional

import annotated_types
import msgspec
import pydantic
import pytest

from moonbase.contract.errors import SettingsError
from moonbase.tools import CallContext, Formula, formula_of
from moonbase.tools.formula import FiberRequest
from moonbase.tools.run import FiberRunner
from moonbase.tools.toolset import Toolset

FIELD = pydantic.Field(ge=1, le=5, description="how many")


def taking(hint: Any) -> Formula:
    def take(value: Any) -> str:
        return repr(value)

    take.__annotations__["value"] = hint
    return formula_of(take)


HINTS: list[tuple[Any, Any, Any]] = [
    (Annotated[int, FIELD], 5, 6),
    (Annotated[int | None, FIELD], None, 0),
    (Optional[Annotated[int, FIELD]], 1, 0),  # noqa: UP045
    (Annotated[int, pydantic.Field(ge=1), msgspec.Meta(le=5)], 5, 6),
    (pydantic.PositiveInt, 1, 0),
    (list[pydantic.PositiveInt], [1], [0]),
    (dict[str, pydantic.PositiveInt], {"a": 1}, {"a": 0}),
    (Annotated[str, pydantic.Field(max_length=3, pattern="^a")], "abc", "b"),
    (Annotated[str, pydantic.StringConstraints(min_length=2)], "ab", "a"),
    (Annotated[list[int], annotated_types.Len(1, 2)], [1], []),
    (Annotated[float, annotated_types.Interval(gt=0, lt=1)], 0.5, 1),
]


@pytest.mark.parametrize(("hint", "good", "bad"), HINTS, ids=str)
async def test_a_value_beyond_them_is_refused(hint: Any, good: Any, bad: Any) -> None:
    formula = taking(hint)
    runner = FiberRunner(Toolset([formula]))

    async def outcome(value: Any) -> Any:
        request = FiberRequest("take", json.dumps({"value": value}))
        return (await runner.run(formula.uri, request, CallContext("key"))).context

    assert (await outcome(good)).output == repr(good)
    assert str((await outcome(bad)).error).startswith("arguments.value")


def test_they_are_in_the_schema_with_their_words() -> None:
    assert taking(Annotated[int, FIELD]).functions[0].parameters == {
        "type": "object",
        "properties": {"value": {"type": "integer", "minimum": 1, "maximum": 5, "description": "how many"}},
        "required": ["value"],
    }


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[int, pydantic.Field(gt=1, ge=1)],
        Annotated[int, annotated_types.MinLen(2)],
        Annotated[int | str, FIELD],
        Annotated[str, pydantic.Field(pattern="(")],
    ],
    ids=str,
)
def test_those_that_cannot_hold_are_refused(hint: Any) -> None:
    with pytest.raises(SettingsError, match=r"take' of .*, parameter 'value': "):
        taking(hint)


def test_notes_of_others_are_no_bounds() -> None:
    class Glob:
        pattern = "*.py"

    assert taking(Annotated[str, Glob()]).functions[0].parameters == {
        "type": "object",
        "properties": {"value": {"type": "string"}},
        "required": ["value"],
    }
