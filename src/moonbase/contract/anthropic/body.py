"""The body of `POST /anthropic/v1/messages`, and the chat request that it comes to (contract.md 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from moonbase.contract.cards import ModelCard
from moonbase.contract.compact import compact_json
from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.messages import FunctionCall, Message, Part, ToolCall, call_type
from moonbase.contract.request import ChatBody
from moonbase.contract.thinking import ThinkingControl
from moonbase.contract.tools import Function, Tool

_LONG_CONTEXT = "[1m]"
"""Claude Code's mark for a model with a long context: no part of the name."""
_USER = ("text", "image", "tool_result")
_ASSISTANT = ("text", "thinking", "tool_use")
_RESULT = ("text", "image")
_UNREAD = "redacted_thinking"
"""Thoughts of another model, which only that one can read."""


class Source(msgspec.Struct, frozen=True):
    """Where an image is: `base64` data with its media type, or a `url` of the form `ms://<file id>`."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class Block(msgspec.Struct, frozen=True):
    """One block of a message's content. Which members count depends on its type."""

    type: str
    """Of a user's message text, image or tool_result; of an assistant's text, thinking or tool_use."""
    text: str | None = None
    source: Source | None = None
    """Of an image."""
    thinking: str | None = None
    """The reasoning of an assistant's message, as it was answered. Needed beside `tool_use` while thinking."""
    signature: str | None = None
    """What came with the thinking. It is not looked at."""
    id: str | None = None
    """Of a tool_use: which call it is."""
    name: str | None = None
    input: dict[str, Any] | None = None
    """Of a tool_use: the arguments."""
    tool_use_id: str | None = None
    """Of a tool_result: the call that it answers."""
    content: str | list[Block] | None = None
    """Of a tool_result: text, or blocks of text and images."""


