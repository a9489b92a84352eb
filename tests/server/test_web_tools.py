"""`/v1/tools` (the hosted API's pages /docs/api/tools-search, tools-search-pro and tools-fetch)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from moonbase.tools.fetching.download import Downloader
from moonbase.tools.fetching.pages import PageReader
from moonbase.tools.fetching.policy import Policy
from moonbase.tools.search.provider import SearchResult
from moonbase.tools.tool import ToolError
from tests.running import Running, make_platform, running
from tests.server.client import client
from tests.tools.fetching.world import PUBLIC, World, always, page, serving

Json = dict[str, Any]
HTML = b"<html><head><title>Port Alder</title></head><body><p>It rains in Port Alder today, and it is calm.</p>"


class Told:
    """A search that answers what it is told, and keeps what it was asked."""

    def __init__(self, *results: SearchResult) -> None:
        self.results = list(results)
        self.asked: list[tuple[str, int]] = []

    async def search(self, query: str, classes: Sequence[str], limit: int) -> list[SearchResult]:
        self.asked.append((query, limit))
        return self.results[:limit]


class Stuck(Told):
    async def search(self, query: str, classes: Sequence[str], limit: int) -> list[SearchResult]:
        await asyncio.Event().wait()
        return []


class Broken(Told):
    async def search(self, query: str, classes: Sequence[str], limit: int) -> list[SearchResult]:
        raise ToolError("the search engine is away")


def hit(number: int, date: str = "", host: str = "public.example") -> SearchResult:
    return SearchResult(f"Title {number}", "Site", f"http://{host}/{number}", date, f"Snippet {number}")


@pytest.fixture
async def pages() -> AsyncGenerator[PageReader]:
    async with serving(always(page(HTML, "text/html"))) as up:
        reader = PageReader(Downloader(Policy(), World({"public.example": [[PUBLIC]]}, {PUBLIC: up})))
        yield reader
        await reader.close()


async def ask(server: Running, route: str, members: Json, **headers: str) -> httpx.Response:
    async with client(server) as http:
        return await http.post(f"/tools/{route}", json=members, headers=headers)


async def test_a_search_of_what_is_bundled(server: Running) -> None:
    answer = await ask(server, "search", {"text_query": "hospital", "limit": 2})
    results = answer.json()["search_results"]
    assert answer.status_code == 200
    assert 1 <= len(results) <= 2
    assert set(results[0]) == {
        *("title", "url", "snippet", "text", "date", "site_name", "authority", "icon", "mime"),
    }
    assert "hospital" in (results[0]["title"] + results[0]["snippet"]).lower()


async def test_nothing_found_is_an_empty_list(server: Running) -> None:
    assert (await ask(server, "search", {"text_query": "zzqx"})).json() == {"search_results": []}


async def test_five_unless_told_otherwise(tmp_path: Path) -> None:
    search = Told(*(hit(number) for number in range(30)))
    async with running(make_platform(tmp_path, search=search)) as server:
        few = (await ask(server, "search", {"text_query": " moon "})).json()["search_results"]
        many = (await ask(server, "search", {"text_query": "moon", "limit": 20})).json()["search_results"]
    assert (len(few), len(many)) == (5, 20)
    assert search.asked == [("moon", 5), ("moon", 20)]
    assert few[0]["text"] == ""


async def test_the_pages_of_the_results(tmp_path: Path, pages: PageReader) -> None:
    search = Told(hit(1), hit(2, host="intern.internal"))
    async with running(make_platform(tmp_path, search=search, pages=pages)) as server:
        answer = await ask(server, "search", {"text_query": "moon", "include_content": True})
    assert [each["text"] for each in answer.json()["search_results"]] == [
        "It rains in Port Alder today, and it is calm.",
        "",
    ]


async def test_some_sites_and_some_days(tmp_path: Path) -> None:
    search = Told(
        hit(1, "2026-02-03", "news.example.org"),
        hit(2, "2026-02-03", "other.net"),
        hit(3, "2025-12-31", "example.org"),
        hit(4, "", "example.org"),
        hit(5, "2026-01-01", "www.example.org"),
        hit(6, "2026-02-03", "notexample.org"),
    )
    asked = {"text_query": "moon", "sites": ["Example.org"], "time_window": {"start": "2026", "end": "2026-03"}}
    async with running(make_platform(tmp_path, search=search)) as server:
        answer = await ask(server, "search_pro", asked)
        all_days = await ask(server, "search_pro", {"text_query": "moon", "limit": 2})
    results = answer.json()["search_results"]
    assert [each["title"] for each in results] == ["Title 1", "Title 5"]
    assert results[0]["chunks"] == []
    assert "text" not in results[0]
    assert len(all_days.json()["search_results"]) == 2
    assert search.asked == [("moon site:example.org", 20), ("moon", 2)]


REFUSED: dict[str, tuple[str, Json, str]] = {
    "no query": ("search", {}, "text_query"),
    "an empty query": ("search", {"text_query": " "}, "text_query is required"),
    "too few": ("search", {"text_query": "x", "limit": 0}, "limit must be between 1 and 20"),
    "too many": ("search_pro", {"text_query": "x", "limit": 21}, "limit must be between 1 and 20"),
    "no time": ("search", {"text_query": "x", "timeout_seconds": 0}, "timeout_seconds"),
    "too long": (
        "search",
        {"text_query": "x", "timeout_seconds": 61},
        "timeout_seconds must be less than or equal to 60",
    ),
    "many sites": ("search_pro", {"text_query": "x", "sites": ["a"] * 6}, "sites must contain at most 5 entries"),
    "two sites in one": (
        "search_pro",
        {"text_query": "x", "sites": ["a b"]},
        "site must not contain whitespace or parentheses",
    ),
    "no day": (
        "search_pro",
        {"text_query": "x", "time_window": {"end": "2026-13"}},
        "time_window.end is invalid, expect YYYY / YYYY-MM / YYYY-MM-DD",
    ),
    "backwards": (
        "search_pro",
        {"text_query": "x", "time_window": {"start": "2026-02", "end": "2026"}},
        "time_window.start must not be after time_window.end",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_names_the_field(server: Running, name: str) -> None:
    route, members, told = REFUSED[name]
    answer = await ask(server, route, members)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request")
    assert told in answer.json()["error"]["message"]


async def test_a_search_that_fails_or_takes_too_long(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, search=Broken())) as server:
        failed = await ask(server, "search", {"text_query": "x"})
    async with running(make_platform(tmp_path, search=Stuck())) as server:
        slow = await ask(server, "search", {"text_query": "x", "timeout_seconds": 1})
    assert (failed.status_code, failed.json()["error"]["type"]) == (502, "upstream_failed")
    assert (slow.status_code, slow.json()["error"]["type"]) == (504, "timeout")


async def test_requests_have_names(server: Running) -> None:
    own = await ask(server, "search", {"text_query": "x"}, **{"X-Msh-Track-Id": "mine-1"})
    made = await ask(server, "search", {})
    assert (own.headers["x-msh-track-id"], own.headers["x-msh-chat-id"]) == ("mine-1", "toolgw-mine-1")
    assert made.status_code == 400
    assert made.headers["x-msh-chat-id"] == f"toolgw-{made.headers['x-msh-track-id']}"
    assert made.headers["x-msh-track-id"] == made.headers["x-trace-id"]


async def test_a_page(tmp_path: Path, pages: PageReader) -> None:
    async with running(make_platform(tmp_path, pages=pages)) as server:
        answer = await ask(server, "fetch", {"url": "http://public.example/weather"})
    assert answer.json() == {
        "url": "http://public.example/weather",
        "markdown": "It rains in Port Alder today, and it is calm.",
        "title": "Port Alder",
    }


@pytest.mark.parametrize(
    ("url", "status", "kind"),
    [
        ("", 400, "invalid_url"),
        ("ftp://public.example/", 400, "invalid_url"),
        ("https:///page", 400, "invalid_url"),
        ("http://127.0.0.1/", 403, "security_risk"),
        ("http://metadata.internal/", 403, "security_risk"),
        ("http://nowhere.example/", 502, "upstream_failed"),
    ],
)
async def test_pages_that_cannot_be_read(tmp_path: Path, pages: PageReader, url: str, status: int, kind: str) -> None:
    async with running(make_platform(tmp_path, pages=pages)) as server:
        answer = await ask(server, "fetch", {"url": url})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


@pytest.mark.parametrize(("data", "media"), [(b"%PDF-1.7", "application/pdf"), (b"<html></html>", "text/html")])
async def test_a_page_without_text(tmp_path: Path, data: bytes, media: str) -> None:
    async with serving(always(page(data, media))) as up:
        reader = PageReader(Downloader(Policy(), World({"public.example": [[PUBLIC]]}, {PUBLIC: up})))
        async with running(make_platform(tmp_path, pages=reader)) as server:
            answer = await ask(server, "fetch", {"url": "http://public.example/"})
        await reader.close()
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "markdown_not_found")


async def test_where_no_pages_are_read(server: Running) -> None:
    answer = await ask(server, "fetch", {"url": "http://public.example/"})
    assert answer.status_code == 404
    assert "tools.fetch" in answer.json()["error"]["message"]
