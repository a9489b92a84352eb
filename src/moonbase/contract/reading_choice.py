"""One choice of a stream that is read: its deltas to events, in the order that `events` asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

import msgspec
from msgspec.structs import replace

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.reading_logprobs import read_logprobs

_REASONS: frozenset[str] = frozenset(get_args(FinishReason))
_ALIASES: dict[str, FinishReason] = {
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    # TGI's own; Anthropic's, through gateways. Google's are the same in capitals.
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    # DeepSeek's.
    "insufficient_system_resource": "engine_overloaded",
    # An engine that gave the request up (vLLM, SGLang: abort; llama-cpp-python: error).
    "abort": "server_interrupted",
    "error": "unexpected_state",
}


class FunctionDelta(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: Any = None


class CallDelta(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Internal(msgspec.Struct, frozen=True):
    token_ids: Any = None


class Delta(msgspec.Struct, frozen=True):
    """A delta as others write it: any member may be absent or null."""

    role: str | None = None
    internal_content: Internal | None = None
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: list[CallDelta | None] | None = None

    def joined(self) -> Delta:
        """With one text for the parts of a content that comes in parts (Mistral's, and some gateways), and with what
        OpenAI's models say in place of an answer that they refuse."""
        said, thought = (self.content, None) if isinstance(self.content, str) else _parts(self.content)
        refusal = self.refusal if isinstance(self.refusal, str) else ""
        told = self if thought is None else replace(self, reasoning_content=None, reasoning=thought)
        return replace(told, content=said + refusal, refusal=None)

    def thought(self) -> str | None:
        """The reasoning, under whichever name; "" is reasoned, but empty, and None nothing of it (contract.md 9A)."""
        first, second = self.reasoning_content, self.reasoning
        if not isinstance(second, str) or (first and isinstance(first, str)):
            return first if isinstance(first, str) else None
        return second

    def said(self) -> str:
        return self.content if isinstance(self.content, str) else ""

    def whole(self) -> Delta:
        """A message as the one delta of its answer: without the role, beside which an empty reasoning would say
        nothing, and with its calls numbered."""
        calls = [call for call in self.tool_calls or () if call is not None]
        numbered: list[CallDelta | None] = [
            CallDelta(index, call.id, call.function) for index, call in enumerate(calls)
        ]
        return replace(self, role=None, tool_calls=numbered)


class _Call:
    """A tool call on its way in. It opens with its name, and what came before that waits."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.index: int | None = None
        self.waiting = ""
        self.arguments: list[str] = []

    def is_other(self, delta: CallDelta) -> bool:
        """Whether `delta`, which stands at the place of this open call, begins another: by its id; by its name, where
        every call has the same id or none; or because it has more arguments, and without an id, behind whole ones."""
        function = delta.function
        if self.index is None or function is None or not function.name:
            return False
        if (delta.id and delta.id != self.id) or function.name != self.name:
            return True
        return not delta.id and bool(_json_text(function.arguments).strip()) and _is_whole("".join(self.arguments))


class ChoiceReader:
    """`read` the deltas; the end waits for its counts (`waiting`) until they come or `finish` is told them."""

    def __init__(
        self, index: int, call_id: Callable[[str, int], str], *, opened: int = 0, counts: Usage | None = None
    ) -> None:
        self.counts: Usage = counts or Usage()
        """What has been reported so far; after the end, the choice's own."""
        self.reason: FinishReason | None = None
        self.ended = False
        self._index = index
        self._call_id = call_id
        self._calls: dict[int, _Call] = {}
        self._opened = opened
        self._reasoned = self._answered = False
        self._closing: tuple[int, int] | None = None
        self._tokens: int = 0
        self._thought: int = 0
        self._told = False
        self._inferred: int = 0
        self._ids: tuple[int, ...] = ()
        self._closing_ids: tuple[int, ...] = ()

    @property
    def waiting(self) -> bool:
        """Ended, but for its counts."""
        return self.reason is not None and not self.ended

    def read(
        self, delta: Delta, reason: str | None, counts: Usage | None, logprobs: Any = None, token_ids: Any = None
    ) -> list[Event]:
        """What a frame of this choice comes to; `counts` are those so far or, with a `reason`, the choice's own."""
        if self.reason is not None:
            return [self.finish(counts)] if counts is not None and self.waiting else []
        if delta.refusal or isinstance(delta.content, list):
            delta = delta.joined()
        if token_ids is not None or delta.internal_content is not None:
            self._ids += _ids(token_ids) or _ids(delta.internal_content and delta.internal_content.token_ids)
        if counts is not None:
            self._count(counts, thinking=bool(delta.thought() and not delta.content and not delta.tool_calls))
        events = self._reasoning(delta)
        if delta.content:
            events += self._content(delta.said(), logprobs)
        for call in delta.tool_calls or ():
            if call is not None:
                events += self._call(call)
        if reason is None:
            return events
        self.reason = as_reason(reason)
        events += self._late_closing()
        return events if counts is None else [*events, self.finish(counts)]

    def more(self, text: str, counts: Usage | None = None) -> ContentDelta | ReasoningDelta:
        """What `read` gives for a delta like the last one, that was of one text and came to one event of it."""
        tokens = 0  # those counted so far went out with the last one
        if counts is not None:
            self._count(counts, thinking=not self._answered)
            tokens = self._spend() if self._answered else self._spend_thought()
        return (ContentDelta if self._answered else ReasoningDelta)(text, tokens, self._index)

    def next_step(self) -> tuple[list[Event], ChoiceReader]:
        """The server runs the calls of what has been read, and asks the model anew: what is left to tell, and the
        reader of what follows."""
        return self._late_closing(), ChoiceReader(self._index, self._call_id, opened=self._opened, counts=self.counts)

    def _late_closing(self) -> list[Event]:
        """The end of reasoning after which nothing came."""
        if self._closing is None:
            return []
        return [ReasoningEnded(self._closing[0], self._index, self._closing[1], self._closing_ids)]

    def finish(self, counts: Usage) -> Finished:
        """The end of the choice, whose own counts are `counts`."""
        if self._inferred and not counts.reasoning_tokens:
            counts = replace(counts, reasoning_tokens=min(self._inferred, counts.completion_tokens))
        self.ended, self.counts = True, counts
        return Finished(self.reason or "unknown", counts, self._index, self._take_ids())

    def _count(self, counts: Usage, *, thinking: bool) -> None:
        """Tokens since the last frame; they go out with the next event that can carry them. Where the server does not
        say which are of reasoning, those are that come with reasoning and nothing else (`thinking`)."""
        tokens = max(counts.completion_tokens - self.counts.completion_tokens, 0)
        self._tokens += tokens
        self._told = self._told or counts.reasoning_tokens > 0
        if self._told:
            self._thought += max(counts.reasoning_tokens - self.counts.reasoning_tokens, 0)
        elif thinking:
            self._thought += tokens
            self._inferred += tokens
        self.counts = counts

    def _take_ids(self) -> tuple[int, ...]:
        ids, self._ids = self._ids, ()
        return ids

    def _spend(self) -> int:
        tokens, self._tokens, self._thought = self._tokens, 0, 0
        return tokens

    def _spend_thought(self) -> int:
        tokens = min(self._thought, self._tokens)
        self._tokens, self._thought = self._tokens - tokens, 0
        return tokens

    def _reasoning(self, delta: Delta) -> list[Event]:
        """An empty text closes the reasoning, unless it stands beside the role, or more of it follows: some servers
        write one for a torn character. So the end is told with whatever comes next."""
        text = delta.thought()
        if text is None or self._answered or (not text and delta.role is not None):
            return []
        if not text:
            before = self._closing or (0, 0)
            self._closing = (before[0] + self._tokens, before[1] + self._thought)
            self._spend()
            self._closing_ids += self._take_ids()
            return []
        self._reasoned = True
        if self._closing is not None:
            self._tokens, self._thought = self._tokens + self._closing[0], self._thought + self._closing[1]
            self._ids, self._closing_ids = self._closing_ids + self._ids, ()
            self._closing = None
        return [ReasoningDelta(text, self._spend_thought(), self._index, self._take_ids())]

    def _close_reasoning(self) -> list[Event]:
        """The end of the reasoning, if there was any; with it go the tokens of reasoning that none has carried yet."""
        self._answered = True
        if self._closing is None and not self._reasoned:
            return []
        tokens, thought = self._closing or (0, 0)
        late = min(self._thought, self._tokens)
        self._tokens, self._thought, self._closing, self._reasoned = self._tokens - late, 0, None, False
        ids, self._closing_ids = self._closing_ids, ()
        return [ReasoningEnded(tokens + late, self._index, thought + late, ids)]

    def _content(self, text: str, logprobs: Any) -> list[Event]:
        if not text or self._calls:
            return []
        tokens = read_logprobs(logprobs) if logprobs is not None else ()
        return [*self._close_reasoning(), ContentDelta(text, self._spend(), self._index, self._take_ids(), tokens)]

    def _call(self, delta: CallDelta) -> list[Event]:
        call = self._find(delta)
        events = self._close_reasoning()
        function = delta.function or FunctionDelta()
        text = _json_text(function.arguments)
        if call.index is None:
            call.id = call.id or delta.id or ""
            if not function.name:
                call.waiting += text
                return events
            call.index, self._opened = self._opened, self._opened + 1
            id = call.id or self._call_id(function.name, call.index)
            events.append(ToolCallOpened(call.index, id, function.name, self._spend(), self._index, self._take_ids()))
            call.id, call.name, text = id, function.name, call.waiting + text
        if text:
            call.arguments.append(text)
            events.append(ArgumentsDelta(call.index, text, self._spend(), self._index, self._take_ids()))
        return events

    def _find(self, delta: CallDelta) -> _Call:
        """The call that `delta` is of; known by its id where the index is absent, or is 0 for every call."""
        key = delta.index if delta.index is not None else self._by_id(delta.id)
        found = self._calls.get(key)
        if found is None or found.is_other(delta):
            self._calls.pop(key, None)
            found = self._calls[key] = _Call()
        return found

    def _by_id(self, id: str | None) -> int:
        if not id:
            return next(reversed(self._calls), 0)
        known = (key for key, call in self._calls.items() if call.id == id)
        return next(known, len(self._calls))


def as_reason(reason: str) -> FinishReason:
    """A finish reason as others write it."""
    reason = reason.lower()
    return _ALIASES.get(reason) or (cast("FinishReason", reason) if reason in _REASONS else "unknown")


def _parts(content: Any) -> tuple[str, str | None]:
    """The text of a content in parts, and the reasoning in it: of Mistral, `{"type": "thinking", "thinking": [...]}`;
    of Databricks, `{"type": "reasoning", "summary": [...]}`."""
    said, thought = "", None
    for part in cast("list[Any]", content) if isinstance(content, list) else ():
        match part:
            case str(text) | {"type": "text" | "output_text" | "summary_text", "text": str(text)}:
                said += text
            case {"type": "thinking", "thinking": inner} | {"type": "reasoning", "summary": inner}:
                thought = (thought or "") + (inner if isinstance(inner, str) else _parts(inner)[0])
            case _:
                pass
    return said, thought


def _json_text(arguments: Any) -> str:
    """Arguments as JSON text; some servers send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _is_whole(arguments: str) -> bool:
    """Whether they are a JSON object, so that nothing can follow."""
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def _ids(value: Any) -> tuple[int, ...]:
    """None where they are not a list of whole numbers."""
    try:
        return msgspec.convert(value, tuple[int, ...])
    except msgspec.ValidationError:
        return ()
