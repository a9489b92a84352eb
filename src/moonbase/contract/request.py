"""A chat request: as it travels (`ChatBody`), and as engines take it (`ChatRequest`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
from msgspec.structs import astuple, replace

from moonbase.contract.cards import ModelCard, Pin, Range, SamplingPolicy
from moonbase.contract.decoding import convert, decode
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.known_tools import KnownTools, read_tools
from moonbase.contract.logprobs import MAX_TOP
from moonbase.contract.media import Media, read_media
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.messages import Message, Part, check_conversation
from moonbase.contract.mfjs import Level, check_response_format
from moonbase.contract.thinking import Thinking, ThinkingControl, resolve_thinking
from moonbase.contract.tools import Tool, ToolChoice, check_tools, flattened, resolve_tool_choice
from moonbase.contract.tracing import Trace

MAX_STOPS = 5
MAX_STOP_BYTES = 32
DEFAULT_STEPS = 16
LEAST_STEPS, MOST_STEPS = 2, 100
_PARAMETERS = ("temperature", "n", "top_p", "presence_penalty", "frequency_penalty")
_SEEDS = 2**63
"""Engines take seeds of 64 bits; a longer one stands for its remainder."""


class StreamOptions(msgspec.Struct, frozen=True):
    """`continuous_usage_stats`: the counts so far on every frame. `include_internal_content`: the ids of the generated
    tokens on every increment (contract.md 2.5)."""

    include_usage: bool | None = None
    """One more frame with the counts of the whole request, before `[DONE]`."""
    continuous_usage_stats: bool | None = None
    """The counts so far, on every frame."""
    include_internal_content: bool | None = None
    """The ids of the generated tokens, on every increment."""


class ResponseFormat(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class Prediction(msgspec.Struct, frozen=True):
    """Text that the client expects in the answer: a hint that could only make it faster, so no engine reads it."""

    type: Literal["content"]
    content: str | list[Part]


class ChatBody(msgspec.Struct, frozen=True):
    """The body of `POST /v1/chat/completions` (contract.md 1.1). Unknown members are ignored there, so here too."""

    model: str
    """A name out of `GET /v1/models`."""
    messages: list[Message]
    """The conversation, oldest message first."""
    max_completion_tokens: int | None = None
    """The most tokens to generate, reasoning and content together."""
    max_tokens: int | None = None
    """The older name of `max_completion_tokens`, which wins where both are sent."""
    stream: bool | None = None
    """Whether the answer comes in frames, as it is made."""
    stream_options: StreamOptions | None = None
    """What a stream tells beside the answer."""
    stop: str | list[str] | None = None
    """Up to 5 texts of up to 32 bytes that end the content; they are not part of it."""
    tools: list[Tool] | None = None
    """The functions that the model may call."""
    tool_choice: str | dict[str, Any] | None = None
    """Whether the model may, must not or must call a tool, or which one; what goes with thinking depends on the
    model."""
    thinking: ThinkingControl | None = None
    """Whether the model thinks, and what it sees of earlier thoughts."""
    reasoning_effort: str | None = None
    """How hard to think, for models with that choice."""
    response_format: dict[str, Any] | None = None
    """What form the content takes. Reasoning stays free text."""
    temperature: float | None = None
    """Locked by most models: then only their own value is taken, in either thinking mode."""
    top_p: float | None = None
    """Locked by most models, as `temperature`."""
    n: int | None = None
    """How many answers; locked to 1 by most models."""
    presence_penalty: float | None = None
    """Locked to 0 by most models."""
    frequency_penalty: float | None = None
    """Locked to 0 by most models."""
    logprobs: bool | None = None
    """Whether the log probabilities of the tokens are wanted."""
    top_logprobs: int | None = None
    """For how many tokens at each place, up to 20; needs `logprobs`."""
    seed: int | None = None
    """Makes the draw of tokens repeatable, where the engine can."""
    prompt_cache_key: str | None = None
    """A session or task, whose requests find each other's cached prompt."""
    safety_identifier: str | None = None
    """A hashed name of the end user. Accepted, and not used."""
    prediction: Prediction | None = None
    """What much of the answer is expected to be. Its shape is checked; it changes nothing."""
    formulas: list[str] | None = None
    """An extension of this server: formulas by URI, in place of `tools`. The server runs their calls itself, and the
    answer tells of it in `x_moonbase`."""
    max_steps: int | None = None
    """With `formulas`: how often the model may be asked, 16 times unless told otherwise; the last time it must
    answer."""


