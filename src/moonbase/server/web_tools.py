"""`/v1/tools`: a search and a page of the web in one request each, without a model.

The hosted API's pages are /docs/api/tools-search, tools-search-pro and tools-fetch; `$web_search` has retired in their
favour there. Errors have the types that those pages name. Nothing is charged here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.decoding import decode
from moonbase.contract.errors import (
    InvalidRequest,
    InvalidToolRequest,
    InvalidUrl,
    MarkdownNotFound,
    NotFound,
    SecurityRisk,
    TimedOut,
    UpstreamFailed,
)
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform
from moonbase.server.replies import body_of, reply
from moonbase.tools.fetching.media import NoText
from moonbase.tools.fetching.pages import PageReader, TooSlow
from moonbase.tools.fetching.policy import Refused
from moonbase.tools.fetching.targets import parse_target
from moonbase.tools.search.provider import SearchResult
from moonbase.tools.search.sites import BEST, is_within, naming
from moonbase.tools.tool import ToolError

SEARCH, SEARCH_PRO, FETCH = "/v1/tools/search", "/v1/tools/search_pro", "/v1/tools/fetch"
LIMIT, MOST = 5, 20
MOST_SECONDS = 60
MOST_SITES = 5
Body = TypeVar("Body", bound=msgspec.Struct)
_SECONDS = 30.0
"""For a page, and for a search that sets no time of its own."""
_BODY = 64 * 1024
_TRACK = re.compile(r"[!-~]{1,128}\Z")
_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?\Z")
_SITE = re.compile(r"[^\s()]+\Z")


class Search(msgspec.Struct, frozen=True):
    """What both searches take."""

    text_query: str
    """What to search for."""
    limit: int | None = None
    """The most results, 1 to 20; 5 unless told otherwise."""
    timeout_seconds: int | None = None
    """How long it may take, 1 to 60 seconds."""


class SearchBody(Search, frozen=True):
    """The body of `POST /v1/tools/search`."""

    include_content: bool | None = None
    """Whether `text` has the page of each result, as Markdown, where it can be read."""


class TimeWindow(msgspec.Struct, frozen=True):
    """Dates as `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, each of which stands for its first day."""

    start: str | None = None
    end: str | None = None


class SearchProBody(Search, frozen=True):
    """The body of `POST /v1/tools/search_pro`."""

    sites: list[str] | None = None
    """Up to 5 hosts: only results of one of them, or of a host below it."""
    time_window: TimeWindow | None = None
    """Only results of these days. Results without a date are none."""


class Hit(msgspec.Struct, frozen=True):
    """A result. What is not known of it is empty."""

    title: str
    url: str
    snippet: str
    text: str
    """The page as Markdown, with `include_content`."""
    date: str
    """`YYYY-MM-DD`."""
    site_name: str
    authority: str
    icon: str
    mime: str


class Passage(msgspec.Struct, frozen=True):
    text: str
    score: float


class ProHit(msgspec.Struct, frozen=True):
    """A result. What is not known of it is empty."""

    title: str
    url: str
    snippet: str
    date: str
    """`YYYY-MM-DD`."""
    site_name: str
    authority: str
    icon: str
    mime: str
    chunks: list[Passage]
    """None here: no search of this server says which passages of a page fit how well."""


class SearchReply(msgspec.Struct, frozen=True):
    search_results: list[Hit]
    """Best first."""


class SearchProReply(msgspec.Struct, frozen=True):
    search_results: list[ProHit]
    """Best first."""


class FetchBody(msgspec.Struct, frozen=True):
    """The body of `POST /v1/tools/fetch`."""

    url: str
    """A page of the web, by http or https."""


class FetchReply(msgspec.Struct, frozen=True):
    url: str
    """As it was asked for."""
    markdown: str
    title: str


def routes(platform: Platform) -> list[Route]:
    """The three routes, on the platform's search and its reader of pages."""

    async def search(request: Request) -> Response:
        body = await _read(platform, request, SearchBody)
        limit, seconds = _bounds(body)
        async with _in_time(seconds):
            found = await _found(platform, body.text_query, limit)
            texts = [""] * len(found)
            if body.include_content and platform.pages is not None:
                texts = await asyncio.gather(*(_page_of(platform.pages, each.url, seconds) for each in found))
        return reply(request, SearchReply([_hit(each, text) for each, text in zip(found, texts, strict=True)]))

    async def search_pro(request: Request) -> Response:
        body = await _read(platform, request, SearchProBody)
        limit, seconds = _bounds(body)
        sites, fits = _sites(body.sites or []), _fits(body.time_window or TimeWindow())
        narrowed = bool(sites) or body.time_window is not None
        async with _in_time(seconds):
            found = await _found(platform, naming(body.text_query, sites), BEST if narrowed else limit)
        kept = [each for each in found if is_within(each.url, sites) and fits(each.date)]
        return reply(request, SearchProReply([_pro_hit(each) for each in kept[:limit]]))

    async def fetch(request: Request) -> Response:
        body = await _read(platform, request, FetchBody)
        if platform.pages is None:
            raise NotFound("reading pages is switched off on this server (tools.fetch)")
        try:
            parse_target(body.url)
        except ToolError as error:
            raise InvalidUrl(f"The provided URL is invalid: {error}") from None
        try:
            page = await platform.pages.read(body.url, raw=False, seconds=_SECONDS)
        except Refused as error:
            raise SecurityRisk(
                f"We consider the current URL poses a security risk and are unable to provide fetch service: {error}"
            ) from None
        except NoText as error:
            raise MarkdownNotFound(f"No text/markdown content found for the current URL: {error}") from None
        except TooSlow as error:
            raise TimedOut(f"request timeout: {error}") from None
        except ToolError as error:
            raise UpstreamFailed(f"upstream service failed: {error}") from None
        if not page.text.strip():
            raise MarkdownNotFound("No text/markdown content found for the current URL.")
        return reply(request, FetchReply(body.url, page.text, page.title))

    return [
        Route(SEARCH, _named(search), methods=["POST"]),
        Route(SEARCH_PRO, _named(search_pro), methods=["POST"]),
        Route(FETCH, _named(fetch), methods=["POST"]),
    ]


def _named(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """`handle`, with the names that these routes give a request: the client's own where it brings one."""

    async def named(request: Request) -> Response:
        entry: Entry = request.scope["moonbase.entry"]
        sent = request.headers.get("x-msh-track-id", "")
        track = sent if _TRACK.match(sent) else entry.trace_id
        entry.named = (
            (b"x-msh-track-id", track.encode()),
            (b"x-msh-chat-id", f"toolgw-{track}".encode()),
        )
        return await handle(request)

    return named


async def _read(platform: Platform, request: Request, kind: type[Body]) -> Body:
    try:
        return decode(await body_of(request, limit=_BODY, patience=platform.patience), kind)
    except InvalidRequest as error:
        raise InvalidToolRequest(error.message) from None


def _bounds(body: Search) -> tuple[int, float]:
    """How many results, and within how many seconds."""
    if not body.text_query.strip():
        raise InvalidToolRequest("text_query is required")
    limit = LIMIT if body.limit is None else body.limit
    if not 1 <= limit <= MOST:
        raise InvalidToolRequest(f"limit must be between 1 and {MOST}")
    seconds = _SECONDS if body.timeout_seconds is None else body.timeout_seconds
    if seconds < 1:
        raise InvalidToolRequest("timeout_seconds must be greater than or equal to 1")
    if seconds > MOST_SECONDS:
        raise InvalidToolRequest(f"timeout_seconds must be less than or equal to {MOST_SECONDS}")
    return limit, float(seconds)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncGenerator[None]:
    """Raises `TimedOut` where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimedOut("request timeout") from None


async def _found(platform: Platform, query: str, limit: int) -> list[SearchResult]:
    try:
        return await platform.search.search(query.strip(), ("all",), limit)
    except ToolError as error:
        raise UpstreamFailed(f"upstream service failed: {error}") from None


async def _page_of(pages: PageReader, url: str, seconds: float) -> str:
    try:
        return (await pages.read(url, raw=False, seconds=seconds)).text
    except ToolError:
        return ""


def _sites(sites: Sequence[str]) -> list[str]:
    if len(sites) > MOST_SITES:
        raise InvalidToolRequest(f"sites must contain at most {MOST_SITES} entries")
    for site in sites:
        if not site:
            raise InvalidToolRequest("site must not be empty")
        if not _SITE.match(site):
            raise InvalidToolRequest("site must not contain whitespace or parentheses")
    return [site.lower() for site in sites]


def _fits(window: TimeWindow) -> Callable[[str], bool]:
    """Whether a date is within `window`."""
    start, end = _first_day(window.start, "start"), _first_day(window.end, "end")
    if start and end and start > end:
        raise InvalidToolRequest("time_window.start must not be after time_window.end")
    if not (start or end):
        return lambda date: True
    return lambda date: bool(date) and (not start or date >= start) and (not end or date <= end)


def _first_day(text: str | None, name: str) -> str:
    if text is None:
        return ""
    found = _DATE.match(text)
    if found is None:
        raise InvalidToolRequest(f"time_window.{name} is invalid, expect YYYY / YYYY-MM / YYYY-MM-DD")
    return f"{found[1]}-{found[2] or '01'}-{found[3] or '01'}"


def _hit(found: SearchResult, text: str) -> Hit:
    return Hit(found.title, found.url, found.snippet, text, found.date, found.source, "", "", "")


def _pro_hit(found: SearchResult) -> ProHit:
    return ProHit(found.title, found.url, found.snippet, found.date, found.source, "", "", "", [])
