"""Accounts that are new in each test, whatever its keys are."""

from __future__ import annotations

from hashlib import sha256

from moonbase.accounts.keys import KeyRing


class RenewedKeys(KeyRing):
    """The keys of `ring`; after `renew` each of them is an account of its own, with nothing in it."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._renewed = 0
        self._callers: set[str] = set()

    def renew(self) -> None:
        self._renewed += 1
        self._callers = set()

    @property
    def open(self) -> bool:
        return self._ring.open

    def authenticate(self, authorization: str | None) -> str:
        caller = self._ring.authenticate(authorization)
        caller = sha256(f"{self._renewed} {caller}".encode()).hexdigest()[: len(caller)]
        self._callers.add(caller)
        return caller

    def knows(self, owner: str) -> bool:
        return owner in self._callers
