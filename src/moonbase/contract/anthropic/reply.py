"""Answers in the form of Anthropic's Messages API: whole, as events, and as errors (contract.md 9)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any, Literal

import msgspec

from moonbase.contract.errors import ApiError, EngineOverloaded
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
from moonbase.contract.fold import Fold, unfinished
from moonbase.contract.response import AssistantMessage

StopReason = Literal["end_turn", "max_tokens", "tool_use", "refusal"]
_STOPPED: dict[FinishReason, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
_encode = msgspec.json.Encoder().encode


class ThinkingTokens(msgspec.Struct, frozen=True):
    thinking_tokens: int


class MessageUsage(msgspec.Struct, frozen=True):
    """The three counts of input add up to the prompt."""

    input_tokens: int
    """Tokens of the prompt that were not cached."""
    cache_creation_input_tokens: int
    """Always 0: prompts are cached by themselves, at no price."""
    cache_read_input_tokens: int
    """Tokens of the prompt that were cached."""
    output_tokens: int
    """Tokens of the answer, thinking included."""
    output_tokens_details: ThinkingTokens
    service_tier: str
    inference_geo: str
    prompt_tokens: int
    """Tokens of the prompt, cached ones included."""
    cached_tokens: int
    """As `cache_read_input_tokens`."""


class ThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    """What the model thought before it answered."""

    thinking: str
    signature: str
    """A digest of the thinking. It is not looked at when it comes back."""


class TextBlock(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class ToolUseBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    """A call that the model asks for."""

    id: str
    """What the `tool_result` that answers it names."""
    name: str
    input: dict[str, Any]
    """The arguments."""


AnswerBlock = ThinkingBlock | TextBlock | ToolUseBlock


class MessageReply(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """The whole answer."""

    id: str
    role: Literal["assistant"]
    model: str
    content: list[AnswerBlock]
    """Thinking, then text, then calls."""
    stop_reason: StopReason | None
    """Why the answer ended: by itself or at a stop sequence, at its budget, or for calls to be run."""
    stop_sequence: None
    """Not said here: a stop sequence ends with `end_turn`."""
    usage: MessageUsage


class ThinkingDelta(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, tag_field="type", tag="signature_delta"):
    signature: str


class TextDelta(msgspec.Struct, frozen=True, tag_field="type", tag="text_delta"):
    text: str


class InputJsonDelta(msgspec.Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    partial_json: str
    """More of the JSON text of the arguments."""


Delta = ThinkingDelta | SignatureDelta | TextDelta | InputJsonDelta


class Stopped(msgspec.Struct, frozen=True):
    stop_reason: StopReason
    stop_sequence: None


class MessageError(msgspec.Struct, frozen=True):
    type: str
    message: str


class MessageStart(msgspec.Struct, frozen=True, tag_field="type", tag="message_start"):
    message: MessageReply


class BlockStart(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_start"):
    index: int
    content_block: AnswerBlock


class BlockDelta(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    index: int
    delta: Delta


class BlockStop(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_stop"):
    index: int


class MessageDelta(msgspec.Struct, frozen=True, tag_field="type", tag="message_delta"):
    delta: Stopped
    usage: MessageUsage


class MessageStop(msgspec.Struct, frozen=True, tag_field="type", tag="message_stop"):
    """The last event."""


class ErrorReply(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What went wrong; of a stream that has begun, its last event."""

    error: MessageError
    request_id: str
    """The request's name in the server's log."""


class TokensCounted(msgspec.Struct, frozen=True):
    input_tokens: int


StreamEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | ErrorReply


def error_reply(error: ApiError, request_id: str) -> ErrorReply:
    kind = "overloaded_error" if isinstance(error, EngineOverloaded) else _ERRORS.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "api_error"
    return ErrorReply(MessageError(kind, error.message), request_id)


def whole_message(fold: Fold, *, id: str, model: str) -> MessageReply:
    """The whole answer. A call that the budget cut off in its arguments cannot be written, and is left out.

    Raises `UnexpectedOutput` for an answer that has not ended, or has broken.
    """
    reason = _STOPPED.get(fold.finish_reason) if fold.finish_reason is not None else None
    if reason is None:
        raise unfinished()
    return MessageReply(
        id=id,
        role="assistant",
        model=model,
        content=_blocks(fold.messages()[0]),
        stop_reason=reason,
        stop_sequence=None,
        usage=_usage(fold.usage()),
    )


