"""The log of a server: every line there is, in order, in as few writes as a turn of the loop allows."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from moonbase.cli.log_lines import LogLines


class Writes(io.StringIO):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)

    @property
    def said(self) -> list[list[str]]:
        """What each write says, without time and level."""
        return [[line.split(" ", 3)[3] for line in text.splitlines()] for text in self.writes]


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, LogLines, Writes]]:
    stream = Writes()
    lines = LogLines(stream)
    logger = logging.Logger("test")
    logger.addHandler(lines)
    yield logger, lines, stream
    lines.close()


Log = tuple[logging.Logger, LogLines, Writes]


async def test_the_lines_of_a_turn_leave_together(log: Log) -> None:
    logger, lines, stream = log
    logger.info("one")
    assert stream.said == [["one"]]
    lines.gather(asyncio.get_running_loop())
    logger.info("two")
    logger.info("three")
    assert len(stream.said) == 1
    await asyncio.sleep(0)
    assert stream.said == [["one"], ["two", "three"]]
    logger.info("four")
    lines.gather(None)
    logger.info("five")
    assert stream.said == [["one"], ["two", "three"], ["four"], ["five"]]


async def test_a_warning_waits_for_nothing(log: Log) -> None:
    logger, lines, stream = log
    lines.gather(asyncio.get_running_loop())
    logger.info("one")
    logger.warning("two")
    assert stream.said == [["one", "two"]]
    await asyncio.sleep(0)
    assert len(stream.writes) == 1


async def test_other_threads_wait_for_nothing(log: Log) -> None:
    logger, lines, stream = log
    lines.gather(asyncio.get_running_loop())
    logger.info("one")
    await asyncio.to_thread(logger.info, "two")
    assert [line for said in stream.said for line in said] == ["one", "two"]


def test_nothing_is_left_behind(log: Log) -> None:
    """A loop that never turns again: what waits is written when the log is closed."""
    logger, lines, stream = log

    async def last() -> None:
        lines.gather(asyncio.get_running_loop())
        logger.info("last")

    asyncio.run(last())
    lines.flush()
    assert stream.said == [["last"]]


def test_the_form(log: Log) -> None:
    logger, _, stream = log
    try:
        raise ValueError("odd")
    except ValueError:
        logger.exception("it %s", "failed")
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    logger.info("after %d", 1)
    first, *rest = stream.getvalue().splitlines()
    record = logging.makeLogRecord({"msg": "it failed", "levelname": "ERROR"})
    assert first[24:] == form.format(record)[24:] == "ERROR it failed"
    assert rest[0].startswith("Traceback")
    assert rest[-2] == "ValueError: odd"
    assert rest[-1][24:] == "INFO after 1"
