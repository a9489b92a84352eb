"""Events to the stream of a response; the whole response is the last of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from moonbase.contract.errors import ApiError
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
)
from moonbase.contract.fold import Fold, unfinished
from moonbase.contract.response import AssistantMessage
from moonbase.contract.responses.reply import (
    CustomCallItem,
    EventType,
    FunctionCallItem,
    Head,
    ItemStatus,
    MessageItem,
    OutputItem,
    OutputText,
    ReasoningItem,
    ResponseError,
    ResponseEvent,
    ResponseReply,
    SearchAction,
    SearchCallItem,
    SearchSource,
    Status,
    SummaryText,
)
from moonbase.contract.responses.tools import WEB_SEARCH, Called, argument_text

_ENDED: dict[FinishReason, Status] = {
    "stop": "completed",
    "tool_calls": "completed",
    "length": "incomplete",
    "content_filter": "incomplete",
}
_encode = msgspec.json.Encoder().encode
Sources = Callable[[str], list[SearchSource]]


class _Open:
    """The item that is being written: what it is, and its text so far."""

    def __init__(self, kind: str, call: ToolCallOpened | None = None, called: Called | None = None) -> None:
        self.kind, self.call = kind, call
        self.called = called or Called("")
        self.id = f"{_PREFIXES[kind]}_{random.getrandbits(96):024x}"
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def item(self, status: ItemStatus) -> OutputItem:
        text, call, called = self.text, self.call, self.called
        if self.kind == "reasoning":
            return ReasoningItem(self.id, [SummaryText(text)] if text else [], None, status)
        if self.kind == "message":
            return MessageItem(self.id, "assistant", [OutputText(text)] if status != "in_progress" else [], status)
        if self.kind == WEB_SEARCH:
            return SearchCallItem(self.id, status, SearchAction(_query(text)))
        namespace = UNSET if called.namespace is None else called.namespace
        call_id = "" if call is None else call.id
        if self.kind == "custom":
            return CustomCallItem(self.id, call_id, called.name, argument_text(text) if text else "", status, namespace)
        return FunctionCallItem(self.id, call_id, called.name, text, status, namespace)


_PREFIXES = {"reasoning": "rs", "message": "msg", "function": "fc", "custom": "ctc", WEB_SEARCH: "ws"}


class ResponseWriter:
    """Writes one stream. `names`: what is called, by the name that the model knows it by; `clock` gives Unix time;
    `sources`: what was found, by the query, where the client wants to know."""

    def __init__(
        self, head: Head, names: Mapping[str, Called], clock: Callable[[], float], sources: Sources | None = None
    ) -> None:
        self._head, self._names, self._clock, self._sources = head, names, clock, sources
        self._began = self._thought = False
        self._count = 0
        self._open: _Open | None = None
        self._output: list[OutputItem] = []
        self._searches: dict[str, tuple[int, _Open]] = {}
        self.last: ResponseReply | None = None
        """The whole response, once it has ended."""
        self.fold = Fold()
        """The answer so far, as it would be if it were not streamed."""

    def write(self, event: Event) -> list[bytes]:
        """The frames that `event` becomes."""
        return [_frame(made) for made in self.events(event)]

    def events(self, event: Event) -> list[ResponseEvent]:
        """What `event` becomes."""
        if not isinstance(event, Failed):
            self.fold.add(event)
        match event:
            case ReasoningDelta():
                self._thought = True
                return [*self._ready("reasoning"), *self._more(event.text)]
            case ReasoningEnded():
                # Also an empty one: a client that replays the answer must be able to say that it was reasoned. It stays
                # open until something follows, for it may have been cut.
                events = [] if self._thought else self._ready("reasoning")
                self._thought = True
                return events
            case ContentDelta():
                return [*self._ready("message"), *self._more(event.text)] if event.text else []
            case ToolCallOpened():
                return [*self._done(), *self._begin_call(event)]
            case ArgumentsDelta():
                return self._more(event.text)
            case StepEnded():
                self._thought = False
                return self._done()
            case Finished():
                return self._end(event)
            case Failed():
                return [*self._begin(), *self._fail(event.error)]
            case ToolResult():
                return self._searched(event.id, "completed")
            case PromptRead() | Reasked():
                return []

    def _begin(self) -> list[ResponseEvent]:
        if self._began:
            return []
        self._began = True
        response = self._head.response("in_progress", [])
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def _ready(self, kind: str) -> list[ResponseEvent]:
        """An open item of the kind: begun, where another is open or none."""
        if self._open is not None and self._open.kind == kind:
            return []
        return [*self._done(), *self._begin_item(_Open(kind))]

    def _begin_call(self, event: ToolCallOpened) -> list[ResponseEvent]:
        called = self._names.get(event.name) or Called(event.name)
        events = self._begin_item(_Open(called.kind, event, called))
        if called.kind != WEB_SEARCH:
            return events
        return [*events, self._about("response.web_search_call.in_progress")]

    def _begin_item(self, item: _Open) -> list[ResponseEvent]:
        events = self._begin()
        self._open = item
        at = len(self._output)
        events.append(self._event("response.output_item.added", output_index=at, item=item.item("in_progress")))
        if item.kind == "reasoning":
            part = SummaryText("")
            events.append(self._about("response.reasoning_summary_part.added", summary_index=0, part=part))
        elif item.kind == "message":
            events.append(self._about("response.content_part.added", content_index=0, part=OutputText("")))
        return events

    def _more(self, text: str) -> list[ResponseEvent]:
        """More of the open item's text."""
        item = self._open
        if item is None or not text:
            return []
        item.texts.append(text)
        if item.kind == "reasoning":
            return [self._about("response.reasoning_summary_text.delta", summary_index=0, delta=text)]
        if item.kind == "message":
            return [self._about("response.output_text.delta", content_index=0, delta=text, logprobs=[])]
        if item.kind == "function":
            return [self._about("response.function_call_arguments.delta", delta=text)]
        return []  # the JSON around a text that is no JSON for the client

    def _done(self, status: ItemStatus = "completed") -> list[ResponseEvent]:
        """The open item is whole, where there is one."""
        item = self._open
        if item is None:
            return []
        if item.kind == WEB_SEARCH and item.call is not None:
            events = [self._about("response.web_search_call.searching")]
            self._searches[item.call.id] = len(self._output), item
            self._output.append(item.item("in_progress"))
        else:
            made = item.item(status)
            events = [*self._whole(item, made), self._about("response.output_item.done", item=made)]
            self._output.append(made)
        self._open = None
        return events

    def _searched(self, id: str, status: ItemStatus) -> list[ResponseEvent]:
        """A search is over, where the call of this id is one."""
        if id not in self._searches:
            return []
        at, item = self._searches.pop(id)
        made = item.item(status)
        if isinstance(made, SearchCallItem) and status == "completed" and self._sources is not None:
            made = replace(made, action=replace(made.action, sources=self._sources(made.action.query)))
        self._output[at] = made
        events: list[ResponseEvent] = []
        if status == "completed":
            events = [self._event("response.web_search_call.completed", item_id=item.id, output_index=at)]
        return [*events, self._event("response.output_item.done", output_index=at, item=made)]

    def _whole(self, item: _Open, made: OutputItem) -> list[ResponseEvent]:
        """What says that the text of the open item is whole."""
        match made:
            case ReasoningItem():
                return [
                    self._about("response.reasoning_summary_text.done", summary_index=0, text=item.text),
                    self._about("response.reasoning_summary_part.done", summary_index=0, part=SummaryText(item.text)),
                ]
            case MessageItem():
                return [
                    self._about("response.output_text.done", content_index=0, text=item.text, logprobs=[]),
                    self._about("response.content_part.done", content_index=0, part=OutputText(item.text)),
                ]
            case FunctionCallItem():
                return [self._about("response.function_call_arguments.done", name=made.name, arguments=made.arguments)]
            case CustomCallItem():
                return [
                    self._about("response.custom_tool_call_input.delta", delta=made.input),
                    self._about("response.custom_tool_call_input.done", input=made.input),
                ]
            case SearchCallItem():
                return []

    def _end(self, event: Finished) -> list[ResponseEvent]:
        status = _ENDED.get(event.finish_reason)
        if status is None:
            return [*self._begin(), *self._fail(unfinished())]
        events = [*self._begin(), *self._done("completed" if status == "completed" else "incomplete")]
        for search in list(self._searches):  # beside calls that the client is to run first
            events += self._searched(search, "incomplete")
        now = int(self._clock())
        self.last = self._head.response(
            status, self._output, usage=event.usage, completed=now, reason=event.finish_reason
        )
        kind: EventType = "response.completed" if status == "completed" else "response.incomplete"
        return [*events, self._event(kind, response=self.last)]

    def _fail(self, error: ApiError) -> list[ResponseEvent]:
        told = ResponseError(error.type, error.message)
        usage = self.fold.usage() if self.fold.began else None
        failed = self._head.response("failed", self._output, usage=usage, error=told)
        return [self._event("response.failed", response=failed)]

    def _about(self, kind: EventType, **members: Any) -> ResponseEvent:
        """An event about the open item."""
        item_id = UNSET if kind == "response.output_item.done" or self._open is None else self._open.id
        return self._event(kind, item_id=item_id, output_index=len(self._output), **members)

    def _event(self, kind: EventType, **members: Any) -> ResponseEvent:
        event = ResponseEvent(kind, self._count, **members)
        self._count += 1
        return event


