"""From a URL to text: the download and the rendering behind one call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from moonbase.tools.fetching.download import Downloader
from moonbase.tools.fetching.rendering import Job
from moonbase.tools.fetching.workers import Renderers
from moonbase.tools.tool import ToolError

MAX_AT_ONCE = 100  # downloads: their bodies are held in memory, up to 5 MB each


class TooSlow(ToolError):
    """The page was not there in time."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page that a model can read. `url` is the one that redirects led to."""

    url: str
    title: str
    text: str


class PageReader:
    """Reads pages; `close` when the server leaves."""

    def __init__(self, downloader: Downloader, renderers: Renderers | None = None) -> None:
        self._downloader = downloader
        self._renderers = renderers or Renderers()
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def read(self, url: str, *, raw: bool, seconds: float) -> WebPage:
        """Raises `ToolError`, also when the page is not there after `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._places:
                found = await self._downloader.get(url)
                job = Job(found.data, found.media.kind, found.media.charset, found.url, raw)
                page = await self._renderers.render(job)
        except TimeoutError:
            raise TooSlow(f"the page was not there after {seconds:.0f} seconds; try again later") from None
        return WebPage(found.url, page.title, page.text)

    async def close(self) -> None:
        await self._renderers.close()
