"""Reading a stream back to events: ours, and as other servers write it (contract.md 2.2, 2.4, 2.5, 9A)."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from moonbase.contract.chunks import ChunkWriter
from moonbase.contract.errors import ApiError, EngineOverloaded, InvalidRequest, Unavailable, UnexpectedOutput
from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    FinishReason,
    PromptRead,
    Reasked,
    ReasoningDelta,
    ReasoningEnded,
    StepEnded,
    ToolCallOpened,
    ToolResult,
    Usage,
)
from moonbase.contract.fold import Fold
from moonbase.contract.logprobs import LOWEST, TokenLogprob
from moonbase.contract.reading import StreamReader
from moonbase.contract.reading_errors import BROKEN
from tests.contract.answers import answers
from tests.effort import attempts, try_out

Json = dict[str, Any]
STOP: Json = {"delta": {}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
DETAILS = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}
FULL = {**USAGE, **DETAILS}


def frame(*choices: Json, **top: Any) -> bytes:
    filled = [{"index": 0, "finish_reason": None, **choice} for choice in choices]
    return json.dumps({"id": "c1", "model": "m", "choices": filled, **top}).encode()


def said(**delta: Any) -> bytes:
    return frame({"delta": delta})


def call(index: int | None = 0, id: str | None = None, **function: Any) -> bytes:
    return said(tool_calls=[{"index": index, "id": id, "type": "function", "function": function}])


def read(*payloads: bytes, reader: StreamReader | None = None, done: bool = True) -> list[Event]:
    reader = reader or StreamReader()
    frames = [*payloads, b"[DONE]"] if done else payloads
    return [*(event for payload in frames for event in reader.feed(payload)), *reader.close()]


def test_a_stream_of_ours() -> None:
    """contract.md 2.4."""
    events: list[Event] = [
        ReasoningDelta("hm"),
        ReasoningEnded(),
        ContentDelta("So"),
        ToolCallOpened(0, "f:0", "f"),
        ArgumentsDelta(0, "{}"),
        Finished("tool_calls", Usage(9, 6, 2, 4)),
    ]
    writer = ChunkWriter(id="c1", created=7, model="m", boundary=True)
    reader = StreamReader()
    assert read(*(data for event in events for data in writer.write(event)), reader=reader) == events
    assert (reader.id, reader.model) == ("c1", "m")


class TestDialects:
    """The same answer as other servers write it."""

    @pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
    def test_reasoning_under_either_name(self, name: str) -> None:
        """contract.md 9A."""
        events = read(said(**{name: "hm"}), said(content="So"), frame({**STOP, "usage": FULL}))
        assert events[:3] == [ReasoningDelta("hm"), ReasoningEnded(), ContentDelta("So")]

    def test_under_both_names_it_is_read_once(self) -> None:
        events = read(said(reasoning_content="hm", reasoning="hm"), frame({**STOP, "usage": FULL}))
        assert events[0] == ReasoningDelta("hm")

    @pytest.mark.parametrize(
        "end",
        [
            [frame({**STOP, "usage": FULL})],
            [frame(STOP, usage=FULL)],
            [frame({**STOP, "usage": None}, usage=None), frame(usage=FULL)],
            [frame(STOP), frame(usage={**USAGE, **DETAILS, "cached_tokens": 4})],
            [frame(STOP), json.dumps({"choices": None, "usage": FULL}).encode()],
            [frame(STOP), frame({"delta": {}}, usage=FULL)],
        ],
        ids=["in the choice", "at the top", "afterwards", "flat", "null choices", "in a frame after the end"],
    )
    def test_usage_wherever_it_stands(self, end: list[bytes]) -> None:
        """contract.md 2.2, 2.4."""
        assert read(said(content="x"), *end)[-1] == Finished("stop", Usage(9, 6, 2, 4))

    def test_flat_cached_tokens_come_before_nested_ones(self) -> None:
        """contract.md 2.2."""
        events = read(frame({**STOP, "usage": {**FULL, "cached_tokens": 3}}))
        assert events[-1] == Finished("stop", Usage(9, 6, 2, 3))

    def test_usage_without_details_and_with_nulls(self) -> None:
        usage = {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}}
        assert read(frame({**STOP, "usage": usage}))[-1] == Finished("stop", Usage(9, 6, 0, 0))

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
    def test_numbers_that_json_has_not(self, odd: float) -> None:
        """Python's `json` writes NaN and Infinity: the value is lost, and nothing else of the answer."""
        listed = [{"token": "NaN", "logprob": odd, "bytes": [78, 97, 78], "top_logprobs": []}]
        content = frame({"delta": {"content": 'a "NaN"\\'}, "logprobs": {"content": listed}}, timings={"speed": odd})
        end = frame({**STOP, "usage": {**FULL, "speed": odd}})
        assert read(
            content, frame({"delta": {"content": "x"}}, speed=odd), frame({"delta": {"content": "y"}}), end
        ) == [
            ContentDelta('a "NaN"\\', logprobs=(TokenLogprob("NaN", LOWEST, tuple(b"NaN")),)),
            ContentDelta("x"),
            ContentDelta("y"),
            Finished("stop", Usage(9, 6, 2, 4)),
        ]

    @pytest.mark.parametrize("wrong", [-5, 2**53, 2**63, 10**30, 1.5, "6", True])
    @pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"])
    def test_what_is_no_count_is_as_if_it_had_not_been_said(self, name: str, wrong: Any) -> None:
        """Nobody is told of less than nothing, or paid it; and the sums of the books fit 64 bits."""
        told = {"prompt_tokens": 9, "completion_tokens": 6, "cached_tokens": 4, "reasoning_tokens": 2}
        said_wrong, left_out = ({**told, name: value} for value in (wrong, None))
        ends = [read(frame({**STOP, "usage": usage}))[-1] for usage in (said_wrong, left_out)]
        end = ends[0]
        assert end == ends[1]
        assert isinstance(end, Finished)
        counts = msgspec.structs.asdict(end.usage)
        whole = {"cached_tokens": "prompt_tokens", "reasoning_tokens": "completion_tokens"}
        assert counts == {each: 0 if name in (each, whole.get(each)) else value for each, value in told.items()}

    def test_a_part_is_never_more_than_its_whole(self) -> None:
        usage = {**USAGE, "cached_tokens": 70, "reasoning_tokens": 30}
        assert read(frame({**STOP, "usage": usage}))[-1] == Finished("stop", Usage(9, 6, 6, 9))

    def test_counts_as_floats(self) -> None:
        assert read(frame({**STOP, "usage": {"prompt_tokens": 9.0, "completion_tokens": 6.0}}))[-1] == Finished(
            "stop", Usage(9, 6)
        )

    def test_totals_of_several_choices_are_counted_once(self) -> None:
        ends = [frame({"index": index, **STOP}) for index in (0, 1)]
        events = read(*ends, frame(usage=FULL))
        assert [event for event in events if isinstance(event, Finished)] == [
            Finished("stop", Usage(9, 6, 2, 4), 0),
            Finished("stop", Usage(9, 0, 0, 4), 1),
        ]

    def test_no_usage_at_all(self) -> None:
        assert read(said(content="x"), frame(STOP)) == [ContentDelta("x"), Finished("stop", Usage())]
        known = StreamReader(PromptRead(9, 4))
        assert read(frame(STOP), reader=known) == [PromptRead(9, 4), Finished("stop", Usage(9, 0, 0, 4))]

    def test_nulls_and_frames_without_anything(self) -> None:
        nothing = {"role": "assistant", "content": None, "reasoning_content": None, "tool_calls": None}
        odd = [said(**nothing), frame(), b'{"id":"c1"}', frame({"delta": None}), said(content="")]
        assert read(*odd, said(content="x"), frame(STOP)) == [ContentDelta("x"), Finished("stop", Usage())]

    def test_an_empty_finish_reason_is_none(self) -> None:
        assert read(frame({"delta": {"content": "x"}, "finish_reason": ""}), frame(STOP))[0] == ContentDelta("x")

    def test_an_unknown_finish_reason(self) -> None:
        assert read(frame({"delta": {}, "finish_reason": "eos"}))[-1] == Finished("unknown", Usage())

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("function_call", "tool_calls"),
            ("tool_use", "tool_calls"),
            ("eos_token", "stop"),
            ("stop_sequence", "stop"),
            ("end_turn", "stop"),
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("insufficient_system_resource", "engine_overloaded"),
        ],
    )
    def test_finish_reasons_in_the_words_of_others(self, written: str, meant: FinishReason) -> None:
        """TGI, Anthropic's and Google's models behind gateways, DeepSeek."""
        assert read(frame({"delta": {}, "finish_reason": written}))[-1] == Finished(meant, Usage())

    def test_a_delta_in_the_end_frame_counts(self) -> None:
        assert read(frame({"delta": {"content": "x"}, "finish_reason": "length"}))[0] == ContentDelta("x")


