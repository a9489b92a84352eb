"""Running a server in this process, from its settings to a clean leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from moonbase.cli.compose import compose
from moonbase.cli.flags import apply_flags
from moonbase.cli.log_lines import LogLines
from moonbase.server.app import App
from moonbase.server.listen import Listener, bind, url_of
from moonbase.server.platform import Platform
from moonbase.server.settings import Settings, load_settings
from moonbase.server.site import PAGE


def serve(config: Path | None, flags: dict[str, Any], *, quiet: bool) -> None:
    """Serve until Ctrl-C. Raises `SettingsError`."""
    lines = _log_to_stderr(quiet=quiet)
    settings = apply_flags(load_settings(config) if config else Settings(), flags)
    platform = compose(settings)
    with contextlib.suppress(KeyboardInterrupt):  # before it serves, or again while it leaves
        _run(_serve(platform, settings, lines))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


async def _serve(platform: Platform, settings: Settings, lines: LogLines) -> None:
    taken = bind(settings.server.host, settings.server.port)
    listener = Listener(App(platform))
    serving = asyncio.create_task(listener.run_on(taken))
    ready = asyncio.create_task(listener.ready.wait())
    await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
    if listener.ready.is_set():
        lines.gather(asyncio.get_running_loop())
        # What is loaded by now stays: the collector need not look through it again while answers wait.
        gc.collect()
        gc.freeze()
        _say_hello(url_of(taken), platform, settings)
    ready.cancel()
    try:
        await asyncio.shield(serving)
    finally:
        await asyncio.wait((serving,))  # another Ctrl-C cancels this task, while the server still closes
        lines.gather(None)
        await _leave_behind()


async def _leave_behind(patience: float = 1.0) -> None:
    """A tool that does not let itself be stopped must not keep the process, whose runner would wait for it for ever.
    Everything of ours is closed by now."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left and (await asyncio.wait(left, timeout=patience))[1]:
        logging.getLogger("moonbase").error("a tool did not stop; the server leaves without waiting for it")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _say_hello(url: str, platform: Platform, settings: Settings) -> None:
    engines = {name: spec.kind for name, spec in settings.engines.items()} or {"bundled": "bundled"}
    click.echo(f"Moonbase is serving on {url}/v1")
    click.echo(f"  models   {', '.join(platform.models)}")
    click.echo(f"  engines  {', '.join(f'{name} ({kind})' for name, kind in engines.items())}")
    for name, kind in engines.items():
        if kind == "chaos":
            click.echo(f"  chaos    {name} is a test double that spoils answers on purpose; do not serve users with it")
    if platform.site is not None:
        click.echo(f"  try it   {url}{PAGE}")
    if platform.keys.open:
        click.echo("  keys     none is set: any non-empty key is accepted, from this machine only")
    for notice in platform.notices:
        click.echo(f"  {notice}")
    sys.stdout.flush()


def _log_to_stderr(*, quiet: bool) -> LogLines:
    lines = LogLines(sys.stderr)
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    # What the format does not show need not be asked for with every line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it quotes what it cannot read
    logging.getLogger("moonbase").setLevel(logging.WARNING if quiet else logging.INFO)
    return lines
