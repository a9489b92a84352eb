"""From a request to the body that an upstream gets, as its dialect has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from moonbase.contract.cards import Pin
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.formats import ThinkMarks
from moonbase.contract.messages import Message, ToolCall
from moonbase.contract.request import ChatRequest
from moonbase.contract.tools import NamedChoice, Tool
from moonbase.engines.http.dialect import Dialect, Members
from moonbase.prompt.history import kept_reasoning, named_as_in_prompt, prompt_call_ids

_PARAMETERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def chat_body(
    request: ChatRequest, dialect: Dialect, model: str, *, room: int | None = None, inline: ThinkMarks | None = None
) -> Members:
    """The members of a chat request to `model`. `room`: the upstream's context in tokens, where it is known.
    `inline`: the marks between which it writes its reasoning into the content, and reads it there.

    Raises `InvalidRequest` for what the upstream cannot do.
    """
    members: Members = {
        "model": model,
        "messages": _messages(request, dialect, inline),
        **_travel(request, dialect),
        **_controls(request, dialect),
        **_sampling(request, dialect),
        **_form(request, dialect),
        **dialect.extras,
    }
    if request.token_ids:
        members |= dialect.ids
    # Left out, it is what the prompt leaves of the context; some servers refuse more than that.
    if dialect.platform or room is None or request.max_tokens < room:
        members[dialect.budget] = request.max_tokens
    if request.stop and (dialect.platform or _content_alone(request)):
        members["stop"] = list(request.stop)
    if request.cache_key is not None and dialect.platform:
        members["prompt_cache_key"] = request.cache_key
    return members


def comes_in_frames(request: ChatRequest) -> bool:
    """Whether the upstream is asked to stream. For a client that waits for the whole answer, one that comes whole is as
    fast and costs less to read; only a stream says what each of several choices counts, and which tokens an increment
    holds."""
    return request.streams or request.n > 1 or request.token_ids


def _travel(request: ChatRequest, dialect: Dialect) -> Members:
    if comes_in_frames(request):
        return {"stream": True, "stream_options": dialect.options}
    return {"stream": False}


def _controls(request: ChatRequest, dialect: Dialect) -> Members:
    members = dialect.controls(request)
    if not request.messages[-1].partial:
        return members
    if dialect.partial is None:
        raise InvalidRequest(
            f"Invalid request: messages[{len(request.messages) - 1}].partial cannot be honoured by the engine that "
            f"serves '{request.model}'; leave it out"
        )
    return {**members, **dialect.partial}


def _content_alone(request: ChatRequest) -> bool:
    """Whether nothing but content can come, so that a stop word can cut nothing else (contract.md 1.1)."""
    return not request.thinking.enabled and not request.declared


def _sampling(request: ChatRequest, dialect: Dialect) -> Members:
    members: Members = {}
    for name in _PARAMETERS:
        if not (dialect.platform and isinstance(getattr(request.card.sampling, name), Pin)):
            members[name] = getattr(request.sampling, name)
    if request.n > 1:
        members["n"] = request.n
    if request.sampling.seed is not None:
        members["seed"] = request.sampling.seed
    if request.logprobs is not None:
        members |= {"logprobs": True, "top_logprobs": request.logprobs}
    return members


def _form(request: ChatRequest, dialect: Dialect) -> Members:
    """What the answer may be: its tools and its format."""
    members: Members = {}
    if tools := request.tools if dialect.platform else request.declared:
        members["tools"] = [_tool(tool, dialect) for tool in tools]
    choice = request.tool_choice
    if choice != "auto" and request.declared:
        members["tool_choice"] = msgspec.to_builtins(choice) if isinstance(choice, NamedChoice) else choice
    wanted = request.response_format
    if wanted is not None and wanted.type != "text":
        members["response_format"] = (
            {"type": wanted.type}
            if wanted.json_schema is None
            else {"type": wanted.type, "json_schema": wanted.json_schema}
        )
    return members


def _tool(tool: Tool, dialect: Dialect) -> Members:
    """A built-in function is the platform's word; to other servers it is a function like any (vLLM 0.32 refuses it)."""
    kind = tool.type if dialect.platform else "function"
    return {"type": kind, "function": tool.function}


def _messages(request: ChatRequest, dialect: Dialect, inline: ThinkMarks | None) -> list[Any]:
    """The conversation as the upstream reads it."""
    if dialect.platform:
        return list(request.messages)
    kept = kept_reasoning(request.messages, keep_all=request.thinking.keep_all)
    messages = _renamed(request.messages) if dialect.thread_ids and request.calls_made else request.messages
    as_sent = inline is None and dialect.reasoning == ("reasoning_content",)
    travelling: list[Any] = []
    for message, keep in zip(messages, kept, strict=True):
        if message.tools is not None:
            continue  # they are declared with the others
        if not (as_sent and _travels(message)):
            travelling.append(_message(message, dialect, keep, inline))
        elif keep or message.reasoning_content is UNSET:
            travelling.append(message)
        else:
            travelling.append(_without_reasoning(message))
    return travelling


def _travels(message: Message) -> bool:
    """Whether a message can travel as it came, but perhaps for its reasoning, to a server that reads that under the
    platform's name. Taking a long conversation apart costs more than all else here."""
    return (
        isinstance(message.content, str)
        and message.partial is None
        and message.reasoning_content is not None
        and message.name != ""
        and message.tool_calls != []
        and message.tool_call_id != ""
    )


def _without_reasoning(message: Message) -> Message:
    return Message(message.role, message.content, message.name, UNSET, message.tool_calls, message.tool_call_id)


def _message(message: Message, dialect: Dialect, keep: bool, inline: ThinkMarks | None) -> Members:
    content = message.content
    if not isinstance(content, str | list):
        content = "" if message.role == "assistant" and not message.calls else None
    members: Members = {"role": message.role, "content": content}
    for name, value in (
        ("name", message.name),
        ("tool_calls", message.tool_calls),
        ("tool_call_id", message.tool_call_id),
    ):
        if value:
            members[name] = value
    reasoning = message.reasoning_content
    if isinstance(reasoning, str) and keep:
        members |= dict.fromkeys(dialect.reasoning, reasoning)
        if inline and reasoning and not message.parts:
            members["content"] = f"{inline.open}{reasoning}{inline.close}{message.text}"
    return members


def _renamed(messages: Sequence[Message]) -> Sequence[Message]:
    """The conversation with its calls named as the Kimi prompt format has it (contract.md 2.3, 13)."""
    if named_as_in_prompt(messages):
        return messages
    renamed: list[Message] = []
    for message, ids in zip(messages, prompt_call_ids(messages), strict=True):
        if message.tool_calls:
            calls = [ToolCall(id, call.function, call.type) for call, id in zip(message.tool_calls, ids, strict=True)]
            message = replace(message, tool_calls=calls)
        elif ids and message.tool_call_id != ids[0]:
            message = replace(message, tool_call_id=ids[0])
        renamed.append(message)
    return renamed
