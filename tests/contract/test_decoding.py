"""Bad JSON and wrong types: the words of contract.md 4.3, and never another exception."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.contract.cards import CARDS
from moonbase.contract.decoding import convert, decode, explain
from moonbase.contract.errors import ApiError, InvalidRequest
from moonbase.contract.request import ChatBody, decode_chat_body, resolve
from moonbase.prompt import kimi_k2

MODELS = {card.id: card for card in CARDS}
BASE: dict[str, Any] = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "hi"}]}


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode_chat_body(data)
    return caught.value.message


def with_field(name: str, value: object) -> bytes:
    return json.dumps({**BASE, name: value}).encode()


WRONG: list[tuple[str, str, list[object]]] = [
    ("model", "string", [True, 1, [], {}, None]),
    ("messages", "array", [True, 1, "x", {}, None]),
    ("max_completion_tokens", "int", [True, 1.5, "x", [], {}]),
    ("max_tokens", "int", [True, 1.5, "x", [], {}]),
    ("stream", "bool", [1, "x", [], {}]),
    ("stream_options", "object", [True, 1, "x", []]),
    ("stop", "string or array", [True, 1, {}]),
    ("tools", "array", [True, 1, "x", {}]),
    ("tool_choice", "string or object", [True, 1, []]),
    ("thinking", "object", [True, 1, "x", []]),
    ("response_format", "object", [True, 1, "x", []]),
    ("temperature", "number", [True, "x", [], {}]),
    ("top_p", "number", [True, "x", [], {}]),
    ("n", "int", [True, 1.5, "x", [], {}]),
    ("presence_penalty", "number", [True, "x", [], {}]),
    ("frequency_penalty", "number", [True, "x", [], {}]),
    ("seed", "int", [True, 1.5, "x", [], {}]),
    ("prompt_cache_key", "string", [True, 1, [], {}]),
    ("safety_identifier", "string", [True, 1, [], {}]),
    ("reasoning_effort", "string", [True, 1, [], {}]),
    ("logprobs", "bool", ["true", 1, [], {}]),
    ("top_logprobs", "int", ["1", 1.5, True, [], {}]),
    ("prediction", "object", [True, 1, "x", []]),
    ("formulas", "array", [True, 1, "x", {}]),
    ("max_steps", "int", [True, 1.5, "x", [], {}]),
]


def json_type(value: object) -> str:
    names: dict[type, str] = {
        bool: "bool",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return names.get(type(value), "null")


@pytest.mark.parametrize(
    ("field", "expected", "value"), [(field, expected, value) for field, expected, bad in WRONG for value in bad]
)
def test_a_wrong_type_is_named_in_the_recorded_words(field: str, expected: str, value: object) -> None:
    """contract.md 4.3, "wrong JSON type in general"."""
    assert refusal(with_field(field, value)) == (
        f"Invalid request: the `{field}` field in the request (expected type {expected}) is illegal, "
        f"and {json_type(value)} is not acceptable"
    )


def test_the_table_of_wrong_types_has_every_field() -> None:
    assert [row[0] for row in WRONG] and {row[0] for row in WRONG} == set(ChatBody.__struct_fields__)


def test_a_boolean_thinking_field_has_its_own_recorded_text() -> None:
    """contract.md 4.3."""
    assert refusal(with_field("thinking", True)) == (
        "Invalid request: the `thinking` field in the request (expected type object) is illegal, "
        "and bool is not acceptable"
    )


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"text": "x"}]}, "messages[0].content[0].type"),
        ({"role": "bot", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "assistant", "content": "x", "reasoning_content": 1}, "messages[0].reasoning_content"),
        ({"role": "assistant", "tool_calls": [{"id": 1}]}, "messages[0].tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{"id": "a"}]}, "messages[0].tool_calls[0].function"),
        ({"role": "tool", "content": "x", "tool_call_id": 3}, "messages[0].tool_call_id"),
        ({"role": "assistant", "content": "x", "partial": "yes"}, "messages[0].partial"),
        (None, "messages[0]"),
        ("hi", "messages[0]"),
    ],
)
def test_what_is_wrong_inside_a_message_is_named_with_its_path(message: object, field: str) -> None:
    text = refusal(with_field("messages", [message]))
    assert text.startswith(f"Invalid request: the `{field}` field in the request ")


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_missing_field_is_named(field: str) -> None:
    body = {name: value for name, value in BASE.items() if name != field}
    assert refusal(json.dumps(body).encode()) == f"Invalid request: the `{field}` field in the request is required"


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'"x"', b"true"])
def test_a_body_that_is_no_object(body: bytes) -> None:
    assert "`body` field in the request (expected type object) is illegal" in refusal(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model":}',
        b'{"model":"m",}',
        b"{'model':'m'}",
        b"\xff\xfe",
        b'{"model":"m","messages":[]} trailing',
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"\\udfff"}]}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":"x","reasoning_content":"\\ud800 "}]}',
        b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"\\ud800"}}]}]}',
        b'{"model":"m","messages":[],"temperature":NaN}',
        b'{"model":"m","messages":[],"temperature":Infinity}',
        b'{"model":"m","messages":[],"temperature":-Infinity}',
        b'{"model":"m","messages":[],"extra":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"model":"m","messages":[],"extra":' + b"[" * 1_000_000,
    ],
)
def test_malformed_json(body: bytes) -> None:
    """Issue 2, "What bad input gets": a lone surrogate too is malformed, for UTF-8 cannot carry it."""
    assert refusal(body).startswith("Invalid request: the body is not valid JSON: ")


def test_a_surrogate_pair_is_one_character() -> None:
    body = decode_chat_body(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d\\ude00"}]}')
    assert body.messages[0].text == "😀"


INT_FIELDS = ["max_tokens", "max_completion_tokens", "n", "seed"]
NUMBER_FIELDS = ["temperature", "top_p", "presence_penalty", "frequency_penalty"]


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2-thinking"])
@pytest.mark.parametrize("field", INT_FIELDS + NUMBER_FIELDS)
@pytest.mark.parametrize(
    "number",
    ["1e400", "-1e400", str(10**30), str(-(10**30)), "9" * 400, "-" + "9" * 400, "9" * 5000, "1e308", "-0", "1e3"],
)
def test_a_number_out_of_all_bounds_works_or_is_refused(model: str, field: str, number: str) -> None:
    data = json.dumps(BASE)[:-1] + f', "{field}": {number}}}'
    try:
        request = resolve(decode_chat_body(data.encode()), MODELS[model])
    except InvalidRequest as error:
        assert field in error.message
    else:
        assert 1 <= request.max_tokens <= MODELS[model].context_length


def test_unknown_members_are_ignored() -> None:
    """contract.md 1.1, last row."""
    extra = {"user": "u", "parallel_tool_calls": True, "store": False, "whatever": {"deep": [1]}}
    assert decode_chat_body(json.dumps({**BASE, **extra}).encode()) == decode_chat_body(json.dumps(BASE).encode())


@pytest.mark.parametrize("field", [name for name in ChatBody.__struct_fields__ if name not in BASE])
def test_null_is_the_same_as_leaving_an_optional_field_out(field: str) -> None:
    assert decode_chat_body(with_field(field, None)) == decode_chat_body(json.dumps(BASE).encode())


def test_the_last_of_duplicate_keys_counts() -> None:
    body = decode_chat_body(b'{"model":"a","model":"b","messages":[{"role":"user","content":"1","content":"2"}]}')
    assert (body.model, body.messages[0].text) == ("b", "2")


def test_convert_names_the_field_it_was_found_in() -> None:
    class Named(msgspec.Struct):
        name: str

    with pytest.raises(InvalidRequest, match=r"`tool_choice\.name` field in the request \(expected type string\)"):
        convert({"name": 5}, Named, field="tool_choice")
    with pytest.raises(InvalidRequest, match=r"`tool_choice\.name` field in the request is required"):
        convert({}, Named, field="tool_choice")


def test_decode_gives_the_value() -> None:
    assert decode(b"[1,2]", list[int]) == [1, 2]


def test_a_message_in_other_words_still_names_the_field() -> None:
    assert explain("Something new - at `$.model`") == (
        "Invalid request: the `model` field in the request is illegal: Something new"
    )


class Shade(msgspec.Struct):
    """A choice of words within lists, unions and other structs."""

    tone: Literal["dusky", "bright"] | None = None
    inner: list[Shade] | str | None = None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"tone":"dim"}', "tone"),
        (b'{"inner":[{},{"tone":"dim"}]}', "inner[1].tone"),
        (b'{"inner":[{"inner":[{"tone":"dim"}]}]}', "inner[0].inner[0].tone"),
    ],
)
def test_a_word_that_is_not_allowed_gets_those_that_are(body: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body, Shade)
    assert caught.value.message == (
        f"Invalid request: the `{field}` field in the request is illegal: 'dim' is not one of dusky, bright"
    )


def test_a_long_word_is_not_quoted_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(b'{"tone":"' + b"d" * 10_000 + b'"}', Shade)
    assert len(caught.value.message) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(field=st.sampled_from(ChatBody.__struct_fields__), value=JSON, model=st.sampled_from(sorted(MODELS)))
@settings(max_examples=100, deadline=None)
def test_any_value_of_any_field_is_answered_or_refused(field: str, value: object, model: str) -> None:
    try:
        request = resolve(decode_chat_body(with_field(field, value)), MODELS[model])
        rendered = kimi_k2.render(request)
    except ApiError as error:
        assert error.status == 400
    else:
        assert "".join(piece.text for piece in rendered.prompt).encode()


SCHEMA_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "type": JSON | st.sampled_from(["object", "array", "string", "integer"]),
        "properties": JSON | st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2),
        "required": JSON,
        "items": JSON,
        "anyOf": JSON,
        "enum": JSON,
        "$ref": JSON,
        "$defs": JSON | st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2),
        "additionalProperties": JSON,
        "description": JSON,
        "default": JSON,
        "minimum": JSON,
    },
)


@given(parameters=SCHEMA_PARTS, nested=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_tool_with_nonsense_for_a_schema_is_answered_or_refused(parameters: dict[str, Any], nested: bool) -> None:
    """Issue 2, "What bad input gets": never a 500."""
    schema = {"type": "object", "properties": {"inner": parameters}} if nested else parameters
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    try:
        request = resolve(decode_chat_body(with_field("tools", tools)), MODELS["kimi-k2.6"])
    except InvalidRequest as error:
        assert "tools" in error.message
    else:
        assert '"f"' in str(kimi_k2.render(request).prompt) or "type f = " in str(kimi_k2.render(request).prompt)


@pytest.mark.parametrize("levels", [70, 200, 400])
def test_a_schema_nested_too_deep_is_refused_by_name(levels: int) -> None:
    """contract.md 7.4, error format."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    body = decode_chat_body(with_field("tools", tools))
    with pytest.raises(InvalidRequest, match=r"tools\.function\.parameters .* schema depth exceeds maximum limit of"):
        resolve(body, MODELS["kimi-k2.6"])
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = decode_chat_body(with_field("response_format", wanted))
    with pytest.raises(InvalidRequest, match=r"response_format\.json_schema .* schema depth exceeds maximum limit of"):
        resolve(body, MODELS["kimi-k2.6"])
