"""What bad input gets (contract.md 4): status, type and text; never a 5xx, never a hang."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moonbase.engines.scripted import ScriptedEngine
from tests.contract.pictures import image, video
from tests.running import Running, make_platform, running
from tests.server.client import Json, body, complete, error_of, post, stream, user

CALL = {"id": "c1", "type": "function", "function": {"name": "date", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [CALL]}


def tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


MISUSE: dict[str, tuple[Json, str]] = {
    "empty messages": (
        {"model": "kimi-k2.6", "messages": []},
        "Invalid request: messages must not be empty",
    ),
    "empty assistant": (
        body(user("a"), {"role": "assistant", "content": ""}, user("b")),
        "Invalid request: the message at position 1 with role 'assistant' must not be empty",
    ),
    "empty text part": (body({"role": "user", "content": [{"type": "text", "text": ""}]}), "text content is empty"),
    "tool without its call": (
        body(user("a"), {"role": "tool", "tool_call_id": "nope", "content": "x"}),
        "Invalid request: tool_call_id nope is not found",
    ),
    "tool without an id": (
        body(user("a"), {"role": "tool", "content": "x"}),
        "Invalid request: tool_call_id  is not found",
    ),
    "unanswered call": (body(user("a"), ASKED), "insufficient tool messages following tool_calls message"),
    "call answered too late": (
        body(user("a"), ASKED, user("b"), {"role": "tool", "tool_call_id": "c1", "content": "x"}),
        "insufficient tool messages following tool_calls message",
    ),
    "duplicate call id": (
        body(user("a"), {**ASKED, "tool_calls": [CALL, CALL]}, {"role": "tool", "tool_call_id": "c1", "content": ""}),
        "Invalid request: tool call id c1 is duplicated",
    ),
    "missing reasoning": (
        body(
            user("a"),
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
        ),
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
    ),
    "duplicate function": (body(tools=[tool("f"), tool("f")]), "function name f is duplicated"),
    "bad function name": (body(tools=[tool("1f")]), "function name is invalid, must start with a letter"),
    "temperature, thinking": (body(temperature=0.7), "invalid temperature: only 1 is allowed for this model"),
    "temperature, not thinking": (
        body(temperature=1, thinking={"type": "disabled"}),
        "invalid temperature: only 0.6 is allowed for this model",
    ),
    "top_p": (body(top_p=0.8), "invalid top_p: only 0.95 is allowed for this model"),
    "n": (body(n=2), "invalid n: only 1 is allowed for this model"),
    "penalty": (body(presence_penalty=0.5), "invalid presence_penalty: only 0 is allowed for this model"),
    "required while thinking": (
        body(tools=[tool("f")], tool_choice="required"),
        "tool_choice 'required' is incompatible with thinking enabled",
    ),
    "named while thinking": (
        body(tools=[tool("f")], tool_choice={"type": "function", "function": {"name": "f"}}),
        "tool_choice 'specified' is incompatible with thinking enabled",
    ),
    "logprobs": (body(model="kimi-k3", logprobs=True), "invalid logprobs: only false is allowed for this model"),
    "top_logprobs": (body(logprobs=True, top_logprobs=21), "top_logprobs must be between 0 and 20, got 21"),
    "top_logprobs alone": (body(top_logprobs=3), "logprobs must be set to true if top_logprobs is used"),
    "five stops": (body(stop=["a"] * 6), "maximum length 5"),
    "long stop": (body(stop="a" * 33), "must not be longer than 32"),
    "thinking is a bool": (
        body(thinking=True),
        "the `thinking` field in the request (expected type object) is illegal, and bool is not acceptable",
    ),
    "wrong type": (
        body(max_tokens="many"),
        "the `max_tokens` field in the request (expected type int) is illegal, and string is not acceptable",
    ),
    "no budget": (body(max_tokens=0), "max_tokens"),
    "unknown role": (body({"role": "robot", "content": "x"}), "messages[0].role"),
    "an image for a blind model": (
        body({"role": "user", "content": [image("data:image/png;base64,AA")]}, model="kimi-k2-thinking"),
        "messages[0].content[0] is of type 'image_url', but the model that serves this request cannot see images",
    ),
    "an image elsewhere": (
        body({"role": "user", "content": [image("https://example.com/a.png")]}),
        "Invalid request: unsupported image url: https://example.com/a.png",
    ),
    "an image of bad bytes": (
        body({"role": "user", "content": [image("data:image/png;base64,AAAA")]}),
        "Invalid request: unsupported image format: messages[0].content[0]",
    ),
    "a video that nobody uploaded": (
        body({"role": "user", "content": [video("ms://file_1")]}),
        "Invalid request: file file_1 is not found",
    ),
}


@pytest.mark.parametrize("name", MISUSE)
@pytest.mark.parametrize("streaming", [False, True])
async def test_misuse_is_named(server: Running, name: str, streaming: bool) -> None:
    """contract.md 4.3; errors before the stream are plain JSON, also when a stream was asked for (2.5)."""
    payload, text = MISUSE[name]
    status, kind, message = error_of(await post(server, {**payload, "stream": streaming}))
    assert (status, kind) == (400, "invalid_request_error")
    assert text in message


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": 3}',
        b"\xff\xfe",
        b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"\xc3\x28"}]}',
        b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
        b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"hi"}],"temperature":1e999}',
        b'{"model":"kimi-k2.6","messages":' + b"[" * 50_000,
        b'{"model":"kimi-k2.6","messages":[' + b'{"a":' * 50_000,
    ],
    ids=lambda payload: repr(payload[:24]),
)
async def test_malformed_json(server: Running, payload: bytes) -> None:
    status, kind, message = error_of(await post(server, payload))
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith(("Invalid request: ", "invalid temperature"))


async def test_lone_surrogates_do_not_break_an_answer(server: Running) -> None:
    payload = b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"a \\ud800 b"}]}'
    answer = await post(server, payload)
    assert answer.status_code in (200, 400)
    answer.text.encode()


async def test_unknown_model(server: Running) -> None:
    status, kind, message = error_of(await post(server, body(model="kimi-k9")))
    assert (status, kind) == (404, "resource_not_found_error")
    assert message == "Not found the model kimi-k9 or Permission denied"


async def test_unknown_members_are_ignored(server: Running) -> None:
    """contract.md 1.1: accepted and ignored, 200."""
    extra: Any = {"user": "u", "store": False, "parallel_tool_calls": True, "seed": 3, "metadata": {"a": [1]}}
    assert (await complete(server, body(**extra)))["choices"]


async def test_a_prompt_that_is_too_long(tmp_path: Path) -> None:
    """contract.md 4.3: the context overflow text, streamed or not."""
    async with running(make_platform(tmp_path, engine=ScriptedEngine(context=200))) as server:
        for streaming in (False, True):
            answer = await post(server, body(user("word " * 300), stream=streaming))
            status, kind, message = error_of(answer)
            assert (status, kind) == (400, "invalid_request_error")
            assert message.startswith("Invalid request: Your request exceeded model token limit: 200 (requested: 3")
        assert (await stream(server, body(user("short"), max_tokens=100_000))).end["finish_reason"] == "stop"


async def test_a_body_over_the_limit(tmp_path: Path) -> None:
    """contract.md 4.3, last paragraph: 413."""
    async with running(make_platform(tmp_path, max_body=10_000)) as server:
        status, kind, message = error_of(await post(server, json.dumps(body(user("x" * 10_001))).encode()))
        assert (status, kind, message) == (413, "invalid_request_error", "Request exceeds the maximum size")
        assert (await complete(server, body()))["choices"]


async def test_unknown_paths_and_methods(server: Running) -> None:
    from tests.server.client import client

    async with client(server) as http:
        assert error_of(await http.get("/nowhere"))[:2] == (404, "resource_not_found_error")
        assert error_of(await http.get("/chat/completions"))[:2] == (405, "invalid_request_error")
        assert error_of(await http.post("/models"))[:2] == (405, "invalid_request_error")
        assert error_of(await http.get("/models/kimi-k9"))[0] == 404
