"""The rules of a conversation (contract.md 1.4, 3 and 4.3)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.messages import Message, check_conversation, last_user_index

USER: dict[str, Any] = {"role": "user", "content": "hi"}
MISSING = "thinking is enabled but reasoning_content is missing in assistant tool call message at index "


def conversation(*messages: dict[str, Any]) -> list[Message]:
    return msgspec.convert(messages, list[Message])


def call(*ids: str, **fields: object) -> dict[str, Any]:
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "reasoning_content": "r", "tool_calls": calls, **fields}


def result(id: str, content: object = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def unreasoned(*ids: str) -> dict[str, Any]:
    message = call(*ids)
    del message["reasoning_content"]
    return message


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [{"role": "system", "content": "s"}, USER],
        [USER, call("a"), result("a")],
        [USER, call("a", "b"), result("b"), result("a")],
        [USER, call("a"), result("a"), call("b"), result("b")],
        [USER, call("a", content=""), result("a")],
        [USER, call("a", content=None), result("a")],
        [USER, call("a", reasoning_content=""), result("a")],
        [USER, {"role": "assistant", "content": "", "reasoning_content": "cut off"}, USER],
        [USER, {"role": "assistant", "content": "answer"}, USER],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        [USER, call("functions_f_0"), result("functions_f_0")],
    ],
)
def test_good_conversations_pass(messages: list[dict[str, Any]]) -> None:
    check_conversation(conversation(*messages), thinking=True)


BROKEN: list[tuple[list[dict[str, Any]], str]] = [
    ([], "Invalid request: messages must not be empty"),
    (
        [USER, {"role": "assistant", "content": ""}],
        "Invalid request: the message at position 1 with role 'assistant' must not be empty",
    ),
    (
        [USER, {"role": "assistant", "tool_calls": []}],
        "Invalid request: the message at position 1 with role 'assistant' must not be empty",
    ),
    ([{"role": "user"}], "Invalid request: the message at position 0 with role 'user' must not be empty"),
    ([{"role": "user", "content": [{"type": "text", "text": ""}]}], "Invalid request: text content is empty"),
    ([{"role": "user", "content": [{"type": "text"}]}], "Invalid request: text content is empty"),
    ([USER, call("a"), result("b")], "Invalid request: tool_call_id b is not found"),
    ([USER, result("a")], "Invalid request: tool_call_id a is not found"),
    ([USER, call("a"), {"role": "tool", "content": "x"}], "Invalid request: tool_call_id  is not found"),
    ([USER, call("a"), result("a"), result("a")], "Invalid request: tool_call_id a is not found"),
    ([USER, call("a"), result("a"), USER, result("a")], "Invalid request: tool_call_id a is not found"),
    ([USER, call("write:5", "write:5")], "Invalid request: tool call id write:5 is duplicated"),
    ([USER, call("a"), result("a"), call("a")], "Invalid request: tool call id a is duplicated"),
    ([USER, unreasoned("a"), result("a")], MISSING + "1"),
    ([USER, call("a"), result("a"), unreasoned("b"), result("b")], MISSING + "3"),
]


@pytest.mark.parametrize(("messages", "text"), BROKEN)
def test_broken_rules_get_the_recorded_text(messages: list[dict[str, Any]], text: str) -> None:
    """contract.md 4.3 and 3."""
    with pytest.raises(InvalidRequest) as caught:
        check_conversation(conversation(*messages), thinking=True)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("messages", "missing"),
    [
        ([USER, call("a")], "a"),
        ([USER, call("a", "b"), result("a")], "b"),
        ([USER, call("a"), USER], "a"),
        ([USER, call("a"), call("b"), result("b")], "a"),
    ],
)
def test_an_unanswered_call_is_named(messages: list[dict[str, Any]], missing: str) -> None:
    """contract.md 4.3: `insufficient tool messages following tool_calls message`."""
    with pytest.raises(InvalidRequest) as caught:
        check_conversation(conversation(*messages), thinking=True)
    assert "insufficient tool messages following tool_calls message" in caught.value.message
    assert caught.value.message.endswith(f"missing: {missing}")


def test_reasoning_may_be_missing_where_thinking_is_off() -> None:
    """contract.md 3: with `thinking.type:"disabled"` the same history is valid."""
    check_conversation(conversation(USER, unreasoned("a"), result("a")), thinking=False)


def test_an_unknown_part_is_named() -> None:
    parts = [{"type": "audio_url", "text": "x"}]
    with pytest.raises(InvalidRequest, match=r"messages\[0\].content\[0\] is a content part of type 'audio_url'"):
        check_conversation(conversation({"role": "user", "content": parts}), thinking=True)


def test_the_text_of_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    assert conversation({"role": "user", "content": parts})[0].text == "one two"


@pytest.mark.parametrize(
    ("sent", "has"), [({}, False), ({"reasoning_content": None}, False), ({"reasoning_content": ""}, True)]
)
def test_empty_reasoning_is_reasoning_and_absent_reasoning_is_none(sent: dict[str, Any], has: bool) -> None:
    """contract.md 11.1: accept `""`, refuse only absence."""
    message = conversation({"role": "assistant", "content": "x", **sent})[0]
    assert message.has_reasoning is has
    assert message.reasoning == ""


@pytest.mark.parametrize(("roles", "index"), [("u", 0), ("suatu", 4), ("suatat", 1), ("sa", -1), ("", -1)])
def test_the_current_turn_begins_at_the_last_user_message(roles: str, index: int) -> None:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = conversation(*({"role": names[role], "content": "x"} for role in roles))
    assert last_user_index(messages) == index
