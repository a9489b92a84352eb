"""Messages as they travel, and the rules of a conversation (contract.md 1.4, 3, 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.tools import MessageTool

Role = Literal["system", "user", "assistant", "tool"]

MEDIA_PARTS: Mapping[str, MediaKind] = MappingProxyType({"image_url": "image", "video_url": "video"})
"""Types of part that show something."""


class FunctionCall(msgspec.Struct, frozen=True):
    """The function of a tool call. `arguments` is JSON text, as the model wrote it."""

    name: str
    arguments: str = "{}"


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    """Unique in the conversation; the tool message that answers names it."""
    function: FunctionCall
    """What is called."""
    type: str = "function"
    """`builtin_function` for tools of the platform's own."""


def call_type(name: str) -> str:
    """The type of a call of the function `name`: only the platform's own begin with a dollar (contract.md 1.5)."""
    return "builtin_function" if name.startswith("$") else "function"


class MediaUrl(msgspec.Struct, frozen=True):
    """The object form of `image_url` and `video_url`; other members (`detail`) are ignored."""

    url: str
    """`data:image/<type>;base64,...`, `data:video/<type>;base64,...` or `ms://<file id>`."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a content array: text, image_url or video_url."""

    type: str
    text: str | None = None
    image_url: str | MediaUrl | None = None
    video_url: str | MediaUrl | None = None

    @property
    def url(self) -> str | None:
        """Where the image or the video of this part is; None where the part lacks it, or shows nothing."""
        shown = {"image_url": self.image_url, "video_url": self.video_url}.get(self.type)
        return shown.url if isinstance(shown, MediaUrl) else shown


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation. A `reasoning_content` of "" was reasoned, but empty; absent, it was not sent."""

    role: Role
    """Who speaks."""
    content: str | list[Part] | UnsetType | None = UNSET
    """Text, or parts of text, pictures and videos. An assistant message with `tool_calls` may go without."""
    name: str | None = None
    """The speaker's name; of a partial message, the beginning of its prefix."""
    reasoning_content: str | UnsetType | None = UNSET
    """The reasoning of an assistant message, as it was answered. Needed beside `tool_calls` while thinking."""
    tool_calls: list[ToolCall] | None = None
    """The calls of an assistant message, as they were answered."""
    tool_call_id: str | None = None
    """Which call a tool message answers."""
    partial: bool | None = None
    """On the last assistant message: the answer continues it, and does not repeat it."""
    tools: list[MessageTool] | None = None
    """Tools that a system message brings; they can be called from there on (contract.md 1.7)."""

    @property
    def text(self) -> str:
        """The text of the content, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return ""

    @property
    def parts(self) -> list[Part]:
        """The parts of the content; none where it is a string."""
        return self.content if isinstance(self.content, list) else []

    @property
    def reasoning(self) -> str:
        return self.reasoning_content if isinstance(self.reasoning_content, str) else ""

    @property
    def calls(self) -> list[ToolCall]:
        return self.tool_calls or []

    @property
    def has_reasoning(self) -> bool:
        return isinstance(self.reasoning_content, str)


def last_user_index(messages: Sequence[Message]) -> int:
    """Where the current turn begins: the index of the last user message, or -1."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            return index
    return -1


def check_conversation(messages: list[Message], *, thinking: bool, dynamic_tools: bool = False) -> None:
    """Raise `InvalidRequest` with the hosted API's text for the first rule that `messages` break."""
    if not messages:
        raise InvalidRequest("Invalid request: messages must not be empty")
    waiting: dict[str, int] = {}
    seen: set[str] = set()
    for index, message in enumerate(messages):
        # Histories are long and mostly plain: what a message does not have is not looked into.
        if message.tools is not None:
            _check_tools(index, message, dynamic_tools=dynamic_tools)
        role, content, calls = message.role, message.content, message.tool_calls
        if not isinstance(content, str) or (role == "assistant" and not (calls or content.strip(" "))):
            _check_content(index, message)
        if calls and role != "assistant":
            _refuse_caller(index, message)
        if role == "tool":
            _answer_call(message, waiting)
            continue
        if waiting:
            _refuse_unanswered(waiting)
        if calls:
            if thinking and not message.has_reasoning:
                _refuse_thoughtless(index)
            for call in calls:
                if call.id in seen:
                    raise InvalidRequest(f"Invalid request: tool call id {call.id} is duplicated")
                seen.add(call.id)
                waiting[call.id] = index
    if waiting:
        _refuse_unanswered(waiting)


def _answer_call(message: Message, waiting: dict[str, int]) -> None:
    call_id = message.tool_call_id or ""
    if call_id not in waiting:
        raise InvalidRequest(f"Invalid request: tool_call_id {call_id} is not found")
    del waiting[call_id]


def _refuse_unanswered(waiting: dict[str, int]) -> NoReturn:
    ids = ", ".join(waiting)
    raise InvalidRequest(
        "Invalid request: an assistant message with 'tool_calls' must be followed by tool messages responding to "
        f"each 'tool_call_id'; insufficient tool messages following tool_calls message, missing: {ids}"
    )


def _check_content(index: int, message: Message) -> None:
    role, content = message.role, message.content
    if isinstance(content, list):
        for position, part in enumerate(content):
            _check_part(f"messages[{index}].content[{position}]", role, part)
    if role == "assistant":
        empty = not (message.text.strip(" ") or message.tool_calls or message.has_reasoning)
    elif role == "tool":
        return
    else:
        empty = message.tools is None and not isinstance(content, str | list)
    if empty:
        raise InvalidRequest(f"Invalid request: the message at position {index} with role '{role}' must not be empty")


def _refuse_caller(index: int, message: Message) -> NoReturn:
    raise InvalidRequest(
        f"Invalid request: messages[{index}].tool_calls is set on a message with role '{message.role}'; only an "
        "assistant message may call tools"
    )


def _check_tools(index: int, message: Message, *, dynamic_tools: bool) -> None:
    """contract.md 1.7: only a system message without content brings tools, and only where the model can take them."""
    if not dynamic_tools:
        raise InvalidRequest("Invalid request: tokenization failed: this model takes no tools in messages")
    if message.role != "system":
        raise InvalidRequest(
            f"Invalid request: messages[{index}].tools is set on a message with role '{message.role}'; only a system "
            "message may bring tools"
        )
    if message.content not in (UNSET, None, ""):
        raise InvalidRequest(f"Invalid request: messages[{index}].tools cannot be used with content")
    for place, tool in enumerate(message.tools or ()):
        if tool.type == "_plugin":
            raise InvalidRequest(
                f"Invalid request: messages[{index}].tools[{place}].type is '_plugin'; a plugin is declared in the "
                "tools of the request, not of a message"
            )


def _check_part(place: str, role: Role, part: Part) -> None:
    if part.type == "text":
        if not part.text:
            raise InvalidRequest("Invalid request: text content is empty")
    elif part.type not in MEDIA_PARTS:
        raise InvalidRequest(
            f"Invalid request: {place} is a content part of type '{part.type}'; expected text, image_url or video_url"
        )
    elif role not in ("user", "tool"):
        raise InvalidRequest(
            f"Invalid request: {place} is of type '{part.type}' in a message with role '{role}'; only user and tool "
            "messages may have such a part"
        )
    elif part.url is None:
        raise missing_field(f"{place}.{part.type}")


def _refuse_thoughtless(index: int) -> NoReturn:
    raise InvalidRequest(
        f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
    )
