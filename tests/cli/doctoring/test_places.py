"""What the doctor says of the data directory and its databases."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from moonbase.agent.session import Session
from moonbase.cli.doctoring.places import data_dir, databases, sessions
from moonbase.contract.errors import SettingsError
from moonbase.contract.messages import Message


def test_a_directory_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    found = data_dir(tmp_path / "a" / "b")
    assert (found.outcome, (tmp_path / "a").exists()) == ("ok", False)


def test_a_directory_that_others_can_look_into(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = data_dir(tmp_path)
    assert (found.outcome, found.todo) == ("warn", f"chmod 700 {tmp_path}")


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        data_dir(path)


@pytest.mark.parametrize(("mode", "size", "said"), [(0o644, 32, "can be read by others"), (0o600, 7, "is damaged")])
def test_a_sealing_key_that_is_not_well(tmp_path: Path, mode: int, size: int, said: str) -> None:
    tmp_path.chmod(0o700)
    key = tmp_path / "seal.key"
    key.write_bytes(os.urandom(size))
    key.chmod(mode)
    found = data_dir(tmp_path)
    assert (found.outcome, said in found.detail) == ("fail", True)


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE rows (text TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?)", [("x" * 500,)] * 200)
    connection.close()


def test_databases_that_are_sound(tmp_path: Path) -> None:
    assert databases(tmp_path).detail == "there are none yet"
    database(tmp_path / "ledger.db")
    found = databases(tmp_path)
    assert (found.outcome, found.detail) == ("ok", "1 are sound: ledger")


def test_a_database_in_use_is_only_read(tmp_path: Path) -> None:
    database(tmp_path / "ledger.db")
    held = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    try:
        assert databases(tmp_path).outcome == "ok"
    finally:
        held.close()


def test_a_database_that_is_damaged(tmp_path: Path) -> None:
    database(tmp_path / "good.db")
    database(tmp_path / "torn.db")
    path = tmp_path / "torn.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    path.write_bytes(data)
    (tmp_path / "none.db").write_text("this is no database at all, but it is long enough to look like one" * 20)
    found = databases(tmp_path)
    assert found.outcome == "fail"
    assert "torn.db: " in found.detail
    assert "none.db: file is not a database" in found.detail
    assert "good.db" not in found.detail


def test_sessions_that_can_be_read_and_one_that_cannot(tmp_path: Path) -> None:
    assert sessions(tmp_path).detail == "there are none yet"
    for name in ("good", "bad"):
        with Session.open(tmp_path / f"{name}.jsonl", model="kimi-k2.6", sync="never") as session:
            session.append(Message("user", "Hello"), Message("assistant", "Hi"))
    assert sessions(tmp_path).detail == "the last 2 can be read"
    lines = (tmp_path / "bad.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "bad.jsonl").write_bytes(b"".join([lines[0], b"{damaged}\n", *lines[2:]]))
    found = sessions(tmp_path)
    assert (found.outcome, found.todo) == ("warn", "moonbase sessions show bad --salvage")
