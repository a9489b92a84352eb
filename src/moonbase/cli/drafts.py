"""What a command writes, whole or not at all: to a file, or to standard output."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from moonbase.cli.exits import Failure
from moonbase.cli.terminal.screen import open_screen


@contextmanager
def whole_output(path: Path | None, shown: Callable[[str], str]) -> Generator[BinaryIO]:
    """`whole_file`, or for None standard output: it gets the bytes as they are, a terminal what `shown` makes of
    each line."""
    if path is not None:
        with whole_file(path) as file:
            yield file
        return
    with TemporaryFile() as draft:
        yield cast("BinaryIO", draft)
        draft.seek(0)
        _print(cast("BinaryIO", draft), shown)


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """What is written is at `path` when the block has ended; where it fails, what was there stays. A device or a pipe,
    such as /dev/null, gets the bytes as they come. Raises `Failure` where they cannot be written."""
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        draft = target.with_name(f".moonbase-{secrets.token_hex(4)}.part")
        try:
            with draft.open("xb") as file:
                yield file
            if target.exists():
                shutil.copymode(target, draft)
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None


def check_writable(path: Path | None) -> None:
    """Before long work for what is to be written there. Raises `Failure`."""
    if path is None:
        return
    target = path.resolve()
    if target.is_dir():
        raise Failure(f"{path} cannot be written: it is a folder")
    place = target if target.exists() and not target.is_file() else target.parent
    if not place.exists():
        raise Failure(f"{path} cannot be written: there is no folder {place}")
    if not os.access(place, os.W_OK):
        raise Failure(f"{path} cannot be written: permission denied")


def _print(draft: BinaryIO, shown: Callable[[str], str]) -> None:
    if not sys.stdout.isatty():
        shutil.copyfileobj(draft, sys.stdout.buffer)
        sys.stdout.flush()
        return
    screen = open_screen(sys.stdout, os.environ)
    for line in io.TextIOWrapper(draft, encoding="utf-8", errors="replace"):
        screen.write(shown(line))