def whole_response(
    fold: Fold,
    head: Head,
    names: Mapping[str, Called],
    clock: Callable[[], float],
    sources: Sources | None = None,
) -> ResponseReply:
    """The response of an answer that was not streamed: what its stream would have ended with.

    Raises `UnexpectedOutput` for an answer that has not ended, or has broken.
    """
    writer = ResponseWriter(head, names, clock, sources)
    for event in _again(fold):
        writer.events(event)
    if writer.last is None:
        raise unfinished()
    return writer.last


def _again(fold: Fold) -> Iterator[Event]:
    """The events of an answer, as few as there can be."""
    calls = 0
    for step in fold.steps:
        yield from _told(step.message, calls)
        calls += len(step.message.tool_calls or ())
        yield step.end
        yield from step.results
    if fold.finish_reason is not None:
        yield from _told(fold.messages()[0], calls)
        yield Finished(fold.finish_reason, fold.usage())


def _told(message: AssistantMessage, calls: int) -> Iterator[Event]:
    if message.reasoning_content is not None:
        if message.reasoning_content:
            yield ReasoningDelta(message.reasoning_content)
        yield ReasoningEnded()
    if message.content:
        yield ContentDelta(message.content)
    for index, call in enumerate(message.tool_calls or (), calls):
        yield ToolCallOpened(index, call.id, call.function.name)
        yield ArgumentsDelta(index, call.function.arguments)


def _query(arguments: str) -> str:
    """What was searched for, as far as it is known yet."""
    try:
        return str(msgspec.json.decode(arguments or "{}", type=dict[str, Any]).get("query", ""))
    except (msgspec.DecodeError, RecursionError):
        return ""


def _frame(event: ResponseEvent) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.type.encode(), _encode(event))
