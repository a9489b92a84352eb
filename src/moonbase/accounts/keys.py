"""API keys: held as digests, compared in constant time, never logged."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from moonbase.contract.errors import InvalidAuthentication, MissingApiKey, SettingsError

_KEY_LINE = re.compile(r"([^#].*?)(?:\s+#\s*(.*))?")


class KeyRing:
    """Checks `Authorization` headers.

    With no keys every non-empty key is accepted (`open` is True); a server may do so on loopback only.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = [_digest(key) for key in keys]

    def hold(self, keys: Iterable[str]) -> tuple[int, int]:
        """Have `keys` from now on, of which there is at least one; says how many are new, and how many not valid any
        more."""
        digests = [_digest(key) for key in keys]
        if not digests:
            raise ValueError("a ring of no keys would let everybody in")
        added, removed = len({*digests} - {*self._digests}), len({*self._digests} - {*digests})
        self._digests = digests
        return added, removed

    @property
    def open(self) -> bool:
        return not self._digests

    def authenticate(self, authorization: str | None) -> str:
        """The caller's id, which is stable for a key and does not give it away.

        Raises `MissingApiKey` without a key, `InvalidAuthentication` for a wrong one (contract.md 4.2).
        """
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise MissingApiKey("Incorrect API key provided")
        digest = _digest(key)
        # Every digest is compared, so that the time says nothing of which one matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not (self.open or any(matches)):
            raise InvalidAuthentication("Invalid Authentication")
        return _id(digest)

    def knows(self, owner: str) -> bool:
        """Whether a caller with this id would be let in now."""
        return self.open or owner in map(_id, self._digests)


def account_name(owner: str) -> str:
    """`{organization-id}<{ak-id}>`, as the texts of 429s name a caller (contract.md 4.2). `owner` is a caller's id.

    Each key is an organization of its own: `ak-` is followed by the id, `org-` by 32 hex digits made from it.
    """
    organization = hashlib.sha256(b"moonbase organization\0" + owner.encode()).hexdigest()[:32]
    return f"org-{organization}<ak-{owner}>"


def _id(digest: bytes) -> str:
    return digest.hex()[:16]


def _digest(key: str) -> bytes:
    return hashlib.sha256(b"moonbase api key\0" + key.encode("utf-8", "surrogateescape")).digest()


def read_key_file(path: Path) -> list[str]:
    """One key a line, and behind it what it is called, if anything: `KEY  # name`. Blank lines and lines of comment are
    passed over. Raises `SettingsError`."""
    return [key for key, _ in _named_keys(path)]


def read_key_names(path: Path) -> dict[str, str]:
    """What the keys of such a file are called, by the ids of their callers. Raises `SettingsError`."""
    return {_id(_digest(key)): name for key, name in _named_keys(path) if name}


def _named_keys(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # without the mark that some editors begin with
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the key file {path} cannot be read: {error}") from error
    found = [match for line in lines if (match := _KEY_LINE.fullmatch(line.strip()))]
    if not found:
        raise SettingsError(f"the key file {path} has no key in it; write one key a line")
    return [(match[1], match[2] or "") for match in found]
