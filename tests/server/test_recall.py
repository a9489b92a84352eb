"""Remembered reasoning (contract.md 3; issue: no reasoning lost)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moonbase.accounts.database import Database, prepare
from moonbase.contract.errors import SettingsError
from moonbase.contract.messages import FunctionCall, Message, ToolCall
from moonbase.contract.response import AssistantMessage
from moonbase.server.recall import Recall
from moonbase.server.recall_file import RecallFile
from moonbase.server.recalled import Bounds
from moonbase.server.shared_recall import SharedRecall
from tests.postgres import PASSWORD, Postgres

ASKED = [Message("user", "What day is it?")]


def call(arguments: str = '{"operation":"time"}', id: str = "date:0") -> list[ToolCall]:
    return [ToolCall(id, FunctionCall("date", arguments))]


def answer(reasoning: str, content: str = "", calls: list[ToolCall] | None = None) -> AssistantMessage:
    return AssistantMessage("assistant", content, reasoning, calls or call())


def sent_back(content: str | None = "", calls: list[ToolCall] | None = None) -> Message:
    return Message("assistant", content, tool_calls=calls or call())


async def restored(recall: Recall, messages: list[Message], owner: str = "one") -> str | None:
    back = await recall.restore(owner, messages, [len(messages) - 1])
    assert back.restored == sum(message.has_reasoning for message in back.messages)
    return back.messages[-1].reasoning if back.restored else None


async def note(recall: Recall, messages: list[Message], answers: list[AssistantMessage], *, owner: str = "one") -> None:
    recall.remember(owner, messages, answers)
    await recall.remembered()


class AtOnce(RecallFile):
    """Everything is in the file as soon as it can be."""

    async def noted(self) -> None:
        self.flush()


@asynccontextmanager
async def sharing(url: str, **options: Any) -> AsyncGenerator[tuple[Recall, Database]]:
    """What one of the servers that share a database remembers."""
    await prepare(url, b"")
    database = Database(url)
    await database.open()
    recall = Recall(SharedRecall(database, **options), time.time)
    try:
        yield recall, database
    finally:
        await recall.close()
        await database.close()


@pytest.fixture(params=["noted", "file", "database"])
async def recall(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Recall]:
    """On each shelf: in the memory before the file, in the file, in a database."""
    if request.param == "database":
        async with sharing(request.getfixturevalue("database_url")) as (shared, _):
            yield shared
        return
    kind = RecallFile if request.param == "noted" else AtOnce
    alone = Recall(kind(tmp_path / "recall.db", clock=time.time, interval=60), time.time)
    yield alone
    await alone.close()


async def test_the_real_text_comes_back(recall: Recall) -> None:
    await note(recall, ASKED, [answer("I ask the clock.")])
    assert await restored(recall, [*ASKED, sent_back()]) == "I ask the clock."


async def test_ids_and_spelling_do_not_matter(recall: Recall) -> None:
    """contract.md 9A: clients rewrite ids; some leave out a blank content, or write the JSON anew."""
    await note(recall, ASKED, [answer("r")])
    assert await restored(recall, [*ASKED, sent_back(None, call('{ "operation": "time" }', "date_0"))]) == "r"


async def test_another_answer_is_not_taken_for_it(recall: Recall) -> None:
    await note(recall, ASKED, [answer("r")])
    assert await restored(recall, [*ASKED, sent_back(calls=call('{"operation":"convert"}'))]) is None
    assert await restored(recall, [*ASKED, sent_back("Well.")]) is None


async def test_keys_never_share(recall: Recall) -> None:
    await note(recall, ASKED, [answer("r")])
    assert await restored(recall, [*ASKED, sent_back()], owner="two") is None


async def test_the_conversation_tells_equal_calls_apart(recall: Recall) -> None:
    other = [Message("user", "And now?")]
    await note(recall, ASKED, [answer("first")])
    await note(recall, other, [answer("second")])
    assert await restored(recall, [*ASKED, sent_back()]) == "first"
    assert await restored(recall, [*other, sent_back()]) == "second"
    system = Message("system", "The time is 12:01.")
    assert await restored(recall, [system, *ASKED, sent_back()]) == "first"
    assert await restored(recall, [Message("user", "A summary of it all."), sent_back()]) is None


async def test_an_answer_found_by_itself_must_be_one_of_its_kind(recall: Recall) -> None:
    """Rather nothing than the wrong text: the hosted 400 tells the client what it did."""
    elsewhere = [Message("user", "A summary of it all.")]
    await note(recall, ASKED, [answer("r")])
    assert await restored(recall, [*elsewhere, sent_back()]) == "r"
    said = AssistantMessage("assistant", "Yes.", "short")
    await note(recall, ASKED, [said])
    assert await restored(recall, [*ASKED, Message("assistant", "Yes.")]) == "short"
    assert await restored(recall, [*elsewhere, Message("assistant", "Yes.")]) is None
    text = "A sentence that is long enough to be known by itself."
    await note(recall, ASKED, [AssistantMessage("assistant", text, "long")])
    assert await restored(recall, [*elsewhere, Message("assistant", text)]) == "long"


async def test_an_empty_answer_is_never_found(recall: Recall) -> None:
    await note(recall, ASKED, [AssistantMessage("assistant", "", "cut short")])
    assert await restored(recall, [*ASKED, Message("assistant", "")]) is None


async def test_several_messages_of_one_conversation(recall: Recall) -> None:
    first, second = sent_back("One."), sent_back("Two.")
    await note(recall, ASKED, [answer("r1", "One.")])
    await note(recall, [*ASKED, first, *ASKED], [answer("r2", "Two.")])
    back = await recall.restore("one", [*ASKED, first, *ASKED, second], [1, 3])
    assert [message.reasoning for message in back.messages] == ["", "r1", "", "r2"]


async def test_what_is_written_gives_way_to_what_is_new(recall: Recall) -> None:
    await note(recall, ASKED, [answer("written")])
    assert await restored(recall, [*ASKED, sent_back()]) == "written"
    await note(recall, ASKED, [answer("new")])
    assert await restored(recall, [*ASKED, sent_back()]) == "new"
    other = [Message("user", "And now?")]
    await note(recall, other, [answer("elsewhere")])
    assert await restored(recall, [*ASKED, sent_back()]) == "new"
    assert await restored(recall, [Message("user", "A summary."), sent_back()]) is None


@pytest.mark.parametrize("text", ["\0 and more", "\N{PILE OF POO}" * 100_000])
async def test_whatever_a_model_writes(recall: Recall, text: str) -> None:
    """What a text of PostgreSQL cannot hold, and much of it."""
    await note(recall, ASKED, [answer(text)])
    assert await restored(recall, [*ASKED, sent_back()]) == text


async def test_nothing_is_kept_of_an_answer_without_reasoning(recall: Recall) -> None:
    await note(recall, ASKED, [msgspec.structs.replace(answer("r"), reasoning_content=None)])
    assert await restored(recall, [*ASKED, sent_back()]) is None


@pytest.mark.parametrize("member", ["image_url", "video_url"])
async def test_what_was_shown_tells_conversations_apart(recall: Recall, member: str) -> None:
    """An image is part of what was asked, whichever of its two spellings is sent."""

    def asked(url: str, *, bare: bool = False) -> list[Message]:
        part = {"type": member, member: url if bare else {"url": url}}
        return [msgspec.convert({"role": "user", "content": [part]}, Message)]

    one, two = "data:image/png;base64," + "A" * 3_000_000, "data:image/png;base64," + "A" * 2_999_999 + "B"
    await note(recall, asked(one), [answer("first")])
    await note(recall, asked(two), [answer("second")])
    assert await restored(recall, [*asked(one), sent_back()]) == "first"
    assert await restored(recall, [*asked(two, bare=True), sent_back()]) == "second"
    assert await restored(recall, [*asked("data:image/png;base64,C"), sent_back()]) is None


def on_file(
    path: Path, *, clock: Callable[[], float] = time.time, interval: float = 60.0, bounds: Bounds | None = None
) -> tuple[RecallFile, Recall]:
    shelf = RecallFile(path / "recall.db", clock=clock, interval=interval, bounds=bounds)
    return shelf, Recall(shelf, clock)


async def test_it_outlives_the_process(tmp_path: Path) -> None:
    _, before = on_file(tmp_path)
    before.remember("one", ASKED, [answer("r")])
    await before.close()
    assert await restored(on_file(tmp_path)[1], [*ASKED, sent_back()]) == "r"
    assert (tmp_path / "recall.db").stat().st_mode & 0o077 == 0


async def test_nobody_waits_for_the_disk(tmp_path: Path) -> None:
    """What is new is found while the file cannot be written, and is in the file once it can."""
    _, recall = on_file(tmp_path)
    with sqlite3.connect(tmp_path / "recall.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        await note(recall, ASKED, [answer("older")])
        await note(recall, ASKED, [answer("newer")])
        assert await restored(recall, [*ASKED, sent_back()]) == "newer"
        other.execute("ROLLBACK")
    other.close()
    await recall.close()
    assert await restored(on_file(tmp_path)[1], [*ASKED, sent_back()]) == "newer"


async def test_it_is_written_without_being_told(tmp_path: Path) -> None:
    _, recall = on_file(tmp_path, interval=0)
    recall.remember("one", ASKED, [answer("r")])
    until = time.monotonic() + 20
    with closing(sqlite3.connect(tmp_path / "recall.db")) as reader:
        while reader.execute("SELECT text FROM reasoning").fetchall() != [("r",)]:
            assert time.monotonic() < until


async def test_it_is_bounded_in_rows_bytes_and_age(tmp_path: Path) -> None:
    now = 1000.0
    shelf, recall = on_file(tmp_path, bounds=Bounds(rows=10, bytes=1000, age=60), clock=lambda: now)
    for index in range(30):
        recall.remember("one", ASKED, [answer("r" * 10, f"{index}")])
        shelf.flush()
    assert await restored(recall, [*ASKED, sent_back("0")]) is None
    assert await restored(recall, [*ASKED, sent_back("29")]) == "r" * 10
    recall.remember("one", ASKED, [answer("x" * 990, "big")])
    shelf.flush()
    assert await restored(recall, [*ASKED, sent_back("28")]) is None
    assert await restored(recall, [*ASKED, sent_back("big")]) == "x" * 990
    now += 61
    assert await restored(recall, [*ASKED, sent_back("big")]) is None


async def test_a_file_of_another_version_starts_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "recall.db") as older:
        older.execute("CREATE TABLE reasoning (id INTEGER PRIMARY KEY, owner TEXT, size INTEGER)")
        older.execute("INSERT INTO reasoning (owner, size) VALUES ('one', 3)")
    older.close()
    _, recall = on_file(tmp_path)
    await note(recall, ASKED, [answer("r")])
    assert await restored(recall, [*ASKED, sent_back()]) == "r"


async def test_a_store_that_breaks_costs_nobody_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf, recall = on_file(tmp_path)
    with sqlite3.connect(tmp_path / "recall.db") as other:
        other.execute("DROP TABLE reasoning")
    other.close()
    recall.remember("one", ASKED, [answer("r")])
    shelf.flush()
    assert await restored(recall, [*ASKED, sent_back()]) is None
    assert "not remembered" in caplog.text


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "recall.db").write_text("not a database, but long enough to be read as a broken one " * 100)
    with pytest.raises(SettingsError, match=r"recall\.db"):
        on_file(tmp_path)


async def test_servers_find_what_another_has_just_answered(database_url: str) -> None:
    async with sharing(database_url) as (one, _), sharing(database_url) as (other, _):
        for turn in range(20):
            await note(one, ASKED, [answer(f"r{turn}", f"{turn}")])
            assert await restored(other, [*ASKED, sent_back(f"{turn}")]) == f"r{turn}"


async def test_a_crowd_is_few_round_trips(database_url: str) -> None:
    async with sharing(database_url) as (one, database), sharing(database_url) as (other, _):
        asked = [[Message("user", f"{number}")] for number in range(1200)]
        await asyncio.gather(*(note(one, each, [answer("r", each[0].text)]) for each in asked))
        assert await restored(other, [*asked[-1], sent_back("1199")]) == "r"
        batches = await database.run(lambda c: c.fetchval("SELECT count(DISTINCT xmin::text) FROM moonbase.reasoning"))
        assert batches <= 5


async def test_it_is_bounded_in_rows_and_age_for_all(database_url: str) -> None:
    async with sharing(database_url, rows=10, age=60) as (recall, database):
        for index in range(30):
            await note(recall, ASKED, [answer("r", f"{index}")])
        shelf = SharedRecall(database, rows=10, age=60)
        await shelf.sweep()
        assert await restored(recall, [*ASKED, sent_back("19")]) is None
        assert await restored(recall, [*ASKED, sent_back("20")]) == "r"
        await database.run(lambda c: c.execute("UPDATE moonbase.reasoning SET at = at - interval '61 s'"))
        assert await restored(recall, [*ASKED, sent_back("20")]) is None
        await shelf.sweep()
        assert await database.run(lambda c: c.fetchval("SELECT count(*) FROM moonbase.reasoning")) == 0


async def test_a_database_that_goes_and_comes_back(
    database_server: Postgres, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it, what is new is found where it was answered, and all of it is there in the end."""
    await prepare(database_url, b"")
    database = Database(database_url, retry=0.05)
    await database.open()
    recall = Recall(SharedRecall(database), time.time)
    database_server.stop()
    try:
        await note(recall, ASKED, [answer("r")])
        assert not database.working
        assert await restored(recall, [*ASKED, sent_back()]) == "r"
        began = time.perf_counter()
        await note(recall, ASKED, [answer("s", "second")])
        assert time.perf_counter() - began < 0.5
    finally:
        database_server.start()
    back = asyncio.Event()

    async def told() -> None:
        back.set()

    database.when_back(told)
    await asyncio.wait_for(back.wait(), 30)
    async with sharing(database_url) as (other, _):
        assert await restored(other, [*ASKED, sent_back("second")]) == "s"
        assert await restored(other, [*ASKED, sent_back()]) == "r"
    await recall.close()
    await database.close()
    told_of = [record.getMessage() for record in caplog.records if record.name == "moonbase.accounts"]
    assert len(told_of) == 2, told_of
    assert "is away" in told_of[0]
    assert "is back after" in told_of[1]
    assert PASSWORD not in caplog.text
