"""`moonbase batches create` and `wait`: from a file of requests to a file of answers."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import click

from moonbase.cli.asking import Server
from moonbase.cli.batching.making import Input, Kind, Recipe, Source, counted, made
from moonbase.cli.batching.results import first_failures, write_lines
from moonbase.cli.batching.told import Batches, Known, Told
from moonbase.cli.batching.watching import Watch, standing
from moonbase.cli.drafts import check_writable, whole_output
from moonbase.cli.exits import DONE, FAILED, Failure
from moonbase.cli.progress import Bytes
from moonbase.cli.stored_files import StoredFiles
from moonbase.cli.talk.stopping import reader_gone
from moonbase.cli.terminal.safe import json_text, safe_json, safe_line
from moonbase.cli.terminal.screen import Screen, open_screen
from moonbase.cli.where import LOCAL_BASE_URL, Where, api_root
from moonbase.contract.batches import check_metadata, window_seconds
from moonbase.contract.errors import ApiError, InvalidRequest, MoonbaseError

_PATIENCE = 120.0
"""Seconds that an answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to become of a batch that is waited for. None is standard output for `output`, nowhere for `errors`."""

    output: Path | None = None
    errors: Path | None = None
    quiet: bool = False
    as_json: bool = False

    def check(self) -> None:
        """Before long work. Raises `click.UsageError` and `Failure`."""
        if self.as_json and self.output is None:
            raise click.UsageError("--json and the results would both go to standard output; name a file with --output")
        check_writable(self.output)
        check_writable(self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a batch is asked for with."""

    window: str
    metadata: dict[str, str]


class Stage(Enum):
    """How far an errand is: what an interruption leaves at the server."""

    NOTHING = auto()
    """Nothing that anybody has to know of."""
    ASKED = auto()
    """The server has been asked to create the batch, and has not answered."""
    WAITING = auto()
    ENDED = auto()
    """The batch has ended, and its results are to be fetched."""


class Errand:
    """A batch on its way."""

    def __init__(self, where: Where, wanted: Wanted) -> None:
        self.where, self.wanted = where, wanted
        self.screen = Screen.nowhere() if wanted.quiet else open_screen(sys.stderr, os.environ)
        self._stage = Stage.NOTHING
        self._batch_id = ""

    async def begin(self, server: Server, given: Input, asked: Asked) -> Known:
        """Upload the input and create the batch; where that is refused nothing is left there."""
        files = StoredFiles(server)
        progress = Bytes(sys.stderr, quiet=self.wanted.quiet)
        with progress.reading(given.file, given.name) as input_file:
            file = (await files.upload(input_file, name=given.name, purpose="batch")).told
        self._stage = Stage.ASKED
        try:
            batch = await Batches(server).create(file.id, asked.window, asked.metadata)
        except ApiError as error:
            if error.status < 500:
                self._stage = Stage.NOTHING
                with suppress(MoonbaseError):
                    await files.delete(file.id)
            raise
        self._stage = Stage.NOTHING
        return batch

    async def end(self, server: Server, batch: Known) -> int:
        """Wait for it and write what it has come to; the exit code."""
        self._batch_id, self._stage = batch.told.id, Stage.WAITING
        batch = await Watch(Batches(server), self.screen).until_ended(batch)
        told = batch.told
        if told.status == "failed":
            self._stage = Stage.NOTHING
            raise Failure(f"{told.id} was refused: {'; '.join(told.complaints[:5]) or 'the server does not say why'}")
        self._stage = Stage.ENDED
        files = StoredFiles(server)
        await write_lines(files, told.output_file_id, self.wanted.output)
        failures = await first_failures(files, told.error_file_id, self.wanted.errors)
        if self.wanted.as_json:
            click.echo(json_text(batch.raw))
        if told.status == "completed" and not told.counts.failed:
            self.screen.write(f"{safe_line(f'{told.id}: {standing(told)}')}\n")
            return DONE
        self._complain(told, failures)
        return FAILED

    def _complain(self, told: Told, failures: Sequence[str]) -> None:
        for line in failures:
            click.echo(safe_line(line), err=True)
        rest = len(failures) < told.counts.failed and not self.wanted.errors
        seen = f"; all that failed: {self._command('errors')}" if rest else ""
        click.echo(safe_line(f"{told.id}: {standing(told)}{seen}"), err=True)

    def say_how_to_go_on(self) -> None:
        """What an interruption leaves at the server."""
        with suppress(OSError):
            self.screen.clear()
        match self._stage:
            case Stage.NOTHING:
                lines = []
            case Stage.ASKED:
                lines = ["whether the batch was created is not known; `moonbase batches list` shows it"]
            case Stage.WAITING:
                lines = [f"the batch goes on; wait for it again: {self._command('wait')}"]
                lines += [f"or end it: {self._command('cancel')}"]
            case Stage.ENDED:
                lines = [f"the batch has ended; fetch what it has written: {self._command('wait')}"]
        for line in lines:
            click.echo(safe_line(line), err=True)

    def _command(self, name: str) -> str:
        words = ["moonbase", "batches", name, self._batch_id]
        if name == "wait":
            files = (("--output", self.wanted.output), ("--errors", self.wanted.errors))
            words += [str(word) for flag, path in files if path for word in (flag, path)]
        if self.where.base_url != api_root(os.environ.get("MOONSHOT_BASE_URL") or LOCAL_BASE_URL):
            words += ["--base-url", self.where.base_url]
        return shlex.join(words)


