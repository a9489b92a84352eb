"""Tools that come again byte by byte are neither read nor checked again; whatever else happens is as for any others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.known_tools import read_tools
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve

CARD = {card.id: card for card in CARDS}["kimi-k2.6"]
GOOD: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
PLUGIN: dict[str, Any] = {
    "type": "_plugin",
    "_plugin": {"name": "excel", "functions": [{"name": "open"}, {"name": "shut"}]},
}


def body(tools: Any) -> bytes:
    return json.dumps({"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Go."}], "tools": tools}).encode()


def resolved(tools: Any, level: Any = "strict") -> ChatRequest:
    return resolve(decode_chat_body(body(tools)), CARD, level)


def test_the_same_bytes_are_the_same_tools() -> None:
    first, second = resolved([GOOD, PLUGIN]), resolved([GOOD, PLUGIN])
    assert second.tools is first.tools
    assert [tool.function.name for tool in first.tools if tool.function] == ["look", "excel.open", "excel.shut"]
    assert resolved([GOOD]).tools is not first.tools


def test_none_at_all() -> None:
    assert decode_chat_body(body(None)).tools is None
    assert resolved(None).tools == resolved([]).tools == ()


@pytest.mark.parametrize("tools", [[{"type": "function"}], [GOOD, GOOD], [{**GOOD, "type": "other"}]])
def test_what_is_refused_is_refused_each_time(tools: Any) -> None:
    for _ in range(3):
        with pytest.raises(InvalidRequest):
            resolved(tools)


def test_what_one_level_accepts_another_may_refuse() -> None:
    odd = {"type": "function", "function": {"name": "look", "parameters": {"type": "array"}}}
    assert resolved([odd], "loose").tools
    with pytest.raises(InvalidRequest):
        resolved([odd])
    assert resolved([odd], "loose").tools


def test_a_tool_of_another_form_is_named_where_it_stands() -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest, match=r"`tools\[1\].function.name`"):
            decode_chat_body(body([GOOD, {"function": {"name": 5}}]))


def test_very_large_ones_are_not_kept() -> None:
    large = {"type": "function", "function": {"name": "look", "description": "x" * 200_000}}
    data = json.dumps([large]).encode()
    assert read_tools(data) == read_tools(data)
    assert read_tools(data) is not read_tools(data)