class TestReasoning:
    def test_an_empty_one_is_reasoned_but_empty(self) -> None:
        """contract.md 9A."""
        assert read(said(reasoning_content=""), said(content="x"), frame(STOP))[0] == ReasoningEnded()
        assert read(said(reasoning_content=""), frame(STOP))[0] == ReasoningEnded()

    def test_beside_the_role_it_says_nothing(self) -> None:
        assert read(said(role="assistant", reasoning_content=""), said(content="x"), frame(STOP))[0] == ContentDelta(
            "x"
        )

    def test_in_the_middle_it_ends_nothing(self) -> None:
        """Some servers write one where a token was half a character."""
        events = read(said(reasoning="a"), said(reasoning=""), said(reasoning="b"), said(content="x"), frame(STOP))
        assert events[:4] == [ReasoningDelta("a"), ReasoningDelta("b"), ReasoningEnded(), ContentDelta("x")]

    def test_it_never_follows_content_nor_content_a_call(self) -> None:
        """contract.md 2.4."""
        late = [said(content="x"), said(reasoning_content="late"), call(0, "c", name="f", arguments="{}")]
        events = read(*late, said(content="\n"), frame(STOP))
        assert [type(event) for event in events] == [ContentDelta, ToolCallOpened, ArgumentsDelta, Finished]

    def test_cut_by_the_budget_it_has_no_end(self) -> None:
        events = read(said(reasoning_content="half"), frame({"delta": {}, "finish_reason": "length"}))
        assert events == [ReasoningDelta("half"), Finished("length", Usage())]


