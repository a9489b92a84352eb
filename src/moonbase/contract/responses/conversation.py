"""The items of `POST /v1/responses` as messages: what an assistant thought, said and called in a row is one message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.messages import FunctionCall, Message, Part, ToolCall
from moonbase.contract.responses.tools import ResponsesTool, declared, joined, text_arguments

_ROLES = ("user", "assistant", "developer", "system")
_PARTS = ("input_text", "input_image", "output_text")


class ResponsesPart(msgspec.Struct, frozen=True):
    """One part of an item's content. Which members count depends on its type."""

    type: str
    """input_text, input_image or output_text; of a reasoning item summary_text or reasoning_text."""
    text: str | None = None
    image_url: str | None = None
    """`data:image/<type>;base64,...` or `ms://<file id>`."""
    prompt_cache_breakpoint: Any = None
    """Refused: prompts are cached by themselves."""


class ResponsesItem(msgspec.Struct, frozen=True):
    """One item of the conversation. Which members count depends on its type."""

    type: str | None = None
    """message, or left out; reasoning; function_call and function_call_output; custom_tool_call and
    custom_tool_call_output; web_search_call, which is not looked at; additional_tools."""
    role: str | None = None
    """Of a message: user, assistant or developer."""
    content: str | list[ResponsesPart] | None = None
    """Of a message its text or parts; of a reasoning item its text, which counts before `summary`."""
    summary: list[ResponsesPart] | None = None
    """Of a reasoning item: what was thought, as it was answered."""
    call_id: str | None = None
    """Of a call, and of the output that answers it."""
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    """Of a function call: JSON text."""
    input: str | None = None
    """Of a custom tool's call: its text."""
    output: str | list[ResponsesPart] | None = None
    """Of what a call came to."""
    tools: list[ResponsesTool] | None = None
    """Of additional_tools: tools that may be called from here on."""


def conversation(items: Sequence[ResponsesItem]) -> Iterator[Message]:
    """The messages; raises `InvalidRequest`."""
    answer = _Answer()
    for index, item in enumerate(items):
        at, kind = f"input[{index}]", item.type or "message"
        if kind == "message" and item.role not in _ROLES:
            raise InvalidRequest(f"Invalid request: {at}.role is {item.role!r}; expected {', '.join(_ROLES)}")
        if kind == "reasoning":
            yield from answer.think(_thought(item, at))
        elif kind in ("function_call", "custom_tool_call"):
            answer.call(_call(item, kind, at))
        elif kind == "message" and item.role == "assistant":
            yield from answer.say(_parts(item.content, f"{at}.content"))
        elif kind != "web_search_call":
            yield from answer.whole()
            yield _other(item, kind, at)
    yield from answer.whole()


def _other(item: ResponsesItem, kind: str, at: str) -> Message:
    """What is not the assistant's."""
    if kind == "message":
        role = "user" if item.role == "user" else "system"
        return Message(role, _parts(item.content, f"{at}.content"))
    if kind in ("function_call_output", "custom_tool_call_output"):
        if item.call_id is None:
            raise missing_field(f"{at}.call_id")
        return Message("tool", _parts(item.output, f"{at}.output"), tool_call_id=item.call_id)
    if kind == "additional_tools":
        if item.tools is None:
            raise missing_field(f"{at}.tools")
        return Message("system", tools=list(declared(item.tools, f"{at}.tools")))
    raise InvalidRequest(
        f"Invalid request: {at}.type is {kind!r}; expected message, reasoning, function_call, function_call_output, "
        "custom_tool_call, custom_tool_call_output, web_search_call or additional_tools"
    )


class _Answer:
    """What an assistant did, until somebody else comes."""

    def __init__(self) -> None:
        self._thoughts: list[str] = []
        self._said: str | list[Part] | None = None
        self._calls: list[ToolCall] = []

    def think(self, text: str) -> Iterator[Message]:
        if self._said is not None or self._calls:
            yield from self.whole()
        self._thoughts.append(text)

    def say(self, content: str | list[Part]) -> Iterator[Message]:
        if self._said is not None or self._calls:
            yield from self.whole()
        self._said = content

    def call(self, call: ToolCall) -> None:
        self._calls.append(call)

    def whole(self) -> Iterator[Message]:
        """The message, where there is anything of one; the next begins anew."""
        if self._said is not None or self._calls or self._thoughts:
            yield Message(
                "assistant",
                self._said if self._said is not None else UNSET if self._calls else "",
                reasoning_content="\n\n".join(self._thoughts) if self._thoughts else UNSET,
                tool_calls=self._calls or None,
            )
        self._thoughts, self._said, self._calls = [], None, []


def _thought(item: ResponsesItem, at: str) -> str:
    """The text of a reasoning item; none of one that only its maker can read."""
    if isinstance(item.content, str):
        return item.content
    return "".join(_text(part, f"{at}.content[{n}]") for n, part in enumerate(item.content or ())) or "\n\n".join(
        _text(part, f"{at}.summary[{n}]") for n, part in enumerate(item.summary or ())
    )


def _call(item: ResponsesItem, kind: str, at: str) -> ToolCall:
    text = "arguments" if kind == "function_call" else "input"
    for name in ("call_id", "name", text):
        if getattr(item, name) is None:
            raise missing_field(f"{at}.{name}")
    arguments = item.arguments if kind == "function_call" else text_arguments(item.input or "")
    return ToolCall(item.call_id or "", FunctionCall(joined(item.name or "", item.namespace), arguments or "{}"))


def _parts(content: str | Sequence[ResponsesPart] | None, at: str) -> str | list[Part]:
    if content is None:
        raise missing_field(at)
    if isinstance(content, str):
        return content
    parts = [_part(part, f"{at}[{index}]") for index, part in enumerate(content)]
    return parts[0].text or "" if len(parts) == 1 and parts[0].type == "text" else parts


def _part(part: ResponsesPart, at: str) -> Part:
    if part.prompt_cache_breakpoint is not None:
        raise InvalidRequest(f"Invalid request: {at}.prompt_cache_breakpoint is not supported")
    if part.type not in _PARTS:
        raise InvalidRequest(f"Invalid request: {at}.type is {part.type!r}; expected {', '.join(_PARTS)}")
    if part.type != "input_image":
        return Part("text", _text(part, at))
    if part.image_url is None:
        raise missing_field(f"{at}.image_url")
    return Part("image_url", image_url=part.image_url)


def _text(part: ResponsesPart, at: str) -> str:
    if part.text is None:
        raise missing_field(f"{at}.text")
    return part.text
