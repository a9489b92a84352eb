"""Which reasoning stays, and what calls are named in the prompt (contract.md 1.3, 2.3 and 13)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moonbase.contract.messages import Message
from moonbase.prompt.history import kept_reasoning, named_as_in_prompt, prompt_call_ids


def conversation(letters: str) -> list[Message]:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return msgspec.convert([{"role": names[letter], "content": "x"} for letter in letters], list[Message])


@pytest.mark.parametrize(
    ("roles", "kept"),
    [
        ("u", "-"),
        ("ua", "-k"),
        ("uau", "---"),
        ("uatau", "-----"),
        ("suatat", "--kkkk"),
        ("uatauatat", "-----kkkk"),
        ("at", "kk"),
    ],
)
def test_reasoning_before_the_last_user_message_goes_and_the_tool_loops_stays(roles: str, kept: str) -> None:
    """contract.md 1.3: keep touches only historical turns; inside one tool loop reasoning always stays."""
    assert kept_reasoning(conversation(roles), keep_all=False) == [letter == "k" for letter in kept]


@pytest.mark.parametrize("roles", ["u", "uau", "suatauat"])
def test_keep_all_keeps_all(roles: str) -> None:
    assert kept_reasoning(conversation(roles), keep_all=True) == [True] * len(roles)


def test_calls_are_numbered_over_the_whole_conversation_whatever_the_client_called_them() -> None:
    """contract.md 2.3 and 13."""

    def calls(**named: str) -> dict[str, Any]:
        made = [{"id": id, "function": {"name": name}} for id, name in named.items()]
        return {"role": "assistant", "tool_calls": made}

    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        calls(call_abc="date", functions_x_0="web_search"),
        {"role": "tool", "tool_call_id": "functions_x_0", "content": "1"},
        {"role": "tool", "tool_call_id": "call_abc", "content": "2"},
        {"role": "user", "content": "x"},
        calls(date_0="date"),
        {"role": "tool", "tool_call_id": "date_0", "content": "3"},
    ]
    assert list(prompt_call_ids(msgspec.convert(messages, list[Message]))) == [
        [],
        ["functions.date:0", "functions.web_search:1"],
        ["functions.web_search:1"],
        ["functions.date:0"],
        [],
        ["functions.date:2"],
        ["functions.date:2"],
    ]


def test_calls_that_are_named_so_already() -> None:
    """What needs no other ids is known without making them, and answers to calls follow the calls."""

    def conversation(*ids: str) -> list[Message]:
        called = [{"id": id, "function": {"name": "date"}} for id in ids]
        told = [{"role": "tool", "tool_call_id": id, "content": "1"} for id in ids]
        sent = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": called}, *told]
        return msgspec.convert(sent, list[Message])

    for ids in ((), ("functions.date:0",), ("functions.date:0", "functions.date:1")):
        messages = conversation(*ids)
        assert named_as_in_prompt(messages)
        assert [id for each in prompt_call_ids(messages) for id in each] == [*ids, *ids]
    for ids in (("date:0",), ("functions.date:1",), ("functions.date:1", "functions.date:0"), ("functions.look:0",)):
        assert not named_as_in_prompt(conversation(*ids))