THINKING: Json = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
SUMMARY: Json = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}


class TestParts:
    """Content that comes in parts, and what stands in its place."""

    @pytest.mark.parametrize(
        "deltas",
        [
            [{"content": [{"type": "text", "text": "It"}]}, {"content": [{"type": "text", "text": " is"}]}],
            [{"content": ["It", " is"]}],
            [{"content": [{"type": "text", "text": "It"}, {"type": "image_url"}]}, {"content": " is"}],
            [{"refusal": "It"}, {"refusal": " is", "content": None}],
            [{"content": "It", "refusal": None}, {"refusal": " is", "content": ""}],
        ],
        ids=["parts", "plain parts", "then text", "refused", "refused in the middle"],
    )
    def test_they_are_content(self, deltas: list[Json]) -> None:
        events = read(*(said(**delta) for delta in deltas), frame(STOP))
        assert "".join(event.text for event in events if isinstance(event, ContentDelta)) == "It is"

    @pytest.mark.parametrize("part", [THINKING, SUMMARY, {"type": "thinking", "thinking": "Hm"}])
    def test_reasoning_among_them(self, part: Json) -> None:
        whole = frame({"message": {"content": [part, {"type": "text", "text": "It"}]}, "finish_reason": "stop"})
        events = read(whole)
        assert [event for event in events if isinstance(event, ReasoningDelta | ReasoningEnded | ContentDelta)] == [
            ReasoningDelta("Hm"),
            ReasoningEnded(),
            ContentDelta("It"),
        ]

    def test_of_other_forms_nothing_is_read(self) -> None:
        odd = [None, 3, {}, {"type": "text"}, {"type": "thinking", "thinking": [3, {"text": 3}]}, {"type": "thinking"}]
        assert [event for event in read(said(content=odd), frame(STOP)) if isinstance(event, ContentDelta)] == []


def calls_of(events: list[Event]) -> list[tuple[str, str, str]]:
    fold = Fold()
    for event in events:
        fold.add(event)
    calls = fold.messages()[0].tool_calls or []
    return [(call.id, call.function.name, call.function.arguments) for call in calls]


