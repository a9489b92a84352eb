"""Request signatures (contract.md 1.1: the header; the hosted API's page /docs/api/signatures-verify: the rest)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import KEY, NOW, Running, make_platform, running
from tests.server.client import body, client

Json = dict[str, Any]
NONCE = "7d929748-0ae6-41c2-ab5d-a186498ad721"
HEADER = "X-Msh-Request-Nonce"


async def asked(server: Running, *headers: tuple[str, str], stream: bool = False) -> httpx.Response:
    async with client(server) as http:
        return await http.post("/chat/completions", json=body(stream=stream), headers=[*http.headers.items(), *headers])


async def verified(server: Running, members: Json, *, key: str = KEY) -> httpx.Response:
    async with client(server, key) as http:
        return await http.post("/signatures/verify", json=members)


def told(answer: httpx.Response, model: str = "kimi-k2.6") -> Json:
    return {
        "nonce": NONCE,
        "timestamp": int(answer.headers["msh-request-timestamp"]),
        "model": model,
        "signature": answer.headers["msh-request-signature"],
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_a_signature_is_known_again(server: Running, stream: bool) -> None:
    signed = told(await asked(server, (HEADER, NONCE), stream=stream))
    assert signed["timestamp"] == NOW * 1000
    assert signed["signature"].startswith("reqsigv1_")
    once, again = await verified(server, signed), await verified(server, signed)
    assert once.json() == again.json() == {"valid": True}
    assert once.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": NONCE + "x"},
        {"timestamp": NOW * 1000 + 1},
        {"model": "kimi-k3"},
        {"signature": "reqsigv1_AQ"},
        {"signature": "reqsigv1_"},
        {"signature": "not one of ours"},
        {"signature": "reqsigv1_é"},
    ],
)
async def test_anything_else_is_not_valid(server: Running, changed: Json) -> None:
    signed = {**told(await asked(server, (HEADER, NONCE))), **changed}
    signed["timestamp"] = int(signed["timestamp"])
    assert (await verified(server, signed)).json() == {"valid": False}


async def test_of_another_server_it_is_not_valid(server: Running, tmp_path: Path) -> None:
    signed = told(await asked(server, (HEADER, NONCE)))
    signed["signature"] = signed["signature"].removeprefix("reqsigv1_")
    assert (await verified(server, signed)).json() == {"valid": False}
    sealed = server.platform.sealer.seal_id("", owner=f'["{NONCE}",{signed["timestamp"]},"kimi-k2.6"]')
    assert (await verified(server, {**signed, "signature": f"reqsigv1_{sealed}"})).json() == {"valid": False}


async def test_every_format_is_signed(server: Running) -> None:
    headers = {"authorization": f"Bearer {KEY}", HEADER: NONCE}
    message: Json = {"model": "kimi-k2.6[1m]", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx.AsyncClient(headers=headers) as http:
        responses = await http.post(f"{server.base_url}/responses", json={"model": "kimi-k3", "input": "Hi"})
        messages = await http.post(f"{server.url}/anthropic/v1/messages", json=message)
    assert (await verified(server, told(responses, "kimi-k3"))).json() == {"valid": True}
    # The model as it was sent, with Claude Code's mark.
    assert (await verified(server, told(messages, "kimi-k2.6[1m]"))).json() == {"valid": True}
    assert (await verified(server, told(messages, "kimi-k2.6"))).json() == {"valid": False}
    assert "request-id" in messages.headers


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((HEADER, ""),),
        ((HEADER, NONCE), (HEADER, NONCE)),
        ((HEADER, "x" * 257),),
        ((HEADER, "two words"),),
    ],
)
async def test_without_one_nonce_nothing_is_signed(server: Running, headers: tuple[tuple[str, str], ...]) -> None:
    answer = await asked(server, *headers)
    assert answer.status_code == 200
    assert "msh-request-signature" not in answer.headers
    assert "msh-request-timestamp" not in answer.headers


async def test_a_request_that_is_not_taken_is_not_signed(server: Running) -> None:
    async with client(server) as http:
        answer = await http.post("/chat/completions", json=body(temperature=0.3), headers={HEADER: NONCE})
    assert answer.status_code == 400
    assert "msh-request-signature" not in answer.headers


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"nonce": ""}, "nonce"),
        ({"model": ""}, "model"),
        ({"signature": ""}, "signature"),
        ({"timestamp": 0}, "timestamp"),
        ({"timestamp": "1786338000123"}, "timestamp"),
        ({"signature": None}, "signature"),
    ],
)
async def test_what_is_refused_names_the_field(server: Running, members: Json, field: str) -> None:
    signed = {"nonce": NONCE, "timestamp": 1, "model": "kimi-k2.6", "signature": "reqsigv1_AQ", **members}
    answer = await verified(server, signed)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]


async def test_a_key_is_needed(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as server:
        answer = await verified(server, {}, key="sk-wrong")
    assert answer.status_code == 401
