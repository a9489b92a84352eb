"""The Responses API, read into chat requests and written from events.

The facts are those of the hosted API's page /docs/api/responses (contract.md 0 names the route, and no more).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonbase.contract.cards import CARDS
from moonbase.contract.decoding import decode
from moonbase.contract.errors import EngineOverloaded, InvalidRequest, UnexpectedOutput
from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    StepEnded,
    ToolCallOpened,
    ToolResult,
    Usage,
)
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatBody
from moonbase.contract.responses.body import ResponsesBody, chat_body
from moonbase.contract.responses.reply import Head, SearchSource
from moonbase.contract.responses.tools import Called
from moonbase.contract.responses.writer import ResponseWriter, whole_response

Json = dict[str, Any]
CARD = {card.id: card for card in CARDS}
PIXEL = "data:image/png;base64,aGk="
GET: Json = {"type": "function", "name": "get", "parameters": {"type": "object", "properties": {}}}
PATCH: Json = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}
NAMES = {
    "get": Called("get"),
    "files__get": Called("get", "files"),
    "apply_patch": Called("apply_patch", kind="custom"),
    "web_search": Called("web_search", kind="web_search"),
}


def body(model: str = "kimi-k3", **members: Any) -> ResponsesBody:
    return decode(json.dumps({"model": model, "input": "Hello.", **members}).encode(), ResponsesBody)


def read(model: str = "kimi-k3", **members: Any) -> ChatBody:
    return chat_body(body(model, **members), CARD[model])


def messages(*items: Json, **members: Any) -> list[Json]:
    """What the conversation becomes, as chat completions would have been sent it."""
    return msgspec.to_builtins(read(input=list(items), **members).messages)


def call(id: str, name: str, arguments: str) -> Json:
    return {"id": id, "function": {"name": name, "arguments": arguments}, "type": "function"}


def test_text_is_what_the_user_says() -> None:
    said = msgspec.to_builtins(read(instructions="Be short.").messages)
    assert said == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello."}]


def test_what_an_assistant_did_in_a_row_is_one_message() -> None:
    assert messages(
        {"role": "developer", "content": "Mind the tests."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "I ask."}], "content": None},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Wait.", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "get", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call", "call_id": "b", "name": "get", "namespace": "files", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "12"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_image", "image_url": PIXEL}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Done."}]},
        {"type": "message", "role": "assistant", "content": "12 degrees.", "status": "completed"},
        {"role": "user", "content": "Thanks."},
    ) == [
        {"role": "system", "content": "Mind the tests."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "Wait.",
            "reasoning_content": "I ask.",
            "tool_calls": [call("a", "get", '{"city":"Oslo"}'), call("b", "files__get", "{}")],
        },
        {"role": "tool", "content": "12", "tool_call_id": "a"},
        {"role": "tool", "content": [{"type": "image_url", "image_url": PIXEL}], "tool_call_id": "b"},
        {"role": "assistant", "content": "12 degrees.", "reasoning_content": "Done."},
        {"role": "user", "content": "Thanks."},
    ]


def test_steps_in_a_row_stay_apart() -> None:
    """A thought after a call begins another step, although nobody else has said anything."""
    said = messages(
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "One."}]},
        {"type": "function_call", "call_id": "a", "name": "get", "arguments": "{}"},
        {"type": "reasoning", "summary": []},
        {"role": "assistant", "content": "Yes."},
    )
    assert [each.get("reasoning_content") for each in said] == ["One.", ""]
    assert said[0]["tool_calls"] == [call("a", "get", "{}")]
    assert "content" not in said[0]


def test_thinking_is_there_or_not() -> None:
    """Without an item of it an answer was sent without reasoning, which may be restored (contract.md 3)."""
    called: Json = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    foreign: Json = {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "gAAAA"}
    assert "reasoning_content" not in messages(called)[0]
    assert messages(foreign, called)[0]["reasoning_content"] == ""


def test_searches_of_the_server_are_not_looked_at() -> None:
    search: Json = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
    thought: Json = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I search."}]}
    then: Json = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I tell."}]}
    said = messages(
        {"role": "user", "content": "News?"}, thought, search, then, {"role": "assistant", "content": "No."}
    )
    assert said[1] == {"role": "assistant", "content": "No.", "reasoning_content": "I search.\n\nI tell."}


def test_free_text_travels_as_an_argument() -> None:
    patched: Json = {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": '*** "x"\n'}
    result: Json = {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"}
    said = messages(patched, result)
    assert said[0]["tool_calls"] == [
        call("a", "apply_patch", json.dumps({"input": '*** "x"\n'}, separators=(",", ":")))
    ]
    assert said[1] == {"role": "tool", "content": "ok", "tool_call_id": "a"}


def test_tools() -> None:
    space: Json = {"type": "namespace", "name": "files", "description": "Files.", "tools": [GET, PATCH]}
    asked = body(
        tools=[GET, PATCH, space, {"type": "namespace", "name": "mcp__a__", "tools": [GET]}, {"type": "web_search"}]
    )
    tools = chat_body(asked, CARD["kimi-k3"]).tools
    assert tools is not None
    named = [tool.function.name for tool in tools if tool.function is not None]
    assert named == ["get", "apply_patch", "files__get", "files__apply_patch", "mcp__a__get"]
    patch = tools[1].function
    assert patch is not None
    assert patch.description == 'Edits files.\n\nThe text follows this grammar, which is written in Lark:\nstart: "x"'
    assert asked.names() == {
        "get": Called("get"),
        "apply_patch": Called("apply_patch", kind="custom"),
        "files__get": Called("get", "files"),
        "files__apply_patch": Called("apply_patch", "files", "custom"),
        "mcp__a__get": Called("get", "mcp__a__"),
        "web_search": Called("web_search", kind="web_search"),
    }


def test_tools_that_come_in_the_middle() -> None:
    """contract.md 1.7."""
    brought: Json = {"type": "additional_tools", "role": "developer", "tools": [GET]}
    asked = body(input=[{"role": "user", "content": "Hi."}, brought])
    said = chat_body(asked, CARD["kimi-k3"]).messages
    assert said[1].role == "system"
    assert [tool.function.name for tool in said[1].tools or () if tool.function] == ["get"]
    assert "get" in asked.names()


@pytest.mark.parametrize(
    ("model", "effort", "control", "passed"),
    [
        ("kimi-k3", None, None, None),
        ("kimi-k3", "low", None, "low"),
        ("kimi-k3", "medium", None, "medium"),  # which chat completions take for the default (contract.md 1.3)
        ("kimi-k2.6", None, None, None),
        ("kimi-k2.6", "none", "disabled", None),
        ("kimi-k2.6", "high", "enabled", None),
    ],
)
def test_efforts(model: str, effort: str | None, control: str | None, passed: str | None) -> None:
    asked = read(model, reasoning={"effort": effort, "summary": "auto"})
    assert (asked.thinking.type if asked.thinking else None, asked.reasoning_effort) == (control, passed)


def test_the_other_members() -> None:
    schema: Json = {"type": "object", "properties": {}}
    asked = read(
        stream=True,
        max_output_tokens=7,
        text={"format": {"type": "json_schema", "schema": schema, "strict": False}, "verbosity": "low"},
        tool_choice={"type": "function", "name": "get"},
        include=["reasoning.encrypted_content", "web_search_call.results"],
        prompt_cache_key="k",
        prompt_cache_options={"mode": "implicit", "ttl": "1h"},
        safety_identifier="u",
        store=True,
        parallel_tool_calls=False,
        previous_response_id=None,
        client_metadata={"x": "y"},
    )
    assert (asked.stream, asked.max_completion_tokens, asked.prompt_cache_key) == (True, 7, "k")
    assert asked.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": False},
    }
    assert asked.tool_choice == {"type": "function", "function": {"name": "get"}}
    assert asked.safety_identifier == "u"
    assert read(text={"format": {"type": "text"}}).response_format is None


REFUSED: dict[str, tuple[Json, str]] = {
    "no input": ({"input": None}, "`input`"),
    "nothing in it": ({"input": []}, "input must not be empty"),
    "an earlier response": ({"previous_response_id": "resp_1"}, "previous_response_id must be null"),
    "a conversation": ({"conversation": {"id": "conv_1"}}, "conversation must be null"),
    "in the background": ({"background": True}, "background must be false"),
    "another kind of item": ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type is 'item_reference'"),
    "another role": ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role is 'tool'"),
    "no content": ({"input": [{"role": "user"}]}, "input[0].content"),
    "another kind of part": (
        {"input": [{"role": "user", "content": [{"type": "input_video", "video_url": "x"}]}]},
        "input[0].content[0].type is 'input_video'",
    ),
    "text without text": (
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        "input[0].content[0].text",
    ),
    "a picture without one": (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]},
        "input[0].content[0].image_url",
    ),
    "a mark for the cache": (
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": {}}]}]},
        "input[0].content[0].prompt_cache_breakpoint is not supported",
    ),
    "a call of nothing": ({"input": [{"type": "function_call", "call_id": "a", "arguments": "{}"}]}, "input[0].name"),
    "an output of no call": ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    "a call without output": ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "input[0].output"),
    "another kind of tool": ({"tools": [{"type": "file_search"}]}, "tools[0].type is 'file_search'"),
    "a tool without a name": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "a late tool": ({"tools": [{**GET, "defer_loading": True}]}, "tools.0.defer_loading is not supported"),
    "another custom tool": ({"tools": [{**PATCH, "name": "sql"}]}, "only apply_patch is known"),
    "a grammar in another syntax": (
        {"tools": [{**PATCH, "format": {"type": "grammar", "syntax": "regex", "definition": "x"}}]},
        "tools[0].format",
    ),
    "a search in a namespace": (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]},
        "tools[0].tools[0].type is 'web_search'",
    ),
    "two searches": ({"tools": [{"type": "web_search"}, {"type": "web_search"}]}, "tools[1] is a second web_search"),
    "an empty namespace": ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools"),
    "a size of a search": (
        {"tools": [{"type": "web_search", "search_context_size": "low"}]},
        "tools[0].search_context_size is not supported",
    ),
    "domains to leave out": (
        {"tools": [{"type": "web_search", "filters": {"blocked_domains": ["a"]}}]},
        "tools[0].filters.blocked_domains is not supported",
    ),
    "an address to search": (
        {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.org", "https://b.org"]}}]},
        "tools[0].filters.allowed_domains[1] is 'https://b.org'; expected a domain",
    ),
    "many domains": (
        {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.org"] * 101}}]},
        "tools[0].filters.allowed_domains must have at most 100 entries",
    ),
    "pictures": ({"tools": [{"type": "web_search", "search_content_types": ["image"]}]}, "search_content_types"),
    "something else to include": ({"include": ["file_search_call.results"]}, "include[0]"),
    "another form": ({"text": {"format": {"type": "json_object"}}}, "text.format.type must be json_schema or text"),
    "no schema": ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    "an explicit cache": ({"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options.mode"),
    "a long cache": ({"prompt_cache_options": {"ttl": "24h"}}, "prompt_cache_options.ttl"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_the_field(name: str) -> None:
    members, told = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        read(**members)
    assert told in refused.value.message


def head(**members: Any) -> Head:
    return Head(
        id="resp_1",
        created=10,
        model="kimi-k3",
        body=body(**members),
        max_tokens=100,
        temperature=1.0,
        top_p=0.95,
        effort="max",
    )


def writer() -> ResponseWriter:
    return ResponseWriter(head(), NAMES, lambda: 12.5)


def written(*events: Event) -> list[Json]:
    """The events that a client gets for `events`."""
    made = writer()
    told = [msgspec.to_builtins(one) for event in events for one in made.events(event)]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def kinds(told: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in told]


COUNTS = Usage(9, 5, 2, 4)


def test_a_stream() -> None:
    told = written(
        PromptRead(9, 4),
        ReasoningDelta("Hm", 1),
        ReasoningDelta(".", 1),
        ReasoningEnded(1),
        ContentDelta("Yes", 1),
        ToolCallOpened(0, "get:0", "files__get", 1),
        ArgumentsDelta(0, "{}", 1),
        Finished("tool_calls", COUNTS),
    )
    assert kinds(told) == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    assert [event["output_index"] for event in told if "output_index" in event] == [0] * 7 + [1] * 6 + [2] * 4
    whole = told[-1]["response"]
    thought, said, called = whole["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert said["content"][0]["text"] == "Yes"
    assert (called["call_id"], called["name"], called["namespace"]) == ("get:0", "get", "files")
    assert [event["item"]["id"] for event in told if event["type"].endswith("item.done")] == [
        each["id"] for each in whole["output"]
    ]
    assert {event["item_id"] for event in told if event.get("output_index") == 1 and "item_id" in event} == {said["id"]}
    assert (whole["status"], whole["created_at"], whole["completed_at"]) == ("completed", 10, 12)
    assert whole["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }
    assert (whole["store"], whole["previous_response_id"], whole["incomplete_details"]) == (False, None, None)
    assert told[0]["response"]["status"] == "in_progress"
    assert told[0]["response"]["output"] == []


def test_an_empty_thought_is_an_item() -> None:
    """So that a client that replays it says that it was reasoned."""
    told = written(ReasoningEnded(1), ContentDelta("Yes", 1), Finished("stop", COUNTS))
    thought, said = told[-1]["response"]["output"]
    assert (thought["type"], thought["summary"], said["type"]) == ("reasoning", [], "message")


def test_free_text_leaves_as_text() -> None:
    told = written(
        ToolCallOpened(0, "apply_patch:0", "apply_patch", 1),
        ArgumentsDelta(0, '{"inp', 1),
        ArgumentsDelta(0, 'ut":"*** a\\n"}', 1),
        Finished("tool_calls", COUNTS),
    )
    assert kinds(told)[2:] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    made = told[-1]["response"]["output"][0]
    assert (made["type"], made["input"], told[3]["delta"]) == ("custom_tool_call", "*** a\n", "*** a\n")
    assert "namespace" not in made


def test_a_search_of_the_server() -> None:
    told = written(
        ToolCallOpened(0, "web_search:0", "web_search", 1),
        ArgumentsDelta(0, '{"query":"moon"}', 1),
        StepEnded("tool_calls", COUNTS),
        ToolResult("web_search:0", "web_search", "moonshot/web-search:latest", "sealed", opened="secret"),
        ContentDelta("Found.", 1),
        Finished("stop", COUNTS),
    )
    assert kinds(told)[2:8] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
    ]
    search, said = told[-1]["response"]["output"]
    assert (search["status"], search["action"]) == ("completed", {"type": "search", "query": "moon"})
    assert said["content"][0]["text"] == "Found."
    assert "secret" not in json.dumps(told)


@pytest.mark.parametrize(("failed", "found"), [(False, [("https://a.org", "A")]), (True, [])])
def test_what_a_search_has_found(*, failed: bool, found: list[tuple[str, str]]) -> None:
    """Told with the end of the search, where it is asked for."""
    made = ResponseWriter(head(), NAMES, lambda: 12.5, {"moon": [SearchSource(*one) for one in found]}.__getitem__)
    events = [
        ToolCallOpened(0, "web_search:0", "web_search", 1),
        ArgumentsDelta(0, '{"query":"moon"}', 1),
        StepEnded("tool_calls", COUNTS),
        ToolResult("web_search:0", "web_search", "moonshot/web-search:latest", "sealed", failed),
        Finished("stop", COUNTS),
    ]
    told = [msgspec.to_builtins(one) for event in events for one in made.events(event)]
    items = [event["item"]["action"] for event in told if "item" in event]
    assert items[0] == {"type": "search", "query": ""}
    sources = [{"type": "url", "url": url, "title": title} for url, title in found]
    assert items[1] == {"type": "search", "query": "moon", "sources": sources}
    assert told[-1]["response"]["output"][0]["action"] == items[1]


def test_a_search_beside_a_call_of_the_client_is_not_made() -> None:
    told = written(
        ToolCallOpened(0, "web_search:0", "web_search", 1),
        ArgumentsDelta(0, '{"query":"moon"}', 1),
        ToolCallOpened(1, "get:1", "get", 1),
        ArgumentsDelta(1, "{}", 1),
        Finished("tool_calls", COUNTS),
    )
    assert [(item["type"], item["status"]) for item in told[-1]["response"]["output"]] == [
        ("web_search_call", "incomplete"),
        ("function_call", "completed"),
    ]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_what_was_cut(reason: Any) -> None:
    told = written(ReasoningEnded(1), ContentDelta("Ye", 1), Finished(reason, COUNTS))
    whole = told[-1]["response"]
    assert (told[-1]["type"], whole["status"], whole["completed_at"]) == ("response.incomplete", "incomplete", 12)
    assert whole["incomplete_details"] == {
        "reason": "max_output_tokens" if reason == "length" else reason,
    }
    assert [item["status"] for item in whole["output"]] == ["completed", "incomplete"]


def test_a_stream_that_breaks() -> None:
    told = written(ContentDelta("One", 1), Failed(EngineOverloaded("too much")))
    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["status"] == "failed"
    assert told[-1]["response"]["error"] == {"code": "engine_overloaded_error", "message": "too much"}
    broken = written(ContentDelta("One", 1), Finished("server_interrupted", COUNTS))
    assert broken[-1]["type"] == "response.failed"


def test_frames() -> None:
    (first, *_) = writer().write(ContentDelta("Hi", 1))
    event, data, *end = first.split(b"\n")
    assert (event, end) == (b"event: response.created", [b"", b""])
    assert data.startswith(b'data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1"')


def test_an_answer_that_has_not_ended_is_no_response() -> None:
    fold = Fold()
    fold.add(ContentDelta("Hi", 1))
    with pytest.raises(UnexpectedOutput):
        whole_response(fold, head(), NAMES, lambda: 1.0)


TEXTS = st.text(min_size=1, max_size=8)


@st.composite
def steps(draw: st.DrawFn, first_call: int) -> list[Event]:
    """What a model does before its answer ends."""
    events: list[Event] = []
    if draw(st.booleans()):
        events += [ReasoningDelta(text, 1) for text in draw(st.lists(TEXTS, max_size=3))]
        events.append(ReasoningEnded(1))
    events += [ContentDelta(text, 1) for text in draw(st.lists(TEXTS, max_size=3))]
    for index in range(first_call, first_call + draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(NAMES)))
        events += [ToolCallOpened(index, f"{name}:{index}", name, 1), ArgumentsDelta(index, '{"query":"x"}', 1)]
    return events


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    first: list[Event] = draw(steps(0))
    calls = [event for event in first if isinstance(event, ToolCallOpened)]
    events: list[Event] = [PromptRead(9, 4), *first]
    if calls and all(event.name == "web_search" for event in calls):
        events.append(StepEnded("tool_calls", COUNTS))
        events += [ToolResult(event.id, event.name, "u", "x") for event in calls]
        events += [PromptRead(9, 4), *draw(steps(len(calls)))]
    return [*events, Finished(draw(st.sampled_from(["stop", "tool_calls", "length"])), COUNTS)]


@given(answers())
def test_a_whole_response_is_what_its_stream_ends_with(events: list[Event]) -> None:
    fold = Fold()
    for event in events:
        fold.add(event)
    streamed = written(*events)[-1]["response"]
    whole = msgspec.to_builtins(whole_response(fold, head(), NAMES, lambda: 12.5))
    for response in (streamed, whole):
        for item in response["output"]:
            del item["id"]
    assert whole == streamed
