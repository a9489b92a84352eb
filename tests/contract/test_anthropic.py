"""Anthropic's wire format, read into chat requests and written from events (contract.md 9)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonbase.contract.anthropic.body import MessagesBody, chat_body
from moonbase.contract.anthropic.reply import MessageWriter, error_reply, whole_message
from moonbase.contract.cards import CARDS
from moonbase.contract.decoding import decode
from moonbase.contract.errors import (
    EngineOverloaded,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerError,
    UnexpectedOutput,
)
from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatBody
from moonbase.contract.sse import Reader

Json = dict[str, Any]
CARD = {card.id: card for card in CARDS}
HELLO: list[Json] = [{"role": "user", "content": "Hello."}]
PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def read(model: str = "kimi-k2.6", **members: Any) -> ChatBody:
    whole = {"model": model, "max_tokens": 100, "messages": HELLO, **members}
    return chat_body(decode(json.dumps(whole).encode(), MessagesBody), CARD[model.removesuffix("[1m]")])


def messages(*sent: Json, **members: Any) -> list[Json]:
    """What the conversation becomes, as chat completions would have been sent it."""
    return msgspec.to_builtins(read(messages=list(sent), **members).messages)


def test_a_conversation_with_tools() -> None:
    called = {"type": "tool_use", "id": "get:0", "name": "get", "input": {"city": "São Paulo", "n": 1.5}}
    assert messages(
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I ask.", "signature": "x"},
                {"type": "text", "text": "Wait"},
                {"type": "text", "text": "…"},
                called,
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Go on."},
                {"type": "tool_result", "tool_use_id": "get:0", "content": [{"type": "text", "text": "12"}]},
            ],
        },
        system=[
            {"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "short"},
        ],
    ) == [
        {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "short"}]},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "Wait…",
            "reasoning_content": "I ask.",
            "tool_calls": [
                {
                    "id": "get:0",
                    "function": {"name": "get", "arguments": '{"city":"São Paulo","n":1.5}'},
                    "type": "function",
                }
            ],
        },
        {"role": "tool", "content": "12", "tool_call_id": "get:0"},
        {"role": "user", "content": "Go on."},
    ]


def test_what_is_told_in_the_middle_stays_there() -> None:
    """Claude Code 2.1 sends such messages."""
    said = messages(
        {"role": "user", "content": "Hi"}, {"role": "system", "content": [{"type": "text", "text": "Now."}]}
    )
    assert said == [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Now."}]


def test_thinking_is_there_or_not() -> None:
    """Without a block of it a message was sent without reasoning, which may be restored; with an empty one it was
    empty (contract.md 3)."""
    called: Json = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    dropped = messages({"role": "assistant", "content": [called]}, result)
    kept = messages({"role": "assistant", "content": [empty, called]}, result)
    other = messages({"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, called]}, result)
    assert "reasoning_content" not in dropped[0]
    assert "reasoning_content" not in other[0]
    assert kept[0]["reasoning_content"] == ""
    assert kept[1] == {"role": "tool", "content": "", "tool_call_id": "a"}


def test_pictures() -> None:
    shown = {"type": "image", "source": PIXEL}
    uploaded = {"type": "image", "source": {"type": "url", "url": "ms://file_1"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [shown]}
    picture = {"type": "image_url", "image_url": "data:image/png;base64,aGk="}
    assert messages({"role": "user", "content": [result, shown, uploaded]}) == [
        {"role": "tool", "content": [picture], "tool_call_id": "a"},
        {"role": "user", "content": [picture, {"type": "image_url", "image_url": "ms://file_1"}]},
    ]


def test_the_last_answer_is_continued() -> None:
    begun = messages(*HELLO, {"role": "assistant", "content": "Once"}, thinking={"type": "disabled"})
    assert begun[-1] == {"role": "assistant", "content": "Once", "partial": True}


@pytest.mark.parametrize(
    ("model", "sent", "control"),
    [
        ("kimi-k2.6", None, "disabled"),
        ("kimi-k2.6", {"type": "disabled"}, "disabled"),
        ("kimi-k2.6", {"type": "enabled", "budget_tokens": 1024}, "enabled"),
        ("kimi-k2.6", {"type": "adaptive"}, "enabled"),
        ("kimi-k2.7-code", None, "disabled"),  # which that model refuses: contract.md 4.3, Kimi-K2#141
        ("kimi-k3", None, None),
        ("kimi-k3", {"type": "disabled"}, None),
    ],
)
def test_the_thinking_control(model: str, sent: Json | None, control: str | None) -> None:
    """contract.md 9: k3 has no such control; its effort is what counts."""
    read_as = read(model, **({} if sent is None else {"thinking": sent})).thinking
    assert (read_as.type if read_as is not None else None) == control


def test_the_other_members() -> None:
    tool: Json = {"name": "get", "description": "Get.", "input_schema": {"type": "object", "properties": {}}}
    body = read(
        "kimi-k3[1m]",
        tools=[tool, {**tool, "name": "put", "type": "custom", "strict": False}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        stream=True,
        temperature=0.3,
        top_k=5,
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        metadata={"user_id": "u"},
        context_management={"edits": []},
    )
    assert (body.model, body.max_completion_tokens, body.stream, body.stop) == ("kimi-k3", 100, True, ["END"])
    assert (body.tool_choice, body.reasoning_effort, body.safety_identifier) == ("required", "low", "u")
    assert body.temperature is None
    assert body.tools is not None
    first, second = body.tools
    assert first.declaration()["function"] == {"name": "get", "description": "Get.", "parameters": tool["input_schema"]}
    assert second.function is not None
    assert second.function.strict is False
    assert body.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True},
    }
    assert read("kimi-k2.6", output_config={"effort": "xhigh"}).reasoning_effort is None
    named = read(tools=[tool], tool_choice={"type": "tool", "name": "get"}).tool_choice
    assert named == {"type": "function", "function": {"name": "get"}}


REFUSED: dict[str, tuple[Json, str]] = {
    "no max_tokens": ({"max_tokens": None}, "`max_tokens`"),
    "another role": ({"messages": [{"role": "tool", "content": ""}]}, "`messages[0].role`"),
    "a document": ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages[0].content[0].type"),
    "thinking of a user": (
        {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": ""}]}]},
        "messages[0].content[0].type is 'thinking'; expected text or image or tool_result",
    ),
    "text without text": (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    "a picture in system": ({"system": [{"type": "image", "source": PIXEL}]}, "system[0].type is 'image'"),
    "a result of no call": (
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        "messages[0].content[0].tool_use_id",
    ),
    "a call without a name": (
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "input": {}}]}]},
        "messages[0].content[0].name",
    ),
    "a source of no kind": (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
        "messages[0].content[0].source.type is 'file'; expected base64 or url",
    ),
    "data without its kind": (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": ""}}]}]},
        "messages[0].content[0].source.media_type",
    ),
    "a tool of Anthropic's": ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    "a choice without a name": ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    "a format of no kind": ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_the_field(name: str) -> None:
    members, field = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        read(**members)
    assert field in refused.value.message


USAGE = Usage(40, 9, 3, 16)
ANSWERS: dict[str, tuple[list[Event], str]] = {
    "all of it": (
        [
            ReasoningDelta("Let "),
            ReasoningDelta("me."),
            ReasoningEnded(),
            ContentDelta("On "),
            ContentDelta("it."),
            ToolCallOpened(0, "f:0", "f"),
            ArgumentsDelta(0, '{"a":'),
            ArgumentsDelta(0, "1}"),
            ToolCallOpened(1, "g:1", "g"),
            ArgumentsDelta(1, "{}"),
        ],
        "tool_calls",
    ),
    "text alone": ([ContentDelta("Hi.")], "stop"),
    "reasoned, but empty": ([ReasoningEnded(), ContentDelta(""), ContentDelta("Hi.")], "stop"),
    "cut while thinking": ([ReasoningDelta("Let")], "length"),
    "nothing at all": ([], "stop"),
    "filtered": ([ContentDelta("x")], "content_filter"),
}


def events_of(name: str) -> list[Event]:
    said, reason = ANSWERS[name]
    finished: Any = Finished(reason, USAGE)  # pyright: ignore[reportArgumentType]
    return [PromptRead(40, 16), *said, finished]


def put_together(frames: list[Json]) -> Json:
    """The message that a client makes of the events, as Anthropic's own libraries do."""
    message: Json = {}
    arguments: dict[int, str] = {}
    for frame in frames:
        match frame["type"]:
            case "message_start":
                message = frame["message"]
            case "content_block_start":
                assert frame["index"] == len(message["content"])
                message["content"].append(frame["content_block"])
            case "content_block_delta":
                block, delta = message["content"][frame["index"]], dict(frame["delta"])
                assert frame["index"] == len(message["content"]) - 1
                if delta.pop("type") == "input_json_delta":
                    arguments[frame["index"]] = arguments.get(frame["index"], "") + delta["partial_json"]
                else:
                    for member, text in delta.items():
                        block[member] += text
            case "content_block_stop":
                assert frame["index"] == len(message["content"]) - 1
                if frame["index"] in arguments:
                    message["content"][frame["index"]]["input"] = json.loads(arguments[frame["index"]])
            case "message_delta":
                message |= frame["delta"] | {"usage": frame["usage"]}
            case _:
                assert frame == {"type": "message_stop"}
    return message


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_comes_to_the_whole_answer(name: str) -> None:
    writer, fold = MessageWriter(id="msg_1", model="kimi-k2.6", request_id="r"), Fold()
    data = b"".join(frame for event in events_of(name) for frame in writer.write(event))
    for event in events_of(name):
        fold.add(event)
    frames = [json.loads(frame) for frame in Reader().feed(data)]
    assert data.count(b"event: ") == len(frames)
    assert all(f"event: {frame['type']}\ndata: ".encode() in data for frame in frames)
    assert frames[-1] == {"type": "message_stop"}
    whole = msgspec.to_builtins(whole_message(fold, id="msg_1", model="kimi-k2.6"))
    assert put_together(frames) == whole
    assert whole["usage"]["input_tokens"] + whole["usage"]["cache_read_input_tokens"] == 40
    assert (whole["usage"]["output_tokens"], whole["usage"]["output_tokens_details"]) == (9, {"thinking_tokens": 3})