def _blocks(message: AssistantMessage) -> list[AnswerBlock]:
    blocks: list[AnswerBlock] = []
    if message.reasoning_content is not None:
        # Also an empty one: a client that replays the answer must be able to say that it was reasoned.
        blocks.append(ThinkingBlock(message.reasoning_content, _signature(message.reasoning_content)))
    if message.content:
        blocks.append(TextBlock(message.content))
    for call in message.tool_calls or ():
        try:
            arguments = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            continue
        blocks.append(ToolUseBlock(call.id, call.function.name, arguments))
    return blocks


def _signature(thinking: str) -> str:
    return b64encode(sha256(thinking.encode(errors="surrogatepass")).digest()).decode()


def _usage(usage: Usage) -> MessageUsage:
    return MessageUsage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        output_tokens_details=ThinkingTokens(usage.reasoning_tokens),
        service_tier="standard",
        inference_geo="not_available",
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
    )


class MessageWriter:
    """Writes one stream: each event as a frame of server-sent events. Blocks follow one another, each with a start,
    its increments and a stop."""

    def __init__(self, *, id: str, model: str, request_id: str) -> None:
        self._id, self._model, self._request_id = id, model, request_id
        self._began = False
        self._open: type[AnswerBlock] | None = None
        self._index = -1
        self._thoughts: list[str] = []
        self.fold = Fold()
        """The answer so far, as it would be if it were not streamed."""

    def write(self, event: Event) -> list[bytes]:
        """The frames that `event` becomes."""
        if not isinstance(event, Failed):
            self.fold.add(event)
        return [_frame(made) for made in self._events(event)]

    def _events(self, event: Event) -> list[StreamEvent]:
        match event:
            case ReasoningDelta():
                return [*self._think(event.text), BlockDelta(self._index, ThinkingDelta(event.text))]
            case ReasoningEnded():
                return [*self._think(), *self._stop()]
            case ContentDelta():
                if not event.text:
                    return []
                return [*self._block(TextBlock("")), BlockDelta(self._index, TextDelta(event.text))]
            case ToolCallOpened():
                return [*self._stop(), *self._block(ToolUseBlock(event.id, event.name, {}))]
            case ArgumentsDelta():
                return [BlockDelta(self._index, InputJsonDelta(event.text))]
            case Finished():
                return [*self._begin(), *self._stop(), *self._end(event)]
            case Failed():
                return [error_reply(event.error, self._request_id)]
            case PromptRead() | Reasked() | StepEnded() | ToolResult():
                return []

    def _think(self, text: str = "") -> list[StreamEvent]:
        """What is needed before more is thought."""
        first = not self._thoughts
        self._thoughts.append(text)
        return self._block(ThinkingBlock("", "")) if first or text else []

    def _end(self, event: Finished) -> list[StreamEvent]:
        reason = _STOPPED.get(event.finish_reason)
        if reason is None:
            return [error_reply(unfinished(), self._request_id)]
        return [MessageDelta(Stopped(reason, None), _usage(event.usage)), MessageStop()]

    def _begin(self) -> list[StreamEvent]:
        if self._began:
            return []
        self._began = True
        head = MessageReply(
            id=self._id,
            role="assistant",
            model=self._model,
            content=[],
            stop_reason=None,
            stop_sequence=None,
            usage=_usage(self.fold.usage()),
        )
        return [MessageStart(head)]

    def _block(self, block: AnswerBlock) -> list[StreamEvent]:
        """An open block of the kind of `block`: begun with that, where another is open or none."""
        if self._open is type(block):
            return []
        events = [*self._begin(), *self._stop()]
        self._open = type(block)
        self._index += 1
        return [*events, BlockStart(self._index, block)]

    def _stop(self) -> list[StreamEvent]:
        """The open block is closed, where there is one."""
        if self._open is None:
            return []
        signed: list[StreamEvent] = []
        if self._open is ThinkingBlock:
            signature = _signature("".join(self._thoughts))
            signed = [BlockDelta(self._index, SignatureDelta(signature))]
        self._open = None
        return [*signed, BlockStop(self._index)]


def _frame(event: StreamEvent) -> bytes:
    name: Any = event.__struct_config__.tag
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(event))