class TestCalls:
    """Calls in the forms that servers write them."""

    @pytest.mark.parametrize(
        "frames",
        [
            [call(0, "a", name="f", arguments='{"x":1}')],
            [call(0, "a", name="f", arguments=""), call(0, arguments='{"x"'), call(0, arguments=":1}")],
            [call(0, "a", name="f"), call(0, "a", name="f", arguments='{"x":1}')],
            [call(0, "a", name=None), call(0, None, name="f", arguments='{"x":1}')],
            [call(0, "a", arguments='{"x"'), call(0, name="f", arguments=":1}")],
            [call(None, "a", name="f", arguments='{"x"'), call(None, None, arguments=":1}")],
            [call(3, "a", name="f", arguments={"x": 1})],
        ],
        ids=["one frame", "pieces", "named twice", "named later", "arguments first", "no index", "an object"],
    )
    def test_one_call(self, frames: list[bytes]) -> None:
        assert calls_of(read(*frames, frame(STOP))) == [("a", "f", '{"x":1}')]

    @pytest.mark.parametrize("second", [1, 0, None])
    def test_two_calls(self, second: int | None) -> None:
        frames = [call(0, "a", name="f", arguments="{}"), call(second, "b", name="g", arguments="[")]
        events = read(*frames, call(second, "b" if second is None else None, arguments="]"), frame(STOP))
        assert calls_of(events) == [("a", "f", "{}"), ("b", "g", "[]")]
        assert [event.index for event in events if isinstance(event, ToolCallOpened)] == [0, 1]

    @pytest.mark.parametrize(
        "frames",
        [
            [call(0, None, name="f", arguments="{}"), call(0, None, name="g", arguments="[]")],
            [call(0, "", name="f"), call(0, "", arguments="{}"), call(0, "", name="g"), call(0, "", arguments="[]")],
            [call(0, "a", name="f", arguments="{}"), call(0, "a", name="g", arguments="[]")],
            [call(None, None, name="f", arguments="{}"), call(None, None, name="g", arguments="[]")],
        ],
        ids=["no id", "an empty id", "the same id", "no index"],
    )
    def test_two_calls_that_their_names_tell_apart(self, frames: list[bytes]) -> None:
        assert [each[1:] for each in calls_of(read(*frames, frame(STOP)))] == [("f", "{}"), ("g", "[]")]

    @pytest.mark.parametrize("index", [0, None])
    def test_the_same_function_twice_without_ids(self, index: int | None) -> None:
        """Whole arguments cannot go on; a name that is told again before they are whole begins nothing."""
        twice = [call(index, None, name="f", arguments=text) for text in ('{"x"', ":1}", "", '{"x":2}')]
        assert [each[1:] for each in calls_of(read(*twice, frame(STOP)))] == [("f", '{"x":1}'), ("f", '{"x":2}')]

    def test_two_calls_in_one_frame(self) -> None:
        both = [{"index": index, "id": f"c{index}", "function": {"name": "f", "arguments": "{}"}} for index in (0, 1)]
        assert len(calls_of(read(said(tool_calls=both), frame(STOP)))) == 2

    def test_a_call_without_an_id_is_given_one(self) -> None:
        """contract.md 9A."""
        assert calls_of(read(call(0, None, name="f"), call(1, "", name="f"), frame(STOP))) == [
            ("f:0", "f", ""),
            ("f:1", "f", ""),
        ]
        named = StreamReader(call_id=lambda name, index: f"{name}-{index + 7}")
        assert calls_of(read(call(0, None, name="f"), frame(STOP), reader=named)) == [("f-7", "f", "")]