def create(
    where: Where,
    source: Source,
    asked: Asked,
    wanted: Wanted | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """The exit code; without `wanted` nobody waits. Raises what `exits` knows."""
    check_asked(asked)
    if wanted is not None:
        wanted.check()
    errand = Errand(where, wanted or Wanted(quiet=quiet))

    async def work() -> int:
        async with Server(where, timeout=_PATIENCE) as server:
            with made(source) as given:
                errand.screen.write(f"{counted(given.total, 'request')} for {safe_line(given.model)}\n")
                batch = await errand.begin(server, given, asked)
            if wanted is not None:
                return await errand.end(server, batch)
        click.echo(json_text(batch.raw) if as_json else safe_line(batch.told.id))
        return DONE

    return _carried_out(errand, work)


def dry_run(source: Source, asked: Asked) -> None:
    """Print what would be uploaded. Raises `Failure` and `click.UsageError`."""
    check_asked(asked)
    with made(source) as given, whole_output(None, safe_json) as out:
        out.writelines(given.file)
    click.echo(f"{counted(given.total, 'request')} for {safe_line(given.model)}; nothing was uploaded", err=True)


def wait(where: Where, name: str, wanted: Wanted) -> int:
    """The exit code. Raises what `exits` knows."""
    wanted.check()
    errand = Errand(where, wanted)

    async def work() -> int:
        async with Server(where, timeout=_PATIENCE) as server:
            return await errand.end(server, await Batches(server).get(name))

    return _carried_out(errand, work)


def _carried_out(errand: Errand, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    try:
        return asyncio.run(work())
    except BrokenPipeError:
        return reader_gone(None)
    except (KeyboardInterrupt, MoonbaseError, OSError):
        errand.say_how_to_go_on()
        raise


def check_asked(asked: Asked) -> None:
    """Raises `click.UsageError`."""
    try:
        window_seconds(asked.window)
    except InvalidRequest:
        raise click.UsageError(
            f"--window {asked.window!r}: expected hours or days from 12h to 7d, as in 24h or 3d"
        ) from None
    try:
        check_metadata(asked.metadata)
    except InvalidRequest as error:
        raise click.UsageError(error.message.removeprefix("Invalid request: ")) from None


def read_metadata(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` each. Raises `click.UsageError`."""
    for pair in pairs:
        if "=" not in pair.lstrip("="):
            raise click.UsageError(f"--metadata {pair!r} is no pair; expected KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def read_kind(name: str, model: str | None, system: str, default: str) -> Recipe:
    """Raises `click.UsageError` for options that do not go with the kind."""
    kind: Kind = "bodies" if name == "bodies" else "prompts" if name == "prompts" else "requests"
    if kind == "requests" and model:
        raise click.UsageError("--model goes with --format bodies or prompts; whole requests name theirs")
    if kind != "prompts" and system:
        raise click.UsageError("--system goes with --format prompts")
    return Recipe(kind=kind, model=model or default, system=system)