class AnthropicMessage(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    """`system` for what the model is told in the middle of the conversation, as Claude Code does."""
    content: str | list[Block]
    """Text, or blocks. An assistant's last message is continued, and not repeated."""


class AnthropicTool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    name: str
    """A letter or underscore, then letters, digits, underscores and dashes."""
    description: str | None = None
    """What it does and when to call it, for the model to read."""
    input_schema: dict[str, Any] | None = None
    """A JSON schema of its arguments (Moonshot flavored): an object."""
    type: str | None = None
    """`custom`, or left out: the tools that Anthropic runs itself are not here."""
    strict: bool | None = None
    """With false the arguments are only promised to be a JSON object. True unless told otherwise."""


class AnthropicToolChoice(msgspec.Struct, frozen=True):
    type: Literal["auto", "any", "none", "tool"]
    """Whether the model may, must or must not call a tool, or must call the one of `name`."""
    name: str | None = None


class AnthropicThinking(msgspec.Struct, frozen=True):
    type: str
    """`enabled` or `adaptive`: this turn thinks; `disabled`: it does not. A budget is not looked at."""


class OutputFormat(msgspec.Struct, frozen=True):
    """The text is JSON that fits `schema`."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, frozen=True):
    effort: str | None = None
    """How hard to think, for models with that choice: low, high or max."""
    format: OutputFormat | None = None


class Metadata(msgspec.Struct, frozen=True):
    user_id: str | None = None
    """A hashed name of the end user. Accepted, and not used."""


class MessagesBody(msgspec.Struct, frozen=True):
    """The body of `POST /anthropic/v1/messages`. Unknown members are ignored."""

    model: str
    """A name out of `GET /v1/models`."""
    messages: list[AnthropicMessage]
    """The conversation, oldest message first."""
    max_tokens: int
    """The most tokens to generate, thinking and text together."""
    system: str | list[Block] | None = None
    """What the model is told before the conversation: text, or blocks of text."""
    stream: bool | None = None
    """Whether the answer comes in events, as it is made."""
    stop_sequences: list[str] | None = None
    """Up to 5 texts of up to 32 bytes that end the text; they are not part of it."""
    tools: list[AnthropicTool] | None = None
    """The functions that the model may call."""
    tool_choice: AnthropicToolChoice | None = None
    thinking: AnthropicThinking | None = None
    """Whether the model thinks; left out, it does not, where it has the choice."""
    output_config: OutputConfig | None = None
    metadata: Metadata | None = None

    @property
    def served_as(self) -> str:
        """The name of the model, without Claude Code's mark for a long context."""
        return self.model.removesuffix(_LONG_CONTEXT)


class CountBody(MessagesBody, frozen=True, kw_only=True):
    """The body of `POST /anthropic/v1/messages/count_tokens`."""

    max_tokens: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


def chat_body(body: MessagesBody, card: ModelCard) -> ChatBody:
    """The chat request that asks `card`'s model for the same; raises `InvalidRequest`."""
    output = body.output_config or OutputConfig()
    return ChatBody(
        model=body.served_as,
        messages=list(_conversation(body)),
        max_completion_tokens=body.max_tokens,
        stream=body.stream,
        stop=body.stop_sequences,
        tools=None if body.tools is None else [_tool(*each) for each in enumerate(body.tools)],
        tool_choice=None if body.tool_choice is None else _choice(body.tool_choice),
        thinking=_thinking(body.thinking, card),
        # Where a model has no efforts, whoever sends one means Anthropic's, and it is no error there.
        reasoning_effort=output.effort if card.efforts is not None else None,
        response_format=None if output.format is None else _format(output.format),
        safety_identifier=body.metadata.user_id if body.metadata is not None else None,
    )


def _thinking(wanted: AnthropicThinking | None, card: ModelCard) -> ThinkingControl | None:
    """Without `thinking` a request does not think, as at Anthropic; models that only think refuse that (contract.md
    4.3), but for those that have efforts instead."""
    if card.efforts is not None:
        return None
    kind = "disabled" if wanted is None else wanted.type
    return ThinkingControl(type="enabled" if kind == "adaptive" else kind)


def _format(wanted: OutputFormat) -> dict[str, Any]:
    return {"type": wanted.type, "json_schema": {"name": "output", "schema": wanted.schema, "strict": True}}


def _choice(choice: AnthropicToolChoice) -> str | dict[str, Any]:
    if choice.type == "tool":
        if choice.name is None:
            raise missing_field("tool_choice.name")
        return {"type": "function", "function": {"name": choice.name}}
    return "required" if choice.type == "any" else choice.type


def _tool(index: int, tool: AnthropicTool) -> Tool:
    if tool.type not in (None, "custom"):
        raise InvalidRequest(
            f"Invalid request: tools[{index}].type is {tool.type!r}, a tool that Anthropic runs; declare tools with "
            "name and input_schema, and run them yourself"
        )
    return Tool(Function(tool.name, tool.description, tool.input_schema, tool.strict))


def _conversation(body: MessagesBody) -> Iterator[Message]:
    if body.system:
        yield _told(body.system, "system")
    last = len(body.messages) - 1
    for index, message in enumerate(body.messages):
        place = f"messages[{index}].content"
        if message.role == "user":
            yield from _asked(message.content, place)
        elif message.role == "system":
            yield _told(message.content, place)
        else:
            answered = _answered(message.content, place)
            yield replace(answered, partial=True) if index == last and not answered.tool_calls else answered


def _told(content: str | Sequence[Block], place: str) -> Message:
    return Message("system", content if isinstance(content, str) else _parts(content, place, ("text",)))


def _asked(content: str | Sequence[Block], place: str) -> Iterator[Message]:
    """A user's message: the results of tools in it come first, as messages of their own."""
    if isinstance(content, str):
        yield Message("user", content)
        return
    rest: list[Block] = []
    for position, block in enumerate(content):
        at = f"{place}[{position}]"
        if block.type != "tool_result":
            rest.append(block)
            continue
        if block.tool_use_id is None:
            raise missing_field(f"{at}.tool_use_id")
        result = block.content or ""
        said = result if isinstance(result, str) else _parts(result, f"{at}.content", _RESULT)
        yield Message("tool", said, tool_call_id=block.tool_use_id)
    if rest or not content:
        yield Message("user", _parts(rest, place, _USER))


def _parts(blocks: Sequence[Block], place: str, allowed: Sequence[str]) -> str | list[Part]:
    parts = [_part(block, f"{place}[{position}]", allowed) for position, block in enumerate(blocks)]
    return parts[0].text or "" if len(parts) == 1 and parts[0].type == "text" else parts


def _part(block: Block, place: str, allowed: Sequence[str]) -> Part:
    if block.type == "text" and block.text is not None:
        return Part("text", block.text)
    if block.type == "image" and block.type in allowed and block.source is not None:
        return Part("image_url", image_url=_url(block.source, f"{place}.source"))
    raise _refusal(block, place, allowed, {"text": "text", "image": "source"})


def _url(source: Source, place: str) -> str:
    if source.type == "url":
        if source.url is None:
            raise missing_field(f"{place}.url")
        return source.url
    if source.type != "base64":
        raise InvalidRequest(f"Invalid request: {place}.type is {source.type!r}; expected base64 or url")
    if source.media_type is None:
        raise missing_field(f"{place}.media_type")
    if source.data is None:
        raise missing_field(f"{place}.data")
    return f"data:{source.media_type};base64,{source.data}"


def _answered(content: str | Sequence[Block], place: str) -> Message:
    """An assistant's message. What it thought is there where there is a block of it, even an empty one."""
    if isinstance(content, str):
        return Message("assistant", content)
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for position, block in enumerate(content):
        at = f"{place}[{position}]"
        if block.type == "text" and block.text is not None:
            texts.append(block.text)
        elif block.type == "thinking" and block.thinking is not None:
            thoughts.append(block.thinking)
        elif block.type == "tool_use":
            calls.append(_call(block, at))
        elif block.type != _UNREAD:
            raise _refusal(block, at, _ASSISTANT, {"text": "text", "thinking": "thinking"})
    said = "".join(texts)
    return Message(
        "assistant",
        UNSET if calls and not said else said,
        reasoning_content="".join(thoughts) if thoughts else UNSET,
        tool_calls=calls or None,
    )


def _call(block: Block, place: str) -> ToolCall:
    if block.id is None:
        raise missing_field(f"{place}.id")
    if block.name is None:
        raise missing_field(f"{place}.name")
    if block.input is None:
        raise missing_field(f"{place}.input")
    return ToolCall(block.id, FunctionCall(block.name, compact_json(block.input)), call_type(block.name))


def _refusal(block: Block, place: str, allowed: Sequence[str], needs: dict[str, str]) -> InvalidRequest:
    if block.type in allowed and block.type in needs:
        return missing_field(f"{place}.{needs[block.type]}")
    return InvalidRequest(f"Invalid request: {place}.type is {block.type!r}; expected {' or '.join(allowed)}")
