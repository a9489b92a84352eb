"""Answers in the form of the Responses API: the whole response, and the events of a stream."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from moonbase.contract.events import FinishReason, Usage
from moonbase.contract.responses.body import CacheOptions, ResponsesBody
from moonbase.contract.responses.tools import ResponsesTool

Status = Literal["in_progress", "completed", "incomplete", "failed"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class SummaryText(msgspec.Struct, frozen=True, tag_field="type", tag="summary_text"):
    text: str


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


class ReasoningItem(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    """What the model thought, in clear. A client sends it back as it is."""

    id: str
    summary: list[SummaryText]
    """One text; none where the thought is empty."""
    encrypted_content: None
    status: ItemStatus


class MessageItem(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    id: str
    role: Literal["assistant"]
    content: list[OutputText]
    status: ItemStatus


class FunctionCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call that the client is to run."""

    id: str
    call_id: str
    """What the `function_call_output` that answers it names."""
    name: str
    arguments: str
    """JSON text."""
    status: ItemStatus
    namespace: str | UnsetType = UNSET


class CustomCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    """A call of `apply_patch` that the client is to run."""

    id: str
    call_id: str
    name: str
    input: str
    status: ItemStatus
    namespace: str | UnsetType = UNSET


class SearchSource(msgspec.Struct, frozen=True, tag_field="type", tag="url"):
    """A page that a search has found."""

    url: str
    title: str


class SearchAction(msgspec.Struct, frozen=True, tag_field="type", tag="search"):
    query: str
    sources: list[SearchSource] | UnsetType = UNSET
    """With `web_search_call.action.sources` in `include`: what the search has found, best first."""


class SearchCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="web_search_call"):
    """A search that the server has made."""

    id: str
    status: ItemStatus
    action: SearchAction


OutputItem = ReasoningItem | MessageItem | FunctionCallItem | CustomCallItem | SearchCallItem


class InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int = 0
    """Always 0: prompts are cached by themselves, at no price."""


class OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    """Tokens of the prompt, cached ones included."""
    input_tokens_details: InputDetails
    output_tokens: int
    """Tokens of the answer, thoughts included."""
    output_tokens_details: OutputDetails
    total_tokens: int


class Incomplete(msgspec.Struct, frozen=True):
    reason: Literal["max_output_tokens", "content_filter"]


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class ResponseReply(msgspec.Struct, frozen=True):
    """The response: of a stream's last event, and of a request without a stream, the whole of it."""

    id: str
    object: Literal["response"]
    created_at: int
    """Unix time in seconds."""
    completed_at: int | None
    status: Status
    error: ResponseError | None
    incomplete_details: Incomplete | None
    """Why it is incomplete."""
    model: str
    output: list[OutputItem]
    usage: ResponseUsage | None
    instructions: str | None
    reasoning: dict[str, Any]
    text: dict[str, Any]
    tools: list[ResponsesTool]
    tool_choice: str | dict[str, Any]
    max_output_tokens: int
    temperature: float
    top_p: float
    prompt_cache_options: CacheOptions
    metadata: dict[str, Any] = {}
    parallel_tool_calls: bool = True
    service_tier: str = "default"
    truncation: str = "disabled"
    store: bool = False
    """Nothing is kept."""
    background: bool = False
    previous_response_id: None = None
    conversation: None = None


EventType = Literal[
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
    "response.web_search_call.completed",
    "response.completed",
    "response.incomplete",
    "response.failed",
]


class ResponseEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a stream. Which members it has depends on its type."""

    type: EventType
    sequence_number: int
    """Counts the events of a stream from 0."""
    response: ResponseReply | UnsetType = UNSET
    """How the response stands."""
    item_id: str | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    """Which item of the output it is about."""
    content_index: int | UnsetType = UNSET
    summary_index: int | UnsetType = UNSET
    item: OutputItem | UnsetType = UNSET
    part: OutputText | SummaryText | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    """More of a text."""
    text: str | UnsetType = UNSET
    """A whole text."""
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    input: str | UnsetType = UNSET
    logprobs: list[Any] | UnsetType = UNSET


class Head(msgspec.Struct, frozen=True):
    """What a response says however it goes: its name, and what was asked."""

    id: str
    created: int
    model: str
    body: ResponsesBody
    max_tokens: int
    temperature: float
    top_p: float
    effort: str | None

    def response(
        self,
        status: Status,
        output: list[OutputItem],
        *,
        usage: Usage | None = None,
        completed: int | None = None,
        reason: FinishReason | None = None,
        error: ResponseError | None = None,
    ) -> ResponseReply:
        """The response as it stands. `reason`: why it ended, where it is incomplete; `completed`: when it did."""
        body = self.body
        cut = "content_filter" if reason == "content_filter" else "max_output_tokens"
        return ResponseReply(
            id=self.id,
            object="response",
            created_at=self.created,
            completed_at=completed,
            status=status,
            error=error,
            incomplete_details=Incomplete(cut) if status == "incomplete" else None,
            model=self.model,
            output=output,
            usage=None if usage is None else _usage(usage),
            instructions=body.instructions,
            reasoning={"effort": self.effort, "summary": None},
            text={"format": {"type": "text"} if body.text is None or body.text.format is None else body.text.format},
            tools=body.tools or [],
            tool_choice="auto" if body.tool_choice is None else body.tool_choice,
            max_output_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            prompt_cache_options=body.prompt_cache_options or CacheOptions(),
        )


def _usage(usage: Usage) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputDetails(usage.cached_tokens),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputDetails(usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
