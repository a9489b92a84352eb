"""A loop that the server ran, as it travels: the frames, the whole answer, and what a client appends.

An extension, so it has no section in contract.md; the order of its frames is that of 2.4, once for each step.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from moonbase.contract.chunks import ChunkWriter
from moonbase.contract.errors import Unavailable
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
from moonbase.contract.fold import Fold, plus
from moonbase.contract.frames import Chunk
from moonbase.contract.loop import read_turns, with_loop
from moonbase.contract.messages import Message, check_conversation
from moonbase.contract.reading import StreamReader
from tests.effort import attempts, try_out

Json = dict[str, Any]
ONE, TWO = Usage(10, 5, 2, 4), Usage(20, 3, 1, 10)
EVENTS: list[Event] = [
    PromptRead(10, 4),
    ReasoningDelta("hm", 2),
    ReasoningEnded(),
    ContentDelta("Wait.", 1),
    ToolCallOpened(0, "f:0", "f", 1),
    ArgumentsDelta(0, "{}", 1),
    ToolCallOpened(1, "g:1", "g"),
    ArgumentsDelta(1, "{}"),
    StepEnded("tool_calls", ONE),
    ToolResult("g:1", "g", "a/b:c", "SEALED", seconds=0.25, opened="secret"),
    ToolResult("f:0", "f", "a/b:c", "Error: no", failed=True),
    PromptRead(20, 10),
    ReasoningDelta("ah", 1),
    ReasoningEnded(1),
    ContentDelta("Done.", 1),
    Finished("stop", plus(ONE, [TWO])),
]
CALLS = [
    {"id": "f:0", "function": {"name": "f", "arguments": "{}"}, "type": "function"},
    {"id": "g:1", "function": {"name": "g", "arguments": "{}"}, "type": "function"},
]
MESSAGES: list[Json] = [
    {"role": "assistant", "content": "Wait.", "reasoning_content": "hm", "tool_calls": CALLS},
    {"role": "tool", "content": "Error: no", "name": "f", "tool_call_id": "f:0"},
    {"role": "tool", "content": "SEALED", "name": "g", "tool_call_id": "g:1"},
    {"role": "assistant", "content": "Done.", "reasoning_content": "ah"},
]


def folded(events: list[Event]) -> Fold:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold


def written(events: list[Event], **options: bool) -> list[Json]:
    writer = ChunkWriter(id="c", created=7, model="m", boundary=True, loop=True, **options)
    return [json.loads(data) for event in events for data in writer.write(event)]


def whole(events: list[Event]) -> Json:
    fold = folded(events)
    completion = with_loop(fold.completion(id="c", created=7, model="m"), fold)
    return json.loads(msgspec.json.encode(completion))


def test_the_whole_answer_is_the_last_step_with_the_rest_beside_it() -> None:
    body = whole(EVENTS)
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Done.", "reasoning_content": "ah"},
            "finish_reason": "stop",
        }
    ]
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (30, 8)
    assert body["x_moonbase"]["messages"] == MESSAGES
    one, two = body["x_moonbase"]["steps"]
    assert (one["finish_reason"], one["usage"]["total_tokens"], one["usage"]["cached_tokens"]) == ("tool_calls", 15, 4)
    assert one["results"] == [
        {"tool_call_id": "f:0", "name": "f", "formula": "a/b:c", "status": "failed", "seconds": 0.0},
        {"tool_call_id": "g:1", "name": "g", "formula": "a/b:c", "status": "succeeded", "seconds": 0.25},
    ]
    assert (two["finish_reason"], two["usage"]["total_tokens"], two["results"]) == ("stop", 23, [])


def test_what_the_model_read_never_leaves() -> None:
    assert "secret" not in json.dumps(whole(EVENTS))
    assert "secret" not in json.dumps(written(EVENTS))


def test_each_step_and_each_result_has_a_frame() -> None:
    told = [frame["x_moonbase"] for frame in written(EVENTS) if "x_moonbase" in frame]
    assert [list(one) for one in told] == [["step"], ["tool_result"], ["tool_result"], ["steps", "messages"]]
    assert told[0]["step"]["usage"]["completion_tokens"] == 5
    assert told[1]["tool_result"] == {
        "tool_call_id": "g:1",
        "name": "g",
        "formula": "a/b:c",
        "status": "succeeded",
        "seconds": 0.25,
        "content": "SEALED",
    }
    assert {key: told[3][key] for key in ("steps", "messages")} == whole(EVENTS)["x_moonbase"]


def test_every_frame_keeps_the_rules_of_a_stream() -> None:
    """contract.md 2.5: one choice a frame, one role, one end, middle frames without usage, an empty last delta."""
    frames = written(EVENTS)
    choices = [choice for frame in frames for choice in frame["choices"]]
    assert len(choices) == len(frames)
    assert [choice["delta"].get("role") for choice in choices] == ["assistant"] + [None] * (len(frames) - 1)
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(frames) - 1) + ["stop"]
    assert all("usage" not in frame for frame in frames)
    assert choices[-1]["delta"] == {}
    assert choices[-1]["usage"]["total_tokens"] == 38
    for choice in choices[1:-1]:
        assert len(choice["delta"]) == 1


def test_every_frame_is_a_chunk_by_its_type() -> None:
    for frame in written(EVENTS):
        assert json.loads(msgspec.json.encode(msgspec.convert(frame, Chunk))) == frame


def test_counts_so_far_go_on_over_the_steps() -> None:
    frames = written(EVENTS, continuous=True)
    totals = [frame["usage"]["completion_tokens"] for frame in frames]
    assert totals == sorted(totals)
    assert totals[-1] == 8
    assert [frame["usage"]["prompt_tokens"] for frame in frames][-1] == 30


def test_every_token_id_stands_once() -> None:
    """contract.md 2.5."""
    events: list[Event] = [
        ContentDelta("a", 1, token_ids=(1,)),
        ToolCallOpened(0, "f:0", "f", token_ids=(2, 3)),
        ArgumentsDelta(0, "{}", token_ids=(4,)),
        StepEnded("tool_calls", ONE, token_ids=(5,)),
        ToolResult("f:0", "f", "a/b:c", "x"),
        ContentDelta("b", 1, token_ids=(6,)),
        Finished("stop", TWO, token_ids=(7,)),
    ]
    deltas = [choice["delta"] for frame in written(events, token_ids=True) for choice in frame["choices"]]
    ids = [id for delta in deltas for id in delta.get("internal_content", {}).get("token_ids", [])]
    assert ids == [1, 2, 3, 4, 5, 6, 7]


def test_what_is_to_be_appended_is_a_conversation() -> None:
    """contract.md 1.4, 3: each call answered, reasoning in its place."""
    messages = [Message("user", "x"), *msgspec.convert(MESSAGES, list[Message]), Message("user", "y")]
    check_conversation(messages, thinking=True)


def test_what_is_not_whole_is_left_out_of_it() -> None:
    broken = [*EVENTS[:10], Failed(Unavailable("gone"), "server_interrupted")]
    end = written(broken)[-1]
    assert end["choices"][0]["finish_reason"] == "server_interrupted"
    assert end["x_moonbase"]["messages"] == []
    assert [len(step["results"]) for step in end["x_moonbase"]["steps"]] == [1]
    later = written([*EVENTS[:13], Failed(Unavailable("gone"), "server_interrupted")])[-1]
    assert later["x_moonbase"]["messages"] == MESSAGES[:3]
    assert later["choices"][0]["usage"]["completion_tokens"] == 6


def test_calls_that_were_cut_are_nobodys_to_run() -> None:
    events: list[Event] = [
        ContentDelta("So."),
        ToolCallOpened(0, "f:0", "f"),
        ArgumentsDelta(0, '{"'),
        Finished("length", ONE),
    ]
    body = whole(events)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "So."}
    assert body["x_moonbase"]["messages"] == [{"role": "assistant", "content": "So."}]


def test_a_budget_that_the_calls_used_up_ends_without_an_answer() -> None:
    body = whole([*EVENTS[:11], Finished("length", ONE)])
    assert body["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": ""},
        "finish_reason": "length",
    }
    assert body["x_moonbase"]["messages"] == MESSAGES[:3]
    assert len(body["x_moonbase"]["steps"]) == 1


def test_each_step_is_charged_as_a_request_of_its_own() -> None:
    assert folded(EVENTS).charges() == [ONE, TWO]
    assert folded(EVENTS[:12]).charges() == [ONE, Usage(20, 0, 0, 10)]
    assert folded([PromptRead(9, 4), Finished("stop", ONE)]).charges() == [ONE]
    assert Fold().charges() == []


def test_what_the_model_read_each_time() -> None:
    before = [Message("user", "x")]
    (first, (called,)), (second, (answered,)) = read_turns(folded(EVENTS), before)
    assert (first, called.reasoning_content) == (tuple(before), "hm")
    assert [message.content for message in second] == ["x", "Wait.", "Error: no", "secret"]
    assert answered.reasoning_content == "ah"


def read(payloads: list[bytes]) -> list[Event]:
    reader = StreamReader()
    return [*(event for data in payloads for event in reader.feed(data)), *reader.feed(b"[DONE]"), *reader.close()]


def test_another_moonbase_reads_it_back() -> None:
    """All but what a stream does not carry: the counts of prompts, of single increments, and what was sealed."""
    writer = ChunkWriter(id="c", created=7, model="m", boundary=True, loop=True)
    events = read([data for event in EVENTS for data in writer.write(event)])
    assert [_bare(event) for event in events] == [_bare(event) for event in EVENTS if not isinstance(event, PromptRead)]


def test_also_the_counts_where_they_travel() -> None:
    writer = ChunkWriter(id="c", created=7, model="m", boundary=True, loop=True, continuous=True)
    events = read([data for event in EVENTS for data in writer.write(event)])
    fold = folded(events)
    assert fold.usage() == plus(ONE, [TWO])
    assert fold.charges() == [ONE, TWO]


def _bare(event: Event) -> Event:
    if isinstance(event, ToolResult):
        return msgspec.structs.replace(event, opened=None)
    if isinstance(event, Finished | StepEnded | Failed | PromptRead):
        return event
    return msgspec.structs.replace(event, tokens=0)


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=3)
COUNTS = st.integers(0, 9)


@st.composite
def loops(draw: st.DrawFn) -> list[Event]:
    """A loop of one to four steps."""
    events: list[Event] = []
    spent, calls = Usage(), 0
    for left in range(draw(st.integers(0, 3)), -1, -1):
        prompt, completion = draw(COUNTS), draw(COUNTS)
        cached, reasoned = draw(st.integers(0, prompt)), draw(st.integers(0, completion))
        events.append(PromptRead(prompt, cached))
        if reasoning := draw(TEXTS):
            events += [*(ReasoningDelta(text) for text in reasoning), ReasoningEnded()]
        events += [ContentDelta(text) for text in draw(TEXTS)]
        usage = Usage(prompt, completion, reasoned, cached)
        spent = plus(usage, [spent])
        if not left:
            return [*events, Finished(draw(st.sampled_from(["stop", "length"])), spent)]
        made = range(calls, calls := calls + draw(st.integers(1, 3)))
        for index in made:
            events += [ToolCallOpened(index, f"f:{index}", "f"), *(ArgumentsDelta(index, text) for text in draw(TEXTS))]
        events.append(StepEnded("tool_calls", usage))
        for index in draw(st.permutations(made)):
            events.append(ToolResult(f"f:{index}", "f", "a/b:c", "".join(draw(TEXTS)), draw(st.booleans()), 0.5))
    return events


def check_loop(events: list[Event]) -> None:
    """What a reader makes of the frames is what was written, and streamed and whole say the same."""
    writer = ChunkWriter(id="c", created=7, model="m", boundary=True, loop=True)
    frames = [data for event in events for data in writer.write(event)]
    again = read(frames)
    assert again == [event for event in events if not isinstance(event, PromptRead)]
    assert json.loads(frames[-1])["x_moonbase"] == whole(events)["x_moonbase"]
    messages = msgspec.convert(whole(events)["x_moonbase"]["messages"], list[Message])
    check_conversation([Message("user", "x"), *messages], thinking=False)


@attempts(60, 3000)
def test_any_loop(count: int) -> None:
    try_out(check_loop, count, events=loops())
