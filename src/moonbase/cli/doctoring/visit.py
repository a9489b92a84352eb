"""One visit of the doctor: from the command line to the last line."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from msgspec.structs import replace

from moonbase.cli.doctoring.check import Check, Scene
from moonbase.cli.doctoring.examine import Result, examine
from moonbase.cli.doctoring.report import as_json, line, summary
from moonbase.cli.doctoring.suite import checks_for, select
from moonbase.cli.where import read_where
from moonbase.contract.errors import SettingsError
from moonbase.server.data_dir import default_data_dir
from moonbase.server.settings import Settings, load_settings


def visit(
    *,
    config: Path | None,
    data_dir: str | None,
    base_url: str | None,
    key: str | None,
    only: Sequence[str],
    deep: bool,
    network: bool,
    timeout: float | None,
    wants_json: bool,
) -> int:
    """Print what the checks find; the exit code."""
    scene = scene_of(config, data_dir, base_url, key, deep=deep, network=network)
    checks = select(checks_for(scene), only)
    if not checks:
        raise click.UsageError(f"no check is named by --only {' '.join(only)}")
    with _no_log():
        results = asyncio.run(_told(scene, checks, timeout, quiet=wants_json))
    click.echo(as_json(results) if wants_json else f"\n{summary(results)}")
    return int(any(result.outcome == "fail" for result in results))


@contextmanager
def _no_log() -> Generator[None]:
    """What matters is a finding."""
    logger = logging.getLogger("moonbase")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def scene_of(
    config: Path | None, data_dir: str | None, base_url: str | None, key: str | None, *, deep: bool, network: bool
) -> Scene:
    """A configuration that cannot be read is itself something to be found."""
    settings, trouble = Settings(), ""
    where, astray = None, ""
    try:
        settings = load_settings(config) if config else settings
    except SettingsError as error:
        trouble = str(error)
    settings = as_served(settings, os.environ)
    try:
        where = read_where(base_url, key)
    except click.UsageError as error:
        astray = error.message
    place = data_dir or settings.server.data_dir
    return Scene(
        settings=settings,
        data_dir=Path(place) if place else default_data_dir(),
        environ=os.environ,
        where=where,
        astray=astray,
        chosen=base_url is not None,
        config=config,
        trouble=trouble,
        deep=deep,
        network=network,
    )


def as_served(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """`settings` with what `moonbase serve` takes from the environment."""
    server = settings.server
    keys = tuple(environ.get("MOONBASE_API_KEYS", "").split())
    host = environ.get("MOONBASE_HOST")
    return replace(settings, server=replace(server, host=host or server.host, api_keys=keys or server.api_keys))


async def _told(scene: Scene, checks: Sequence[Check], seconds: float | None, *, quiet: bool) -> list[Result]:
    """The results, each printed as it comes unless `quiet`."""
    width = max(len(check.name) for check in checks)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    results: list[Result] = []
    async for result in examine(scene, checks, seconds=seconds):
        results.append(result)
        if not quiet:
            click.echo(line(result, width, columns))
    return results
