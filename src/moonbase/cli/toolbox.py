"""From settings to the tools of this process: the official ones, the operator's own, and those of MCP servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from moonbase.contract.errors import SettingsError
from moonbase.contract.files import Files
from moonbase.server.platform import Step
from moonbase.server.settings import SearchSettings, Settings, ToolsSettings
from moonbase.tools.fetching.download import Downloader
from moonbase.tools.fetching.network import SystemNetwork
from moonbase.tools.fetching.pages import PageReader
from moonbase.tools.fetching.policy import Policy
from moonbase.tools.keyfile import load_or_create_key
from moonbase.tools.loading import load_formulas
from moonbase.tools.mcp.namespace import McpNamespace
from moonbase.tools.official.formulas import official_formulas
from moonbase.tools.official.rates import open_rates
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.sandbox.runner import CodeRunner, SandboxRunner, open_runner
from moonbase.tools.seal import Sealer
from moonbase.tools.search.index import IndexSearch
from moonbase.tools.search.live import LiveSearch, ddgs_client
from moonbase.tools.search.provider import SearchProvider
from moonbase.tools.search.sample import sample_news
from moonbase.tools.search.searxng import SearxngSearch
from moonbase.tools.spreadsheets.reader import Spreadsheets
from moonbase.tools.toolset import Toolset


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """Tools, what runs them and what opens their sealed outputs. `connecting` comes before they are listed, `opening`
    before the first call, `closing` after the last; `notices` are for the operator."""

    toolset: Toolset
    fibers: FiberRunner
    sealer: Sealer
    search: SearchProvider
    pages: PageReader | None
    connecting: tuple[Step, ...]
    opening: tuple[Step, ...]
    closing: tuple[Step, ...]
    notices: tuple[str, ...]


def open_toolbox(settings: Settings, data_dir: Path, files: Files, *, seal_key: bytes | None = None) -> Toolbox:
    """`seal_key`: what outputs are sealed with; None takes that of the data directory. Raises `SettingsError`."""
    sealer = Sealer(seal_key or load_or_create_key(data_dir / "seal.key"))
    search = open_search(settings.search, data_dir)
    pages = open_pages(settings.tools)
    rates = open_rates(settings.tools.rates, data_dir)
    own = load_formulas(settings.tools.modules, entry_points=settings.tools.entry_points)
    code = open_code(settings)
    spreadsheets = Spreadsheets(files)
    official = official_formulas(search.provider, rates=rates, pages=pages, code=code.runner, spreadsheets=spreadsheets)
    toolset = Toolset([*official, *own])
    servers = [McpNamespace(name, server, toolset) for name, server in settings.mcp.items()]
    return Toolbox(
        toolset=toolset,
        fibers=FiberRunner(toolset, sealer=sealer, limits=Limits(seconds=settings.tools.deadline_s)),
        sealer=sealer,
        search=search.provider,
        pages=pages,
        connecting=tuple(server.open for server in servers),
        opening=(*search.opening, *code.opening),
        closing=(
            *search.closing,
            *code.closing,
            *([pages.close] if pages else []),
            spreadsheets.close,
            *(server.close for server in servers),
        ),
        notices=code.runner.notices() if code.runner else (),
    )


def open_pages(settings: ToolsSettings) -> PageReader | None:
    """What the fetch tool reads pages with, if it is switched on; raises `SettingsError`."""
    policy = Policy(settings.fetch_allow)
    return PageReader(Downloader(policy, SystemNetwork())) if settings.fetch else None


class Code(NamedTuple):
    """A runner of programs, where the settings want one, and what it needs when the server starts and leaves."""

    runner: CodeRunner | None = None
    opening: tuple[Step, ...] = ()
    closing: tuple[Step, ...] = ()


def open_code(settings: Settings) -> Code:
    """The sandbox of this host; a runner that only says what to install where a part is missing."""
    if not settings.tools.code:
        return Code()
    runner = open_runner()
    return Code(runner, (runner.open,), (runner.close,)) if isinstance(runner, SandboxRunner) else Code(runner)


class Search(NamedTuple):
    """A provider of search results, and what it needs when the server starts and leaves."""

    provider: SearchProvider
    opening: tuple[Step, ...] = ()
    closing: tuple[Step, ...] = ()


def open_search(settings: SearchSettings, data_dir: Path) -> Search:
    """A live provider where one is configured, else an index over folders; raises `SettingsError`."""
    if settings.searxng and settings.live:
        raise SettingsError("search.searxng and search.live are both set; choose one")
    if settings.searxng:
        client = httpx.AsyncClient()
        return Search(SearxngSearch(settings.searxng, client), closing=(client.aclose,))
    if settings.live:
        return Search(LiveSearch(ddgs_client()))
    folders = [Path(folder).expanduser() for folder in settings.folders]
    if not folders:
        folders = [sample_news()]
    index = IndexSearch(data_dir / "search.db", folders)
    return Search(index, opening=(index.refresh,), closing=(index.close,))
