"""Where the ledger is kept: what such a store is, and the one in a SQLite file of sums.

What is written are additions, so a batch that failed can be tried again and nothing has to be read first.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from moonbase.contract.errors import MoonbaseError, SettingsError

logger = logging.getLogger("moonbase.accounts")

_VERSION = 1
"""Of the file's schema."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS accounts (owner TEXT PRIMARY KEY, voucher INTEGER NOT NULL, cash INTEGER NOT NULL, "
    "voucher_spent INTEGER NOT NULL, cash_spent INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS usage (owner TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, "
    "prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, "
    "reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, PRIMARY KEY (owner, model)) WITHOUT ROWID",
)

_ADD_ACCOUNT = (
    "INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET voucher = voucher + "
    "excluded.voucher, cash = cash + excluded.cash, voucher_spent = voucher_spent + excluded.voucher_spent, "
    "cash_spent = cash_spent + excluded.cash_spent"
)
_ADD_USAGE = (
    "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, model) DO UPDATE SET requests = requests + "
    "excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens, cached_tokens = cached_tokens + "
    "excluded.cached_tokens, completion_tokens = completion_tokens + excluded.completion_tokens, reasoning_tokens = "
    "reasoning_tokens + excluded.reasoning_tokens, cost = cost + excluded.cost"
)


class StoreFailed(MoonbaseError):
    """The ledger could not be written or read. Of a batch nothing has been written, or nobody knows; the same batch is
    tried again under its name."""


@dataclass(slots=True)
class Used:
    """What one model did for one account: requests, tokens, and their cost in billionths of a dollar."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0

    def add(self, other: Used) -> None:
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.cost += other.cost

    def sums(self) -> tuple[int, ...]:
        """In the order of the fields."""
        return (
            self.requests,
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
            self.reasoning_tokens,
            self.cost,
        )


@dataclass(slots=True)
class Account:
    """Sums, or what is to be added to them; amounts in billionths of a dollar. `voucher` and `cash` were paid in."""

    voucher: int = 0
    cash: int = 0
    voucher_spent: int = 0
    cash_spent: int = 0
    used: dict[str, Used] = field(default_factory=dict[str, Used])

    def add(self, other: Account) -> None:
        self.voucher += other.voucher
        self.cash += other.cash
        self.voucher_spent += other.voucher_spent
        self.cash_spent += other.cash_spent
        for model, used in other.used.items():
            self._of(model).add(used)

    def spend(self, model: str, used: Used, from_voucher: int) -> None:
        """Take what an answer of `model` costs, so much of it from the voucher."""
        self.voucher_spent += from_voucher
        self.cash_spent += used.cost - from_voucher
        self._of(model).add(used)

    def _of(self, model: str) -> Used:
        mine = self.used.get(model)
        if mine is None:
            mine = self.used[model] = Used()
        return mine

    def sums(self) -> tuple[int, ...]:
        """In the order of the fields, without what was used."""
        return self.voucher, self.cash, self.voucher_spent, self.cash_spent


class Store(Protocol):
    """Keeps accounts by owner. Threads take turns; nothing calls it from two at once."""

    @property
    def shared(self) -> bool:
        """Whether others add to it too."""
        ...

    def load(self) -> dict[str, Account]:
        """Every account, of a store that is not shared."""
        ...

    def read(self, owners: Collection[str]) -> dict[str, Account]:
        """Those of `owners` that there are, as they are now. Raises `StoreFailed`."""
        ...

    def add(self, batch: Mapping[str, Account], name: str) -> None:
        """Add all of `batch` once, or raise `StoreFailed`; then the same comes again under the same name."""
        ...

    def close(self) -> None: ...


class SqliteStore:
    """The file `path`. One of another version is set aside under another name, never overwritten.

    Raises `SettingsError` when the file cannot be used.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = _connect(path)
            if _is_of_another_version(self._database):
                self._database.close()
                _set_aside(path)
                self._database = _connect(path)
            _prepare(self._database)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"the ledger {path} cannot be used: {error}") from None

    def load(self) -> dict[str, Account]:
        """Every account. Raises `SettingsError`."""
        try:
            rows = self._database.execute("SELECT * FROM accounts").fetchall()
            accounts = {owner: Account(*sums) for owner, *sums in rows}
            for owner, model, *sums in self._database.execute("SELECT * FROM usage"):
                accounts.setdefault(owner, Account()).used[model] = Used(*sums)
        except sqlite3.Error as error:
            raise SettingsError(f"the ledger {self._path} cannot be read: {error}") from None
        return accounts

    def read(self, owners: Collection[str]) -> dict[str, Account]:
        accounts = self.load()
        return {owner: accounts[owner] for owner in owners if owner in accounts}

    def add(self, batch: Mapping[str, Account], name: str = "") -> None:
        accounts = [(owner, *account.sums()) for owner, account in batch.items()]
        used = [
            (owner, model, *used.sums()) for owner, account in batch.items() for model, used in account.used.items()
        ]
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(_ADD_ACCOUNT, accounts)
                self._database.executemany(_ADD_USAGE, used)
        except (sqlite3.Error, OverflowError) as error:
            raise StoreFailed(str(error)) from error

    def close(self) -> None:
        self._database.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)  # before SQLite makes it: the files beside it get its permissions
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    # Each batch reaches the disk before the next: this is money, and no answer waits for it.
    database.execute("PRAGMA synchronous=FULL")
    return database


def _is_of_another_version(database: sqlite3.Connection) -> bool:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return version != _VERSION and bool(version or tables)


def _set_aside(path: Path) -> None:
    """Give the file a free name: what an earlier or a later version noted is not ours to delete."""
    names = (path.with_name(f"{path.stem}.set-aside-{number}{path.suffix}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    logger.warning("the ledger %s is of another version: it is now %s, and a new one begins", path, aside.name)


def _prepare(database: sqlite3.Connection) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        for table in _SCHEMA:
            database.execute(table)
        database.execute(f"PRAGMA user_version = {_VERSION}")
