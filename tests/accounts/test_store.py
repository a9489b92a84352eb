"""The ledger's file: what is in it, and what happens when it cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from moonbase.accounts.store import Account, SqliteStore, StoreFailed, Used
from moonbase.contract.errors import SettingsError

BATCH = {
    "one": Account(1, 2, 3, 4, {"kimi-k3": Used(1, 2, 3, 4, 5, 6), "kimi-k2.6": Used(1)}),
    "two": Account(0, 0, 9, 0, {"kimi-k3": Used(7)}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_it_adds_up(path: Path) -> None:
    store = SqliteStore(path)
    assert store.load() == {}
    store.add(BATCH)
    assert store.load() == BATCH
    store.add({"one": BATCH["one"]})
    store.close()
    again = SqliteStore(path)
    twice = {"kimi-k3": Used(2, 4, 6, 8, 10, 12), "kimi-k2.6": Used(2)}
    assert again.load() == {"one": Account(2, 4, 6, 8, twice), "two": BATCH["two"]}
    again.close()


def test_it_is_nobody_elses_to_read(path: Path) -> None:
    SqliteStore(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_two_at_once_lose_nothing(path: Path) -> None:
    first, second = SqliteStore(path), SqliteStore(path)
    for _ in range(20):
        first.add(BATCH)
        second.add(BATCH)
    assert first.load()["two"].voucher_spent == 40 * 9
    first.close()
    second.close()


def test_all_of_a_batch_or_nothing(path: Path) -> None:
    store = SqliteStore(path)
    store.add(BATCH)
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE usage RENAME TO away")
    other.close()
    with pytest.raises(StoreFailed, match="usage"):
        store.add(BATCH)
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE away RENAME TO usage")
    other.close()
    assert store.load() == BATCH
    store.close()


def test_a_number_that_fits_no_column(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreFailed):
        store.add({"one": Account(1), "two": Account(2**63)})
    assert store.load() == {}
    store.close()


@pytest.mark.parametrize("version", [0, 7])
def test_a_file_of_another_version_is_set_aside(path: Path, version: int, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2):
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE IF EXISTS usage")
            other.execute(f"CREATE TABLE usage AS SELECT {number} AS dollars")
            other.execute(f"PRAGMA user_version = {version}")
        other.close()
        store = SqliteStore(path)
        store.add(BATCH)
        assert store.load() == BATCH
        store.close()
        aside = path.with_name(f"ledger.set-aside-{number}.db")
        assert aside.name in caplog.text
        with sqlite3.connect(aside) as kept:
            assert kept.execute("SELECT dollars FROM usage").fetchone() == (number,)
        kept.close()


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("not a database, but long enough to be read as a broken one " * 100)
    with pytest.raises(SettingsError, match=r"ledger\.db cannot be used"):
        SqliteStore(path)


def test_a_file_whose_rows_cannot_be_read(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE usage")
        other.execute("CREATE VIEW usage AS SELECT * FROM nowhere")
    other.close()
    with pytest.raises(SettingsError, match=r"ledger\.db cannot be"):
        SqliteStore(path).load()


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from moonbase.accounts.store import Account, SqliteStore, StoreFailed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Path(sys.argv[1]))
store.add({"before": Account(1)})
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
batch = {f"owner {n}": Account(n) for n in range(2000)}
try:
    store.add(batch)
except StoreFailed as error:
    print("failed:", error)
assert store.load() == {"before": Account(1)}
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
store.add(batch)
assert store.load() == {"before": Account(1), **batch}
print("whole again")
"""


def test_a_disk_that_takes_no_more_and_then_does(path: Path) -> None:
    """A limit on file sizes refuses the same write as a full disk does, without filling one."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(path)], capture_output=True, text=True, check=False)
    failed, whole = done.stdout.splitlines() or ("", done.stderr)
    assert failed.startswith("failed: "), done.stderr
    assert whole == "whole again"
