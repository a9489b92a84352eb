"""The bare client: bytes out, bytes in, nothing hidden and nothing awaited for ever."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from moonbase.conformance.verdict import Skipped, Violation, brief

_BUSY_RETRIES = 4


class Unreachable(Exception):
    """No answer came: no connection, or none in time. The message says which."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; `headers` compares names without case."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def content_type(self) -> str:
        return str(self.headers.get("content-type", ""))

    def json(self) -> Any:
        """Raises `Violation` where the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Violation(f"the body (status {self.status}) is not JSON: {brief(self.body)}") from None

    def __str__(self) -> str:
        """The status, and what was said where it is no success."""
        return "200" if self.status == 200 else f"{self.status} {brief(self.body.decode(errors='replace'), 160)}"


class Wire:
    """Requests to one server. `timeout` is for a whole answer, in seconds; 429 is waited out a few times."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, *, key: str, timeout: float) -> None:
        self._http = http
        self._base_url = base_url
        self._key = key
        self.timeout = timeout

    async def get(self, path: str, *, key: str | None = None) -> Reply:
        return await self._request("GET", path, None, key)

    async def post(self, path: str, payload: object, *, key: str | None = None) -> Reply:
        """`payload` is JSON data, or bytes to be sent as they are. `key` "" sends none at all."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self._request("POST", path, content, key)

    async def chat(self, payload: object, *, key: str | None = None) -> Reply:
        return await self.post("/chat/completions", payload, key=key)

    async def _request(self, method: str, path: str, content: bytes | None, key: str | None) -> Reply:
        key = self._key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if content is not None:
            headers["Content-Type"] = "application/json"
        for attempt in range(_BUSY_RETRIES):
            reply = await self._once(method, path, content, headers)
            if reply.status != 429:
                return reply
            await asyncio.sleep(_wait(reply, attempt))
        raise Skipped("the server was too busy or over its limits: 429 each time")

    async def _once(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        url = self._base_url + path
        try:
            async with asyncio.timeout(self.timeout):
                answer = await self._http.request(method, url, content=content, headers=headers, timeout=self.timeout)
        except (TimeoutError, httpx.TimeoutException):
            raise Unreachable(f"no whole answer within {self.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise Unreachable(f"the connection failed: {error or type(error).__name__}") from None
        return Reply(answer.status_code, answer.headers, answer.content)


def _wait(reply: Reply, attempt: int) -> float:
    """Seconds until the next try."""
    asked = str(reply.headers.get("retry-after", ""))
    return min(float(asked), 30.0) if asked.isdigit() else 2.0**attempt