class _Unread(ChatBody, frozen=True):
    """A body whose tools are JSON still."""

    tools: msgspec.Raw = msgspec.Raw()  # pyright: ignore[reportIncompatibleVariableOverride]


_decode_unread = msgspec.json.Decoder(_Unread).decode
_TOOLS = ChatBody.__struct_fields__.index("tools")


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn. `seed` None draws a fresh one."""

    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None


class ChatRequest(msgspec.Struct, frozen=True, dict=True):
    """A request that has been checked against its card: every rule of the contract holds for it.

    `logprobs`: how many alternatives to list beside each token of the content; None where none are asked for.
    `token_ids`: the events carry the ids of the tokens. `streams`: the client reads the answer as it is made; where it
    does not, an engine may yield it in few large events. `background`: nobody waits for it, so an engine where requests
    wait for each other puts it behind others. `trace`: what other servers that take part in the answer are told.
    """

    model: str
    card: ModelCard
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    thinking: Thinking
    sampling: Sampling
    max_tokens: int
    n: int = 1
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    cache_key: str | None = None
    media: tuple[Media, ...] = ()
    """The images and videos of the messages, decoded, in the order of their parts."""
    logprobs: int | None = None
    token_ids: bool = False
    streams: bool = False
    background: bool = False
    trace: Trace | None = None

    @cached_property
    def declared(self) -> tuple[Tool, ...]:
        """Every tool that may be called at the end of the conversation: the request's, and those of its messages."""
        brought = [message.tools for message in self.messages if message.tools]
        return (*self.tools, *(tool for tools in brought for tool in tools)) if brought else self.tools

    @cached_property
    def calls_made(self) -> int:
        """Tool calls already in the conversation; ids that we issue count on from here (contract.md 2.3)."""
        return sum([len(message.tool_calls) for message in self.messages if message.tool_calls])


def decode_chat_body(data: bytes) -> ChatBody:
    """Parse a body; raises `InvalidRequest` that names the field, what was expected and what came."""
    try:
        body = _decode_unread(data)
        sent = bytes(body.tools)
        members: list[Any] = list(astuple(body))
        members[_TOOLS] = read_tools(sent) if sent else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode(data, ChatBody)  # which says where it is wrong
    return ChatBody(*members)


def resolve(
    body: ChatBody,
    card: ModelCard,
    level: Level = "strict",
    *,
    sees: Collection[MediaKind] = (),
    thinking: Thinking | None = None,
    trace: Trace | None = None,
) -> ChatRequest:
    """Check `body` against `card` and fill in its defaults; raises `InvalidRequest`. Schemas are checked at `level`;
    `sees` is what the model that serves can be shown; `thinking` what the body's controls come to, from a caller that
    had to know it before. Takes a second for 100 MB of images: keep that off a loop."""
    if thinking is None:
        thinking = resolve_thinking(card, body.thinking, body.reasoning_effort)
    check_conversation(body.messages, thinking=thinking.enabled, dynamic_tools=card.dynamic_tools)
    media = read_media(body.messages, sees)
    tools, declared = _resolve_tools(body, level)
    _check_prediction(body.prediction)
    sampling, n = _resolve_sampling(body, card.sampling, thinking=thinking.enabled)
    return ChatRequest(
        model=body.model,
        card=card,
        messages=tuple(body.messages),
        tools=tools,
        tool_choice=resolve_tool_choice(
            body.tool_choice,
            declared,
            thinking=thinking.enabled,
            requires_while_thinking=card.requires_while_thinking,
        ),
        thinking=thinking,
        sampling=sampling,
        max_tokens=_resolve_budget(body, card),
        n=n,
        stop=_resolve_stop(body.stop),
        response_format=_resolve_format(body, level),
        cache_key=body.prompt_cache_key,
        media=media,
        logprobs=_resolve_logprobs(body, card),
        token_ids=bool(body.stream and body.stream_options and body.stream_options.include_internal_content),
        streams=bool(body.stream),
        trace=trace,
    )