@given(cuts=st.lists(st.integers(1, 6), max_size=8))
def test_text_may_come_in_any_pieces(cuts: list[int]) -> None:
    text, at, said = "Grüße, 世界! 🌍", 0, list[Event]()
    for cut in [*cuts, len(text)]:
        if piece := text[at : at + cut]:
            said.append(ContentDelta(piece))
        at += cut
    writer = MessageWriter(id="msg_1", model="m", request_id="r")
    frames = [frame for event in [*said, Finished("stop", USAGE)] for frame in writer.write(event)]
    assert put_together([json.loads(one) for one in Reader().feed(b"".join(frames))])["content"][0]["text"] == text


def test_a_call_that_was_cut_is_not_in_a_whole_answer() -> None:
    fold = Fold()
    for event in (ToolCallOpened(0, "f:0", "f"), ArgumentsDelta(0, '{"a":'), Finished("length", USAGE)):
        fold.add(event)
    whole = whole_message(fold, id="msg_1", model="m")
    assert (whole.content, whole.stop_reason) == ([], "max_tokens")


def test_an_answer_that_broke_is_no_message() -> None:
    fold = Fold()
    with pytest.raises(UnexpectedOutput):
        whole_message(fold, id="msg_1", model="m")
    writer = MessageWriter(id="msg_1", model="m", request_id="r")
    writer.write(ContentDelta("x"))
    [frame] = writer.write(Failed(ServerError("it broke")))
    assert frame == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"it broke"},"request_id":"r"}\n\n'
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest(""), "invalid_request_error"),
        (NotFound(""), "not_found_error"),
        (RateLimited(""), "rate_limit_error"),
        (EngineOverloaded(""), "overloaded_error"),
        (ServerError(""), "api_error"),
    ],
)
def test_the_kinds_of_errors(error: Any, kind: str) -> None:
    assert error_reply(error, "r").error.type == kind