class TestFailures:
    """Whatever comes is an answer or a `Failed`, never an exception."""

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"NaN",
            b'{"x":NaN',
            b'"x"',
            b"\xff",
            b'{"choices":3}',
            b'{"choices":[3]}',
            b"[" * 100_000,
            b"[DONE]x",
        ],
        ids=lambda payload: repr(payload[:12]),
    )
    def test_a_frame_that_is_none(self, payload: bytes) -> None:
        failed = read(said(content="x"), payload, frame(STOP))[-1]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, UnexpectedOutput)

    @pytest.mark.parametrize(
        ("error", "kind", "reason"),
        [
            ({"message": "busy", "type": "engine_overloaded_error"}, EngineOverloaded, "engine_overloaded"),
            ({"message": "busy", "type": "BadRequestError", "code": 400}, InvalidRequest, "unexpected_state"),
            ({"message": "busy", "type": "x", "code": 503}, Unavailable, "server_interrupted"),
            ({"message": "busy", "code": [1]}, UnexpectedOutput, "unexpected_state"),
            ("busy", UnexpectedOutput, "unexpected_state"),
        ],
    )
    def test_a_frame_that_holds_an_error(self, error: object, kind: type[ApiError], reason: FinishReason) -> None:
        """contract.md 2.5 forbids it; engines do it all the same."""
        events = read(said(content="x"), json.dumps({"error": error}).encode(), said(content="y"))
        failed = events[-1]
        assert events[:-1] == [ContentDelta("x")]
        assert isinstance(failed, Failed)
        assert (type(failed.error), failed.error.message, failed.finish_reason) == (kind, "busy", reason)

    @pytest.mark.parametrize("done", [True, False])
    @pytest.mark.parametrize("frames", [[], [said(content="x")], [frame(STOP), frame({"index": 1, "delta": {}})]])
    def test_an_answer_that_just_ends(self, frames: list[bytes], done: bool) -> None:
        failed = read(*frames, done=done)[-1]
        assert isinstance(failed, Failed)
        assert "ended before its answer was finished" in failed.error.message

    @pytest.mark.parametrize("reason", BROKEN)
    def test_a_broken_answer_without_its_end_has_failed(self, reason: FinishReason) -> None:
        """contract.md 2.1: after the first byte a failure is a finish reason, and no `[DONE]` follows."""
        broken = frame({"delta": {}, "finish_reason": reason, "usage": FULL})
        end, failed = read(said(content="x"), broken, done=False)[1:]
        assert end == Finished(reason, Usage(9, 6, 2, 4))
        assert isinstance(failed, Failed)
        assert (type(failed.error), failed.finish_reason) == (BROKEN[reason], reason)
        assert read(broken, done=True) == [end]

    def test_an_answer_without_the_last_line_is_whole(self) -> None:
        assert read(said(content="x"), frame(STOP), done=False)[-1] == Finished("stop", Usage())

    def test_nothing_follows_the_end(self) -> None:
        reader = StreamReader()
        read(said(content="x"), frame(STOP), reader=reader)
        assert read(said(content="y"), reader=reader) == []


def test_the_prompt_is_read_first_where_its_counts_are_known() -> None:
    """contract.md 2.2: from the headers, or from a frame that counts continuously (2.5)."""
    assert read(frame(STOP), reader=StreamReader(PromptRead(5, 1)))[0] == PromptRead(5, 1)
    assert read(frame({"delta": {"content": "x"}}, usage=FULL), frame(STOP))[0] == PromptRead(9, 4)
    assert not any(isinstance(event, PromptRead) for event in read(said(content="x"), frame(STOP, usage=FULL)))


ANY_REASON = st.sampled_from(list(FinishReason.__args__))
ENDINGS = st.none() | st.tuples(st.integers(0, 40), ANY_REASON)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """`answers`, with any finish reason, and now and then a failure that cuts the stream after a choice has begun."""
    events = [
        msgspec.structs.replace(event, finish_reason=draw(ANY_REASON)) if isinstance(event, Finished) else event
        for event in draw(answers())
    ]
    if cut := draw(ENDINGS):
        at = min(cut[0], len(events) - 1)
        return [*events[: max(at, 2)], Failed(Unavailable("gone"), cut[1])]
    return events


def write(events: list[Event], *, boundary: bool, continuous: bool) -> tuple[list[bytes], ChunkWriter]:
    writer = ChunkWriter(id="c", created=7, model="m", boundary=boundary, continuous=continuous)
    frames = [data for event in events for data in writer.write(event)]
    return frames, writer


def check_written_is_read_back(events: list[Event], boundary: bool, continuous: bool, summary: bool) -> None:
    frames, writer = write(events, boundary=boundary, continuous=continuous)
    failed = isinstance(events[-1], Failed)
    if summary and not failed:
        frames.append(writer.summary())
    again = read(*frames, done=not failed)
    fold = Fold()
    for event in again:
        if not isinstance(event, Failed):
            fold.add(event)
    assert fold.messages() == writer.fold.messages()
    assert fold.usage() == writer.fold.usage()
    assert reasons(again) == reasons(read_ends(writer))
    if isinstance(cut := events[-1], Failed):
        assert isinstance(again[-1], Failed) == any(event.finish_reason in BROKEN for event in ends(again))
        assert cut.finish_reason in {event.finish_reason for event in ends(again)} or fold.ended == started(events)


