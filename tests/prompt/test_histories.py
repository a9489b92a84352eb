"""Any body comes to a prompt or to an `ApiError`; in the prompt content is never structure (contract.md 4.3, 13)."""

from __future__ import annotations

import json

import msgspec
from hypothesis import event

from moonbase.contract.errors import ApiError
from moonbase.contract.messages import FunctionCall, Message, ToolCall
from moonbase.contract.prompts import Rendered
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.contract.tools import Function, Tool
from moonbase.prompt.kimi_k2 import render
from tests.effort import attempts, try_out
from tests.prompt.histories import KIMI_MARKS, MODELS, Json, bodies
from tests.prompt.test_generic import LLAMA_MARKS, QWEN_MARKS, llama, qwen

MARKS = [*QWEN_MARKS, *LLAMA_MARKS]


def resolved(body: Json) -> ChatRequest | None:
    """None where the body is refused, as a client would see it."""
    try:
        request = resolve(decode_chat_body(json.dumps(body).encode()), MODELS[body["model"]])
    except ApiError as error:
        assert error.status == 400
        error.encode()
        event("refused")
        return None
    event("resolved")
    return request


def plain(text: str) -> str:
    return "x" if text else ""


def harmless(request: ChatRequest) -> ChatRequest:
    """The same request with a plain word wherever a client's text stood."""
    messages: list[Message] = []
    for message in request.messages:
        calls = [ToolCall(call.id, FunctionCall("f", plain(call.function.arguments))) for call in message.calls]
        messages.append(
            msgspec.structs.replace(
                message,
                content=plain(message.text),
                name="n" if message.name else None,
                reasoning_content=plain(message.reasoning) if message.has_reasoning else message.reasoning_content,
                tool_calls=calls or None,
                tools=[Tool(Function("f")) for _ in message.tools] if message.tools else message.tools,
            )
        )
    tools = tuple(Tool(Function("f")) for _ in request.tools)
    wanted = request.response_format
    if wanted is not None and wanted.json_schema is not None:
        wanted = msgspec.structs.replace(wanted, json_schema={"name": "x", "schema": {"type": "object"}})
    return msgspec.structs.replace(request, messages=tuple(messages), tools=tools, response_format=wanted)


def check_kimi(request: ChatRequest) -> None:
    prompt = render(request)
    for piece in prompt.prompt:
        piece.text.encode()
    special = [piece.text for piece in prompt.prompt if piece.special]
    assert set(special) <= set(KIMI_MARKS)
    other = render(harmless(request))
    assert special == [piece.text for piece in other.prompt if piece.special]
    assert prompt.opening == other.opening


@attempts(60, 2000)
def test_any_body_is_a_kimi_prompt_or_refused(count: int) -> None:
    outcomes: list[bool] = []

    def check(body: Json) -> None:
        request = resolved(body)
        outcomes.append(request is not None)
        if request is not None:
            check_kimi(request)

    try_out(check, count, body=bodies())
    assert sum(outcomes) > len(outcomes) / 4, "hardly any body was resolved: this shows little"


def marks_of(prompt: Rendered) -> dict[str, int]:
    """How often each mark stands in one piece: as often as an engine could take it for the mark."""
    return {mark: sum(piece.text.count(mark) for piece in prompt.prompt) for mark in MARKS}


def check_generic(body: Json) -> None:
    request = resolved(body)
    if request is None:
        return
    for renderer in (qwen(MARKS), llama(MARKS)):
        try:
            prompt = renderer.render(request)
        except ApiError as error:
            event("refused by the template")
            assert error.status == 400
            continue
        for piece in prompt.prompt:
            piece.text.encode()
        assert marks_of(prompt) == marks_of(renderer.render(harmless(request)))


@attempts(40, 1500)
def test_any_body_is_a_prompt_of_a_models_own_template_or_refused(count: int) -> None:
    try_out(check_generic, count, body=bodies())
