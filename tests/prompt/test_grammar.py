"""Requests to grammars: what is enforced where (contract.md 1.5, 1.6, 7.2, 7.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.formats import KIMI, OutputFormat, detect_format
from moonbase.contract.grammar import ANY_OBJECT, Grammar
from moonbase.contract.prompts import Opening
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.prompt.grammar import grammar_of

CARD = next(card for card in CARDS if card.id == "kimi-k2.6")
HERMES = detect_format("<think></think><tool_call></tool_call>")
MISTRAL = detect_format("[TOOL_CALLS]")
OFF = {"type": "disabled"}
SEARCH = {"type": "object", "properties": {"q": {"type": "string", "description": "what"}}, "required": ["q"]}
NORMAL = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "search", "parameters": SEARCH}},
    {"type": "function", "function": {"name": "now"}},
]


def request(level: Any = "strict", **fields: Any) -> ChatRequest:
    body = {"model": CARD.id, "messages": [{"role": "user", "content": "hi"}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), CARD, level)


def made(opening: Opening = "thinking", output: OutputFormat = KIMI, **fields: Any) -> Grammar:
    grammar = grammar_of(request(**fields), opening, output)
    assert grammar is not None
    return grammar


def rule(grammar: Grammar, name: str) -> str:
    [found] = [line for line in grammar.rules.splitlines() if line.startswith(f"{name}: ")]
    for number, mark in enumerate(grammar.marks):
        found = found.replace(f"mark_{number}", f"<{mark}>").replace(f"until_{number}", f"until<{mark}>")
    return found.removeprefix(f"{name}: ")


def schema(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": value, **more}}


@pytest.mark.parametrize("fields", [{}, {"tool_choice": "none"}, {"response_format": {"type": "text"}}])
def test_an_answer_that_may_be_anything_has_no_grammar(fields: dict[str, Any]) -> None:
    assert grammar_of(request(**fields), "thinking", KIMI) is None


def test_free_text_then_perhaps_calls() -> None:
    grammar = made(tools=TOOLS)
    assert rule(grammar, "begin") == "thinking"
    assert rule(grammar, "thinking") == "until<</think>> answer"
    assert rule(grammar, "answer") == "free | until<<|tool_calls_section_begin|>> calls"
    assert grammar.content is None
    assert grammar.calls == {"search": NORMAL, "now": {**ANY_OBJECT, "properties": {}, "additionalProperties": False}}


def test_where_an_answer_can_be_put_aside() -> None:
    assert made(tools=TOOLS).free == {"": "thinking", "<think>": "thinking", "</think>": "answer"}
    forced = made("answer", tools=TOOLS, tool_choice="required", thinking=OFF)
    assert "" not in forced.free and "</think>" not in forced.free
    assert made(response_format=schema({"type": "null"})).free == {"": "thinking", "<think>": "thinking"}


def test_a_forced_call_is_all_that_there_is() -> None:
    grammar = made("answer", tools=TOOLS, tool_choice="required", thinking=OFF, response_format={"type": "json_object"})
    assert rule(grammar, "begin") == "answer"
    assert rule(grammar, "answer") == "<<|tool_calls_section_begin|>> calls"
    assert grammar.content is None


def test_a_named_function_is_the_only_one() -> None:
    named = {"type": "function", "function": {"name": "now"}}
    grammar = made("answer", tools=TOOLS, tool_choice=named, thinking=OFF)
    assert list(grammar.calls) == ["now"]
    assert "search" not in grammar.rules


def test_without_choice_no_section_opens() -> None:
    grammar = made(tools=TOOLS, tool_choice="none")
    assert rule(grammar, "answer") == "free"
    assert "<|tool_calls_section_begin|>" in grammar.marks
    assert grammar.calls == {}


def test_ids_and_arguments_of_a_call() -> None:
    """The numbers go on from the conversation's, and the schema is that of the function that was named."""
    calls = [{"id": "a:0", "function": {"name": "now", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a:0", "content": "1"},
    ]
    grammar = made(tools=TOOLS, messages=messages)
    assert grammar.calls_made == 1
    assert rule(grammar, "call_0").endswith("(name_0 index_0 arguments_0 | name_1 index_0 arguments_1)")
    assert rule(grammar, "name_0") == '"functions.search:"'
    assert '"q": {"type": "string"}' in rule(grammar, "arguments_0")
    assert made(tools=TOOLS).rules == grammar.rules, "so that it is tried once for a whole conversation"


def test_tools_that_are_not_strict_and_those_of_the_server_take_any_object() -> None:
    tools: list[dict[str, Any]] = [
        {"type": "function", "function": {"name": "loose", "strict": False, "parameters": SEARCH}},
        {"type": "function", "function": {"name": "empty", "parameters": {}}},
        {"type": "builtin_function", "function": {"name": "$web_search"}},
    ]
    assert made(tools=tools).calls == {"loose": ANY_OBJECT, "empty": ANY_OBJECT, "$web_search": ANY_OBJECT}


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ({"type": "json_object"}, ANY_OBJECT),
        (schema(SEARCH, strict=False), ANY_OBJECT),
        (schema(SEARCH), NORMAL),
        (schema({"type": "array", "items": {"type": "integer"}}), {"type": "array", "items": {"type": "integer"}}),
        (schema({"type": "boolean"}), {"type": "boolean"}),
    ],
)
def test_content_that_is_json(form: dict[str, Any], content: dict[str, Any]) -> None:
    grammar = made(response_format=form)
    assert grammar.content == content
    assert rule(grammar, "answer") == "content"
    assert '"whitespace_flexible": false' in rule(grammar, "content")


def test_json_or_calls() -> None:
    grammar = made(tools=TOOLS, response_format={"type": "json_object"})
    assert rule(grammar, "answer") == "content | <<|tool_calls_section_begin|>> calls"


def test_a_model_that_opens_its_reasoning_itself() -> None:
    grammar = made("start", tools=TOOLS)
    assert rule(grammar, "begin") == "answer | SPACE? <<think>> thinking"
    assert rule(made("start", tools=TOOLS, thinking=OFF), "begin") == "answer"


def test_calls_between_marks() -> None:
    grammar = made("answer", HERMES, tools=TOOLS, tool_choice="required", thinking=OFF)
    assert rule(grammar, "answer") == "SPACE? <<tool_call>> calls"
    assert rule(grammar, "calls").startswith("written <</tool_call>> (")
    assert r'"\"now\""' in rule(grammar, "call_1")
    assert rule(made("answer", MISTRAL, tools=TOOLS), "calls") == "written"


def test_a_model_without_calls_cannot_be_made_to_call() -> None:
    with pytest.raises(InvalidRequest, match="cannot call tools"):
        grammar_of(request(tools=TOOLS, tool_choice="required", thinking=OFF), "answer", OutputFormat())
    assert grammar_of(request(tools=TOOLS), "answer", OutputFormat()) is None


def test_what_cannot_be_enforced_is_named() -> None:
    bad = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}
    tools: list[dict[str, Any]] = [*TOOLS, {"type": "function", "function": {"name": "bad", "parameters": bad}}]
    with pytest.raises(InvalidRequest, match=r"tools\[2\]\.function\.parameters.*properties\.a\.uniqueItems"):
        made(tools=tools)
    with pytest.raises(InvalidRequest, match=r"response_format\.json_schema\.schema.*keyword uniqueItems"):
        made(response_format=schema(bad))
    tools[2]["function"]["strict"] = False
    assert made(tools=tools).calls["bad"] == ANY_OBJECT
