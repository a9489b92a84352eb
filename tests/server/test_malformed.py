"""Every malformed request gets its 4xx, its envelope and its words, and leaves the server as it was (contract.md 4)."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest

from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.app import App
from moonbase.server.recall_file import RecallFile
from tests.running import KEY, make_platform
from tests.server import malformed, malformed_fields
from tests.server.client import Json, body, error_of, user
from tests.server.malformed import AUTHORIZED, CHAT, KINDS, Row

ROWS = [*malformed.table(), *malformed_fields.table()]
_OFTEN = 25
"""Rows from one look at the whole server to the next."""


_BOUND = 10.0
"""Seconds within which anything is answered."""


class State(NamedTuple):
    """What no refused request may change: tokens generated, the rows of every table in the data directory, and the
    files that were uploaded."""

    generated: int
    rows: dict[str, int]
    files: int


class Place:
    """An app without a socket: what it raises a test sees."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.engine = ScriptedEngine()
        self.shelf = RecallFile(data_dir / "recall.db", clock=time.time)
        self.app = App(make_platform(data_dir, engine=self.engine, keys=(KEY,), shelf=self.shelf))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test", timeout=_BOUND)

    async def send(self, row: Row, content: bytes | None = None) -> httpx.Response:
        data = row.content if content is None else content
        headers = [(name.encode(), value.encode("latin-1")) for name, value in row.headers.items()]
        async with asyncio.timeout(_BOUND):
            return await self.http.request(row.method, row.path, content=data, headers=headers)

    async def good(self) -> Json:
        """The answer to a request that never changes, without what differs from answer to answer."""
        answer = await self.http.post(CHAT, json=body(user("Tell me of the moon.")), headers=AUTHORIZED)
        assert answer.status_code == 200, answer.text
        return {name: value for name, value in answer.json().items() if name != "id"}

    def state(self) -> State:
        # So that what good requests leave is not written amid the bad ones.
        self.app.platform.ledger.flush()
        self.shelf.flush()
        rows = {path.name: _rows(path) for path in sorted(self.data_dir.glob("*.db"))}
        files = sum(path.is_file() for path in (self.data_dir / "files").rglob("*"))
        return State(self.engine.generated, rows, files)


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    at = Place(tmp_path)
    await at.app.open()
    async with at.http:
        yield at
    await at.app.close()


def check(row: Row, answer: httpx.Response) -> None:
    status, kind, message = error_of(answer)
    assert status == row.status, f"{row.name}: {answer.text}"
    assert kind in KINDS[status], row.name
    if row.exact:
        assert message == row.text, row.name
    else:
        assert row.text in message, f"{row.name}: {message}"
    assert message.isprintable() or row.status == 404, row.name
    assert len(answer.headers["x-trace-id"]) == 32


def test_the_table_is_large_and_has_no_row_twice() -> None:
    seen = {(row.method, row.path, json.dumps(row.headers, sort_keys=True), row.content) for row in ROWS}
    assert len(seen) == len(ROWS)
    assert len(ROWS) >= 230


def test_every_row_says_what_it_expects_of_the_message() -> None:
    assert [row.name for row in ROWS if not row.text] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("begin", range(0, len(ROWS), _OFTEN))
async def test_rows(place: Place, begin: int) -> None:
    """contract.md 4.1 to 4.3; what asked for a stream gets plain JSON too (2.5)."""
    before = place.state()
    for row in ROWS[begin : begin + _OFTEN]:
        check(row, await place.send(row))
        if (payload := row.payload) is not None and "stream" not in payload:
            for streaming in (True, False):
                check(row, await place.send(row, msgspec.json.encode({**payload, "stream": streaming})))
        assert place.state() == before, row.name


@pytest.mark.timeout(60)
async def test_all_in_one_life_of_the_server(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The same good request gets the same answer before, between and after, and nothing is kept of a refused one."""
    with caplog.at_level(logging.INFO):
        right = await place.good()
        for begin in range(0, len(ROWS), _OFTEN):
            before = place.state()
            for row in ROWS[begin : begin + _OFTEN]:
                check(row, await place.send(row))
            assert place.state() == before, f"changed by a row from {begin} on"
            assert await place.good() == right
    assert [record.getMessage() for record in caplog.records if record.exc_info or record.levelno > logging.INFO] == []
    assert not [record for record in caplog.records if KEY in record.getMessage()]


def test_the_watch_sees_a_row_more(tmp_path: Path) -> None:
    """The test of the test: a state that changed is seen."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as database, database:
        database.execute("CREATE TABLE kept (at REAL)")
        assert _rows(tmp_path / "x.db") == 0
        database.execute("INSERT INTO kept VALUES (1)")
        database.commit()
    assert _rows(tmp_path / "x.db") == 1
