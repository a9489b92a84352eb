"""One server's endpoints, as commands ask them: JSON in and out; every failure is an exception that `exits` knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import httpx
import msgspec

from moonbase.cli.exits import Unusable
from moonbase.cli.where import Where, of_this_machine
from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidAuthentication,
    InvalidRequest,
    MissingApiKey,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Unavailable,
    UnexpectedOutput,
)

_KINDS: tuple[type[ApiError], ...] = (
    InvalidRequest,
    InvalidAuthentication,
    MissingApiKey,
    PermissionDenied,
    NotFound,
    EngineOverloaded,
    QuotaExceeded,
    RateLimited,
    ServerError,
    UnexpectedOutput,
    Unavailable,
)
_BY_TYPE = {kind.type: kind for kind in _KINDS}
_BY_STATUS = {kind.status: kind for kind in reversed(_KINDS)}


class Server:
    """`async with Server(where) as server`. `timeout` is in seconds, for each answer."""

    def __init__(self, where: Where, *, timeout: float = 60.0) -> None:
        self.where = where
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {where.key}"},
            timeout=timeout,
            trust_env=not of_this_machine(where.base_url),  # a proxy is of no use on the way to oneself
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str) -> Any:
        """The JSON at `path`, such as `/models`. Raises `Unusable` where nobody answers, and `ApiError`."""
        return await self._asked("GET", path, None)

    async def post(self, path: str, payload: object = None) -> Any:
        """The answer to JSON data. Raises like `get`."""
        return await self._asked("POST", path, payload)

    async def delete(self, path: str) -> Any:
        """The answer to the wish that it be gone. Raises like `get`."""
        return await self._asked("DELETE", path, None)

    async def upload(self, path: str, file: BinaryIO, *, name: str, purpose: str) -> Any:
        """The answer to a form with `file`, from its beginning (contract.md 5.4). Raises like `get`."""
        url = self.where.base_url
        name = name.encode(errors="replace").decode()  # not every name of a file is text
        with _reached(url):
            answer = await self._http.post(url + path, data={"purpose": purpose}, files={"file": (name, file)})
        return _read(answer, url)

    async def download(self, path: str, take: Callable[[bytes], object]) -> None:
        """Gives `take` the bytes at `path`, in pieces. Raises like `get`; what was given is not whole then."""
        url = self.where.base_url
        with _reached(url):
            async with self._http.stream("GET", url + path) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _read(answer, url)
                async for piece in answer.aiter_bytes():
                    take(piece)

    async def _asked(self, method: str, path: str, payload: object) -> Any:
        url = self.where.base_url
        body = None if payload is None else msgspec.json.encode(payload)
        with _reached(url):
            answer = await self._http.request(
                method, url + path, content=body, headers={"Content-Type": "application/json"} if body else None
            )
        return _read(answer, url)


@contextmanager
def _reached(url: str) -> Generator[None]:
    """What the connection fails of becomes `Unusable`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Unusable(no_server(url, str(error))) from None
    except httpx.TimeoutException:
        raise Unusable(f"{url} does not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unusable(f"the connection to {url} failed: {error or type(error).__name__}") from None


def no_server(url: str, why: str) -> str:
    """What to tell where no connection can be made."""
    todo = "start one with `moonbase serve`" if of_this_machine(url) else "check the address and the network"
    return f"no server answers at {url} ({why or 'no connection'}); {todo}, or name another with --base-url"


def _read(answer: httpx.Response, url: str) -> Any:
    try:
        told: Any = json.loads(answer.content)
    except ValueError:
        told = None
    if answer.is_success and told is not None:
        return told
    if answer.is_success or answer.is_redirect:
        raise Unusable(f"{url} answers with something else than the platform's API (status {answer.status_code})")
    raise failure_of(answer.status_code, told)


def failure_of(status: int, told: Any) -> ApiError:
    """The error envelope (contract.md 4.1) as the failure that it stands for; other bodies by their status."""
    whole = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    inner = whole.get("error", whole)
    told_of = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {"message": inner}
    message, kind = str(told_of.get("message") or told_of.get("detail") or ""), str(told_of.get("type") or "")
    found = _BY_TYPE.get(kind) or _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequest)
    return found(message or f"the server answered with the status {status} and no message")
