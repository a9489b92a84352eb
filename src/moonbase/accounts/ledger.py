"""What each key has used and what it still may: the books behind `GET /v1/users/me/balance` (contract.md 5.3, 8.3).

The sums are in memory, where an answer is charged; a thread of its own writes what has been added to the store, twice
a second at most. So no answer ever waits for a disk, and a process that is killed loses less than a second.

Of a store that other servers add to, the accounts that are asked about are read again just as often; one that has not
been asked about for a moment is read before the answer (`catch_up`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import threading
import time
from typing import NamedTuple

from moonbase.accounts.money import MOST, WEB_SEARCH_CALL, Rates, rates
from moonbase.accounts.store import Account, Store, StoreFailed, Used
from moonbase.contract.cards import Price
from moonbase.contract.events import Usage

logger = logging.getLogger("moonbase.accounts")

_INTERVAL = 0.5
"""Seconds between two writes."""

_FRESH = 0.5
"""Seconds that reading an account again may take beyond two intervals, before somebody waits for it."""


class Balance(NamedTuple):
    """What is left, in billionths of a US dollar. `cash` may be negative: an answer is charged when it is over."""

    voucher: int
    cash: int

    @property
    def available(self) -> int:
        """Debts of cash do not eat the voucher (contract.md 5.3)."""
        return self.voucher + max(self.cash, 0)


class Ledger:
    """Accounts by owner, the caller's id that `KeyRing.authenticate` gives. Threads may share it.

    `credit`: the voucher that every account begins with, in billionths of a dollar. It is not stored: whoever raises
    it tops up every account. What is spent comes from the voucher first, then from cash.
    """

    def __init__(self, store: Store, *, credit: int, interval: float = _INTERVAL) -> None:
        self._store = store
        self._credit = credit
        self._interval = interval
        self._accounts = store.load()
        self._unwritten: dict[str, Account] = {}
        self._batch: dict[str, Account] = {}
        """On its way to the store, or to be tried again."""
        self._name = ""
        self._asked: set[str] = set()
        """Owners that were asked about since the store was read last, where it is shared."""
        self._read: dict[str, float] = {}
        """When each account was read last."""
        self._rates: dict[Price, Rates] = {}
        self._lock = threading.Lock()
        """Of the sums in memory; held for moments, never while the store works."""
        self._writing = threading.Lock()
        """Of the store."""
        self._noted = threading.Event()
        self._leaving = threading.Event()
        self._failing = False
        self._writer: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to write what is noted."""
        self._writer = threading.Thread(target=self._write_on, name="moonbase-ledger", daemon=True)
        self._writer.start()

    async def close(self) -> None:
        """Write everything, and leave the store."""
        await asyncio.to_thread(self._close)

    async def catch_up(self, owner: str, *, now: bool = False) -> None:
        """Before a balance is asked for: have in it what other servers have charged until a second ago, or `now`."""
        if not self._store.shared:
            return
        with self._lock:
            self._asked.add(owner)
            old = time.monotonic() - self._read.get(owner, -math.inf) > 2 * self._interval + _FRESH
        self._noted.set()
        if old or now:
            await asyncio.to_thread(self._read_again, {owner})

    def balance(self, owner: str) -> Balance:
        """What `owner` has left; one that was never seen has the credit."""
        with self._lock:
            return self._balance(self._accounts.get(owner) or Account())

    def used(self, owner: str) -> dict[str, Used]:
        """What `owner` has used, by model."""
        with self._lock:
            account = Account()
            account.add(self._accounts.get(owner) or Account())
            return account.used

    def charge(
        self, owner: str, model: str, price: Price, usage: Usage, *, searches: int = 0, percent: int = 100
    ) -> None:
        """One request's answer, with the calls of `$web_search` in it; its tokens cost `percent` of their price. Raises
        `ValueError` for a price that is too fine (`money.rates`)."""
        cost = self._rates_of(price).cost(usage) * percent // 100 + searches * WEB_SEARCH_CALL
        used = Used(1, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens, cost)
        with self._lock:
            account, unwritten = self._open(owner)
            from_voucher = min(cost, self._voucher(account))
            account.spend(model, used, from_voucher)
            unwritten.spend(model, used, from_voucher)

    def credit(self, owner: str, *, voucher: int = 0, cash: int = 0) -> None:
        """Pay in, in billionths of a dollar; less than nothing takes back. Raises `ValueError` when more than a billion
        dollars would have been paid in."""
        with self._lock:
            account = self._accounts.get(owner) or Account()
            paid = account.voucher + voucher, account.cash + cash
            if max(map(abs, paid)) > MOST:
                raise ValueError(f"an account takes a billion dollars of each at most; it would have {paid} billionths")
            for sums in self._open(owner):
                sums.add(Account(voucher, cash))

    def flush(self) -> bool:
        """Write what has not been written; False when the store fails, and then it is kept for the next time."""
        with self._writing:
            return self._write()

    def _write(self) -> bool:
        """Batch after batch, each under a name of its own, which it keeps while it has to be tried again."""
        while True:
            with self._lock:
                if not self._batch:
                    self._batch, self._unwritten, self._name = self._unwritten, {}, secrets.token_hex(16)
            if not self._batch:
                return True
            try:
                self._store.add(self._batch, self._name)
            except StoreFailed as error:
                self._fails(error)
                return False
            with self._lock:
                self._batch = {}
            if self._failing:
                self._failing = False
                logger.warning("the ledger is written again; nothing is missing")

    def _read_again(self, owners: set[str]) -> None:
        """Take over what others have added. Where that fails, what is known is what counts."""
        with self._writing:
            if not owners or not self._write():
                return
            try:
                found = self._store.read(owners)
            except StoreFailed as error:
                self._fails(error)
                return
            now = time.monotonic()
            with self._lock:
                for owner in owners:
                    account = found.get(owner) or Account()
                    account.add(self._unwritten.get(owner) or Account())
                    self._accounts[owner] = account
                    self._read[owner] = now

    def _balance(self, account: Account) -> Balance:
        return Balance(self._voucher(account), account.cash - account.cash_spent)

    def _voucher(self, account: Account) -> int:
        return max(self._credit + account.voucher - account.voucher_spent, 0)

    def _rates_of(self, price: Price) -> Rates:
        found = self._rates.get(price)
        if found is None:
            found = self._rates[price] = rates(price)
        return found

    def _open(self, owner: str) -> tuple[Account, Account]:
        """The sums of `owner`, and those of them that are to be written, for something to be added to both."""
        account, unwritten = self._accounts.get(owner), self._unwritten.get(owner)
        if account is None:
            account = self._accounts[owner] = Account()
        if unwritten is None:
            unwritten = self._unwritten[owner] = Account()
        if not self._noted.is_set():  # the writer clears it before it looks, and has to wait for the lock
            self._noted.set()
        return account, unwritten

    def _fails(self, error: StoreFailed) -> None:
        self._noted.set()
        if not self._failing:  # once, until it works again: a full disk must not fill the log too
            self._failing = True
            logger.error("the ledger cannot be written, and is tried again until it can: %s", error)

    def _write_on(self) -> None:
        while not self._leaving.is_set():
            self._noted.wait()
            self._leaving.wait(self._interval)  # what is noted meanwhile is written with it
            self._noted.clear()
            self.flush()
            with self._lock:
                asked, self._asked = self._asked, set()
            if asked:
                self._read_again(asked)

    def _close(self) -> None:
        self._leaving.set()
        self._noted.set()
        if self._writer is not None:
            self._writer.join()
        if not self.flush():
            logger.error("the ledger could not be written before the end: what was used last is not in it")
        self._store.close()