def _resolve_tools(body: ChatBody, level: Level) -> tuple[tuple[Tool, ...], Sequence[Tool]]:
    """The request's tools, and all that it declares, those that its messages bring too; raises `InvalidRequest`."""
    sent = body.tools or []
    brought = [message.tools for message in body.messages if message.tools]
    if isinstance(sent, KnownTools) and not brought:
        tools = sent.checked(level)
        return tools, tools
    declared = [*sent, *(tool for tools in brought for tool in tools)]
    check_tools(declared, level=level)
    return tuple(flattened(sent)), flattened(declared)


def _resolve_budget(body: ChatBody, card: ModelCard) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = getattr(body, name)
        if value is not None:
            if value < 1:
                raise InvalidRequest(f"Invalid request: {name} must be at least 1, got {value}")
            return min(value, card.context_length)
    return card.default_max_tokens


def _resolve_stop(stop: str | list[str] | None) -> tuple[str, ...]:
    words = [stop] if isinstance(stop, str) else stop or []
    words = [word for word in words if word]
    if len(words) > MAX_STOPS:
        raise InvalidRequest(f"Invalid request: stop has {len(words)} entries, maximum length {MAX_STOPS}")
    for word in words:
        if len(word.encode()) > MAX_STOP_BYTES:
            raise InvalidRequest(f"Invalid request: stop sequences must not be longer than {MAX_STOP_BYTES} bytes")
    return tuple(words)


def _resolve_sampling(body: ChatBody, policy: SamplingPolicy, *, thinking: bool) -> tuple[Sampling, int]:
    sent = body.temperature, body.n, body.top_p, body.presence_penalty, body.frequency_penalty
    sampling, n = _sampled(sent, policy, thinking)
    return (sampling if body.seed is None else replace(sampling, seed=body.seed % _SEEDS)), n


@lru_cache(maxsize=256)
def _sampled(sent: tuple[float | None, ...], policy: SamplingPolicy, thinking: bool) -> tuple[Sampling, int]:
    """What the parameters come to, without the seed. Most requests send the same ones."""
    temperature, chosen_n, top_p, presence_penalty, frequency_penalty = [
        _resolve_parameter(name, value, getattr(policy, name), thinking=thinking)
        for name, value in zip(_PARAMETERS, sent, strict=True)
    ]
    n = int(chosen_n)
    if n > 1 and temperature < 0.01:
        raise InvalidRequest(f"Invalid request: n must be 1 when temperature is close to 0, got n={n}")
    return Sampling(temperature, top_p, presence_penalty, frequency_penalty), n


def _resolve_parameter(name: str, value: float | None, rule: Pin | Range, *, thinking: bool) -> float:
    if isinstance(rule, Pin):
        only = rule.value(thinking)
        if value is not None and value != only:
            raise InvalidRequest(f"invalid {name}: only {only:g} is allowed for this model")
        return only
    if value is None:
        return rule.default
    if not rule.low <= value <= rule.high:
        raise InvalidRequest(f"invalid {name}: must be between {rule.low:g} and {rule.high:g}, got {value}")
    return value


def _resolve_format(body: ChatBody, level: Level) -> ResponseFormat | None:
    if body.response_format is None:
        return None
    check_response_format(body.response_format, level=level)
    return convert(body.response_format, ResponseFormat, field="response_format")


def _resolve_logprobs(body: ChatBody, card: ModelCard) -> int | None:
    """contract.md 1.1, 4.3; 11.1 for the cards that refuse them."""
    top = body.top_logprobs
    if top is not None and not body.logprobs:
        raise InvalidRequest("Invalid request: logprobs must be set to true if top_logprobs is used")
    if not body.logprobs:
        return None
    if not card.logprobs:
        raise InvalidRequest("invalid logprobs: only false is allowed for this model")
    if top is not None and not 0 <= top <= MAX_TOP:
        raise InvalidRequest(f"Invalid request: top_logprobs must be between 0 and {MAX_TOP}, got {top}")
    return top or 0


def _check_prediction(prediction: Prediction | None) -> None:
    if prediction is not None and isinstance(prediction.content, list):
        for index, part in enumerate(prediction.content):
            if part.type != "text" or part.text is None:
                raise InvalidRequest(
                    f"Invalid request: prediction.content[{index}] is a part of type {part.type!r}; expected text parts"
                )
