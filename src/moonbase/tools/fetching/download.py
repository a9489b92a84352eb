"""One page downloaded: every hop checked before it is asked, everything that a server can send within a bound."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from http.client import responses
from ipaddress import ip_address
from typing import cast

import httpcore

import moonbase
from moonbase.tools.fetching.addresses import Address
from moonbase.tools.fetching.media import Media, media_of
from moonbase.tools.fetching.network import Network
from moonbase.tools.fetching.pinned import PinnedBackend
from moonbase.tools.fetching.policy import Policy, Refused
from moonbase.tools.fetching.targets import Target, follow, parse_target
from moonbase.tools.fetching.unpacking import ACCEPTED, Unpacker
from moonbase.tools.tool import ToolError

USER_AGENT = f"Moonbase/{moonbase.__version__} (fetch tool; one page, at a user's request)"
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_ADDRESSES = 3  # tried of a name that has many
_HEAD_BYTES = 300_000  # before the body: h11 takes heads of 100 KB, and any number of informational ones before


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one download: bytes of the unpacked page, pieces that it comes in (each is work), redirects followed, seconds
    to connect and between two pieces.

    Whoever calls sets the time for the whole.
    """

    page_bytes: int = 5_000_000
    pieces: int = 50_000
    redirects: int = 5
    connect_s: float = 8.0
    silence_s: float = 15.0

    @property
    def body_bytes(self) -> int:
        """What a body may take on the wire: the page and the marks of chunks."""
        return self.page_bytes + self.page_bytes // 4 + 100_000


@dataclass(frozen=True, slots=True)
class Download:
    """A page as it came. `url` is the last one, after redirects."""

    url: str
    media: Media
    data: bytes


class Downloader:
    """Downloads pages that `policy` allows. Cookies, credentials, referrers and proxies have no part in it."""

    def __init__(self, policy: Policy, network: Network, bounds: Bounds | None = None) -> None:
        self._policy = policy
        self._network = network
        self._bounds = bounds or Bounds()

    async def get(self, url: str) -> Download:
        """Raises `ToolError` for everything that keeps the page from being read."""
        target = parse_target(url)
        for _ in range(self._bounds.redirects + 1):
            found = await self._ask(target)
            if isinstance(found, Download):
                return found
            target = found
        raise ToolError(f"the page redirects more than {self._bounds.redirects} times; it cannot be fetched")

    async def _ask(self, target: Target) -> Download | Target:
        addresses = await self._addresses(target)
        tls = await self._network.tls() if target.scheme == "https" else None
        origin = httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port)
        try:
            async with PinnedBackend(self._network, addresses, allowance=_HEAD_BYTES) as backend:
                connection = httpcore.AsyncHTTPConnection(origin, tls, network_backend=backend)
                async with connection, self._asked(connection, target) as response:
                    backend.allow(self._bounds.body_bytes)
                    return await self._answer(target, response)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise ToolError(_failure(target, error)) from None

    async def _addresses(self, target: Target) -> Sequence[Address]:
        """The addresses to connect to: all of them allowed, or the target is refused."""
        self._policy.check_target(target)
        addresses = [target.address] if target.address else await self._resolved(target)
        for address in addresses:
            self._policy.check_address(target, address)
            if not self._policy.allows(target, address) and await self._network.is_this_machine(address):
                raise Refused(f"the host {target.host} is the machine that would fetch it; it cannot be fetched")
        return addresses[:_MAX_ADDRESSES]

    async def _resolved(self, target: Target) -> list[Address]:
        try:
            found = [ip_address(text) for text in await self._network.resolve(target.host)]
        except (OSError, ValueError):  # a UnicodeError is a ValueError
            found = []
        if not found:
            raise ToolError(f"the host {target.host} cannot be found; check its spelling")
        return found

    def _asked(
        self, connection: httpcore.AsyncHTTPConnection, target: Target
    ) -> AbstractAsyncContextManager[httpcore.Response]:
        # The parts go over as they were checked; nobody reads the text of the URL again.
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        headers = {
            "Host": target.authority,
            "User-Agent": USER_AGENT,
            "Accept": "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.1",
            "Accept-Encoding": ACCEPTED,
            "Connection": "close",
        }
        silence = self._bounds.silence_s
        timeout = {"connect": self._bounds.connect_s, "read": silence, "write": silence}
        return connection.stream("GET", url, headers=list(headers.items()), extensions={"timeout": timeout})

    async def _answer(self, target: Target, response: httpcore.Response) -> Download | Target:
        headers = _headers(response)
        if response.status in _REDIRECTS and "location" in headers:
            return follow(target, headers["location"])
        if not 200 <= response.status < 300:
            raise ToolError(f"the server answered {_status(response.status)} for {target.url}")
        media = media_of(headers.get("content-type", ""), target.url)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > self._bounds.page_bytes:
            raise ToolError(f"the page has {length[:20]} bytes; it is too large to fetch")
        body = Unpacker(headers.get("content-encoding", ""), limit=self._bounds.page_bytes)
        async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_stream())) as pieces:
            left = self._bounds.pieces
            async for piece in pieces:
                body.feed(piece)
                left -= 1
                if left < 0:
                    raise ToolError("the server sends the page in too many pieces; it cannot be fetched")
                await asyncio.sleep(0)  # unpacking is work: others get their turn between two pieces
        return Download(target.url, media, body.close())


def _headers(response: httpcore.Response) -> dict[str, str]:
    """By lower-case name; of a repeated one all values, joined, so that two redirects cannot be taken for one."""
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key, text = name.decode("latin-1").lower(), _header_text(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _header_text(value: bytes) -> str:
    try:
        return value.decode()  # many servers send a Location in UTF-8
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _status(status: int) -> str:
    phrase = responses.get(status)
    return f"with status {status} ({phrase})" if phrase else f"with status {status}"


def _failure(target: Target, error: Exception) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {target.host} does not prove that it is that host: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no secure connection to {target.host} can be made; its TLS is broken or too old"
    if isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout)):
        return f"{target.host} cannot be reached on port {target.port}"
    if isinstance(error, httpcore.TimeoutException):
        return f"{target.host} stopped sending before the page was complete"
    if isinstance(error, httpcore.ProtocolError):
        return f"what {target.host} sends is not valid HTTP, or breaks off"
    return f"the connection to {target.host} broke"
