"""What leaves the server: whole answers and usage, as they travel (contract.md 2.1, 2.2)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from moonbase.contract.events import FinishReason, Usage
from moonbase.contract.logprobs import Logprobs
from moonbase.contract.messages import ToolCall


class CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class UsageBody(msgspec.Struct, frozen=True):
    """`usage` on the wire: the flat `cached_tokens` and the nested forms, both (contract.md 2.2)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int
    completion_tokens_details: CompletionDetails
    prompt_tokens_details: PromptDetails


class AssistantMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer's message. `reasoning_content` is absent when thinking was off; `tool_calls` when there are none."""

    role: str = msgspec.field(default="")
    content: str | None = msgspec.field(default=None)
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct, frozen=True):
    """`logprobs` is absent where none were asked for, or there is no content."""

    index: int
    message: AssistantMessage
    finish_reason: FinishReason
    logprobs: Logprobs | UnsetType = UNSET


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer that is not streamed."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: UsageBody


def usage_body(usage: Usage) -> UsageBody:
    return UsageBody(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens_details=CompletionDetails(usage.reasoning_tokens),
        prompt_tokens_details=PromptDetails(usage.cached_tokens),
    )
