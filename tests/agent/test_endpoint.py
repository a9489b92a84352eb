"""Servers of other kinds: what they are is asked, and how they are spoken to follows."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from moonbase.agent.agent import Agent
from moonbase.agent.endpoint import is_hosted
from moonbase.agent.errors import AgentError
from moonbase.agent.limits import Retries
from moonbase.contract.errors import SettingsError
from tests.engines.http.stub import delta, stream, totals, upstream, whole
from tests.tools.fetching.authority import Authority

ANSWER = stream(delta(content="Hi"), delta("stop"), totals())


async def body_sent(model: str, owner: str = "someone", context: int | None = None, **more: Any) -> dict[str, Any]:
    """What a server of `owner` is sent."""
    row = {"id": model, "owned_by": owner, "max_model_len": context}
    async with upstream(ANSWER, models=whole({"data": [row]})) as stub:
        assert (await Agent("Be kind.", model=model, base_url=stub.url, **more).run("Hello")).text == "Hi"
    return stub.bodies[0]


async def test_a_plain_server_gets_plain_members() -> None:
    body = await body_sent("gpt-something", temperature=0.3)
    assert body["temperature"] == 0.3
    assert "thinking" not in body
    assert body["max_tokens"] == 16_384


async def test_vllm_says_that_it_is_vllm() -> None:
    body = await body_sent("qwen", "vllm", thinking=False)
    assert body["chat_template_kwargs"]["enable_thinking"] is False


async def test_a_model_of_the_platform_is_asked_as_the_platform_wants() -> None:
    body = await body_sent("kimi-k2.6", keep="all")
    assert body["thinking"] == {"type": "enabled", "keep": "all"}
    assert "temperature" not in body
    assert body["prompt_cache_key"]


async def test_a_dialect_can_be_said() -> None:
    body = await body_sent("kimi-k2.6", "someone", dialect="sglang")
    assert body["chat_template_kwargs"]["thinking"] is True


async def test_the_environment_says_where_the_model_is() -> None:
    async with upstream(ANSWER) as stub:
        environ = {"MOONSHOT_BASE_URL": stub.url, "MOONSHOT_API_KEY": "sk-from-outside"}
        await Agent(model="the-model", environ=environ).run("Hello")
    assert stub.asked[0].headers["authorization"] == "Bearer sk-from-outside"


@pytest.mark.parametrize(
    ("url", "hosted"),
    [
        ("https://api.moonshot.ai/v1", True),
        ("https://api.moonshot.cn/v1", True),
        ("https://moonshot.ai.example.com/v1", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_the_hosted_api_is_known_by_its_name(url: str, hosted: bool) -> None:
    assert is_hosted(url) is hosted


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8000", "http://"])
async def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"base_url or api_key cannot be used: the URL of an upstream must be .*8001/v1$"
    ):
        await Agent(base_url=url).run("Hello")


def test_an_unknown_dialect_is_refused() -> None:
    name: Any = "klingon"
    with pytest.raises(SettingsError, match="dialect is 'klingon'; expected one of moonbase, kimi, vllm"):
        Agent(dialect=name)


async def test_a_refusal_is_told_with_the_servers_words() -> None:
    refused = whole(
        {"error": {"message": "Your account org-1 is suspended", "type": "exceeded_current_quota_error"}}, 429
    )
    async with upstream(refused) as stub:
        with pytest.raises(AgentError, match="Your account org-1 is suspended") as caught:
            await Agent(model="the-model", base_url=stub.url).run("Hello")
    assert caught.value.error.type == "exceeded_current_quota_error"


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_is_told_with_the_servers_words(status: int) -> None:
    async with upstream(whole({"error": {"message": "CUDA is out of memory"}}, status)) as stub:
        with pytest.raises(AgentError, match="CUDA is out of memory"):
            await Agent(model="the-model", base_url=stub.url, retries=Retries(times=0)).run("Hello")


async def test_a_server_behind_tls_that_cannot_be_trusted_or_has_none_is_told_as_that(tmp_path: Path) -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    tls = Authority.make().serving("localhost", tmp_path)
    for secure, reason in ((tls, "unable to get local issuer certificate"), (None, ".+")):
        server = await asyncio.start_server(refuses, "localhost", 0, family=socket.AF_INET, ssl=secure)
        async with server:
            port: int = server.sockets[0].getsockname()[1]
            with pytest.raises(AgentError, match=f"no connection: the TLS handshake failed: {reason}"):
                await Agent(base_url=f"https://localhost:{port}").run("Hello")
