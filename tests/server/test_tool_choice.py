"""The matrix of `tool_choice` over HTTP: model by model, thinking or not (contract.md 1.6)."""

from __future__ import annotations

import pytest

from tests.running import Running
from tests.server.client import Json, body, complete, error_of, post, user

TOOLS: list[Json] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("f", "g")
]
NAMED: Json = {"type": "function", "function": {"name": "g"}}
COLUMNS: dict[str, tuple[Json, bool, bool]] = {
    "kimi-k2.5 thinking": ({"model": "kimi-k2.5"}, False, False),
    "kimi-k2.6 thinking": ({"model": "kimi-k2.6"}, False, False),
    "kimi-k2.7-code": ({"model": "kimi-k2.7-code"}, False, False),
    "kimi-k2.7-code-highspeed": ({"model": "kimi-k2.7-code-highspeed"}, False, False),
    "kimi-k2-thinking": ({"model": "kimi-k2-thinking"}, False, False),
    "kimi-k2.5 not thinking": ({"model": "kimi-k2.5", "thinking": {"type": "disabled"}}, True, True),
    "kimi-k2.6 not thinking": ({"model": "kimi-k2.6", "thinking": {"type": "disabled"}}, True, True),
    "kimi-k3": ({"model": "kimi-k3"}, True, False),
}
"""What is asked for, and whether "required" and a named function are taken there."""


@pytest.mark.parametrize("column", COLUMNS)
async def test_the_matrix(server: Running, column: str) -> None:
    model, required, named = COLUMNS[column]
    free: list[Json] = [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}]
    for choice in free:
        assert await complete(server, {**body(tools=TOOLS), **model, **choice})
        assert await complete(server, {**body(), **model, **choice}), "nothing is forced, so no tools are needed"
    for choice, taken, name, word in (("required", required, "f", "required"), (NAMED, named, "g", "specified")):
        answer = await post(server, {**body(tools=TOOLS), **model, "tool_choice": choice})
        if taken:
            message = answer.json()["choices"][0]["message"]
            assert [call["function"]["name"] for call in message["tool_calls"]] == [name]
        else:
            text = f"tool_choice '{word}' is incompatible with thinking enabled"
            assert error_of(answer) == (400, "invalid_request_error", text)


@pytest.mark.parametrize("column", COLUMNS)
async def test_none_means_no_calls(server: Running, column: str) -> None:
    """contract.md 1.6, last line."""
    directed = user("Call the tool `f` with these JSON arguments: {}")
    model, *_ = COLUMNS[column]
    called = await complete(server, {**body(directed, tools=TOOLS), **model})
    assert called["choices"][0]["finish_reason"] == "tool_calls"
    silent = await complete(server, {**body(directed, tools=TOOLS, tool_choice="none"), **model})
    assert "tool_calls" not in silent["choices"][0]["message"]
    assert silent["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("column", ["kimi-k2.6 not thinking", "kimi-k3"])
async def test_what_is_forced_needs_tools(server: Running, column: str) -> None:
    model, *_ = COLUMNS[column]
    empty: list[Json] = [{}, {"tools": []}, {"tools": None}]
    for tools in empty:
        refused = error_of(await post(server, {**body(tool_choice="required"), **model, **tools}))
        assert refused[0] == 400
        assert "tool_choice needs tools" in refused[2]


@pytest.mark.parametrize("column", COLUMNS)
async def test_an_unknown_word_is_refused_with_what_was_expected(server: Running, column: str) -> None:
    model, *_ = COLUMNS[column]
    status, _, message = error_of(await post(server, {**body(tools=TOOLS, tool_choice="any"), **model}))
    assert status == 400
    assert "tool_choice is 'any'; expected auto, none, required" in message