@attempts(80, 1500)
def test_what_is_written_is_read_back(count: int) -> None:
    """Text, calls, finish reasons and usage; a failure is the stream's missing last line."""
    flags = {name: st.booleans() for name in ("boundary", "continuous", "summary")}
    try_out(check_written_is_read_back, count, events=streams(), **flags)


def started(events: list[Event]) -> set[int]:
    return {event.choice for event in events if not isinstance(event, PromptRead | Failed | StepEnded | ToolResult)}


def ends(events: list[Event]) -> list[Finished]:
    return [event for event in events if isinstance(event, Finished)]


def reasons(events: list[Event]) -> dict[int, FinishReason]:
    return {event.choice: event.finish_reason for event in ends(events)}


def read_ends(writer: ChunkWriter) -> list[Event]:
    completion = writer.fold.completion(id="", created=0, model="")
    return [Finished(choice.finish_reason, Usage(), choice.index) for choice in completion.choices]


def by_choice(frames: list[bytes]) -> dict[int, list[Json]]:
    """Which choice comes next is the server's matter; what comes in each is not."""
    found: dict[int, list[Json]] = {}
    for data in frames:
        chunk = json.loads(data)
        found.setdefault(chunk["choices"][0]["index"], []).append(chunk)
    return found


def check_written_again(events: list[Event], boundary: bool) -> None:
    frames, _ = write(events, boundary=boundary, continuous=True)
    again, _ = write(read(*frames), boundary=boundary, continuous=True)
    assert by_choice(again) == by_choice(frames)


@attempts(80, 1500)
def test_a_stream_written_again_is_the_same_stream(count: int) -> None:
    """design.md, decision 2: a server in front of a server changes nothing; not the counts so far either (2.5)."""
    try_out(check_written_again, count, events=answers(), boundary=st.booleans())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.dictionaries(st.sampled_from(["role", "content", "reasoning", "reasoning_content", "tool_calls"]), JUNK)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": st.none() | st.integers(0, 2),
        "id": st.none() | st.sampled_from(["", "a", "b"]),
        "function": st.none()
        | st.fixed_dictionaries({}, optional={"name": st.none() | st.sampled_from(["", "f"]), "arguments": JUNK}),
    },
)
LOOSE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", None]),
        "content": st.none() | st.sampled_from(["", "x"]),
        "reasoning": st.none() | st.sampled_from(["", "y"]),
        "tool_calls": st.none() | st.lists(CALL, max_size=2),
    },
)


@st.composite
def loose_frames(draw: st.DrawFn) -> bytes:
    choice: Json = {
        "delta": draw(LOOSE | MEMBERS),
        "index": draw(st.integers(0, 1)),
        "finish_reason": draw(st.sampled_from([None, None, None, "", "stop", "odd"])),
    }
    return frame(choice, usage=draw(st.sampled_from([None, FULL, USAGE])))


PAYLOADS = loose_frames() | JUNK.map(lambda value: json.dumps(value).encode()) | st.binary()


def check_any_frames(payloads: list[bytes]) -> None:
    events = read(*payloads)
    order = [ReasoningDelta, ReasoningEnded, ContentDelta, ToolCallOpened, ArgumentsDelta, Finished]
    for choice in (0, 1):
        own = [
            event
            for event in events
            if not isinstance(event, PromptRead | Reasked | Failed | StepEnded | ToolResult) and event.choice == choice
        ]
        ranks = [min(order.index(type(event)), 3 + isinstance(event, Finished)) for event in own]
        assert ranks == sorted(ranks)
        assert sum(isinstance(event, ReasoningEnded) for event in own) <= 1
        opened = [event.index for event in own if isinstance(event, ToolCallOpened)]
        assert opened == list(range(len(opened)))
        for place, event in enumerate(own):
            if isinstance(event, ArgumentsDelta):
                assert any(isinstance(e, ToolCallOpened) and e.index == event.index for e in own[:place])
    assert sum(isinstance(event, PromptRead) for event in events) <= 1
    assert not any(isinstance(event, Failed) for event in events[:-1])
    assert isinstance(events[-1], Failed | Finished)


@attempts(100, 1500)
def test_any_frames_are_events_in_order(count: int) -> None:
    """Never an exception; whatever a server sends, what follows may rely on the order of events."""
    try_out(check_any_frames, count, payloads=st.lists(PAYLOADS, max_size=8))
