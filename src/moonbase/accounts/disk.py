"""What a store of files does where its disk fails, and where it removes what it kept."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from moonbase.contract.errors import ServerError


def remove(path: Path) -> None:
    """Windows keeps a file that someone is reading; the next start removes it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def disk(logger: logging.Logger, kept: str, told: str) -> Generator[None]:
    """What the disk or the index of `kept` fails with, in words for the client, to whom they are `told`: no path
    leaves."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        logger.error("%s cannot be kept or read", kept, exc_info=error)
        why = error.strerror if isinstance(error, OSError) and error.strerror else "its storage fails"
        raise ServerError(f"the server cannot keep or read {told} now: {why}") from error
