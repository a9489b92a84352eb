"""No reasoning lost: what this server thought is found again when a client has dropped it (contract.md 3).

Many frameworks strip `reasoning_content` from the assistant messages that they send back, and the hosted API answers
that with a 400. This server remembers the reasoning of its answers, for each key apart, and puts it back.

An answer is known by its text and its calls; ids are no part of it, because clients rewrite them. It is looked for
under the whole conversation that led to it; then under its turn alone, for clients that compact what came before or
write a new system message each time; and last under itself, if it says enough to be told apart and was given with one
reasoning only. Rather than the wrong text nothing is put back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moonbase.contract.errors import SettingsError
from moonbase.contract.messages import Message
from moonbase.contract.response import AssistantMessage

logger = logging.getLogger("moonbase.server")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reasoning (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, conversation BLOB NOT NULL, turn BLOB NOT NULL, answer BLOB NOT NULL,
  text TEXT NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_answer ON reasoning (owner, answer);
CREATE INDEX IF NOT EXISTS by_age ON reasoning (at);
"""


_TELLING = 40
"""Characters from which on a text without calls is taken to be one of its kind."""


_CHUNK = 1 << 20
"""Characters of a url that are digested at once, so that 100 MB are not copied whole."""


_VERSION = 1
"""Of the file's schema."""


class Bounds(NamedTuple):
    """How much is remembered: rows, bytes of text, seconds."""

    rows: int = 20_000
    bytes: int = 64 * 1024 * 1024
    age: float = 7 * 24 * 3600.0


class Restored(NamedTuple):
    """A conversation with its reasoning back, and how many messages got it."""

    messages: list[Message]
    restored: int


class Recall:
    """Remembers in the SQLite file `path`; one writer at a time, so threads may share it.

    Raises `SettingsError` when the file cannot be used.
    """

    def __init__(self, path: Path, *, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            if self._database.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                # It only remembers, so a file of another version starts anew.
                self._database.execute("DROP TABLE IF EXISTS reasoning")
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version = {_VERSION}")
            path.chmod(0o600)
            self._rows, self._size = self._database.execute("SELECT count(*), total(size) FROM reasoning").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"the file {path} of remembered reasoning cannot be used: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def remember(self, owner: str, messages: Sequence[Message], answers: Iterable[AssistantMessage]) -> None:
        """Note the reasoning of `answers` to `messages`."""
        fingerprint = _Fingerprint(messages)
        place = (owner, fingerprint.conversation(), fingerprint.turn())
        rows = [
            (*place, answer_digest(answer), answer.reasoning_content, len(answer.reasoning_content), self._clock())
            for answer in answers
            if answer.reasoning_content and (answer.content or answer.tool_calls)
        ]
        if not rows:
            return
        try:
            self._write(rows)
        except sqlite3.Error as error:  # a full disk must not cost the client its answer
            logger.error("reasoning is not remembered: %s", error)

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        with self._lock, self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO reasoning (owner, conversation, turn, answer, text, size, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._rows += len(rows)
            self._size += sum(row[5] for row in rows)
            self._forget()

    def restore(self, owner: str, messages: list[Message], wanted: Iterable[int]) -> Restored:
        """`messages` with the reasoning of those at the indexes `wanted` that can be found."""
        restored, count = list(messages), 0
        fingerprint, seen = _Fingerprint(), 0
        for index in sorted(wanted):
            for message in messages[seen:index]:
                fingerprint.add(message)
            seen = index
            try:
                text = self._find(owner, fingerprint, messages[index])
            except sqlite3.Error as error:
                logger.error("remembered reasoning cannot be read: %s", error)
                break
            if text is not None:
                restored[index] = msgspec.structs.replace(messages[index], reasoning_content=text)
                count += 1
        return Restored(restored, count)

    def _find(self, owner: str, before: _Fingerprint, message: Message) -> str | None:
        oldest = self._clock() - self._bounds.age
        with self._lock:
            found = self._database.execute(
                "SELECT text, conversation = ?, turn = ? FROM reasoning WHERE owner = ? AND answer = ? AND at > ? "
                "ORDER BY 2 DESC, 3 DESC, id DESC LIMIT 50",
                (before.conversation(), before.turn(), owner, answer_digest(message), oldest),
            ).fetchall()
        if not found:
            return None
        text, same_conversation, same_turn = found[0]
        if same_conversation or same_turn:
            return text
        told_apart = message.calls or len(message.text) >= _TELLING
        return text if told_apart and len({row[0] for row in found}) == 1 else None

    def _forget(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        self._drop("at <= ?", self._clock() - self._bounds.age)
        while self._rows > self._bounds.rows or (self._size > self._bounds.bytes and self._rows > 1):
            # A tenth at a time, so that a full store does not pay for it with every answer.
            share = max(1, self._rows // 10)
            self._drop("id IN (SELECT id FROM reasoning ORDER BY id LIMIT ?)", share)

    def _drop(self, condition: str, value: float) -> None:
        dropped = self._database.execute(f"DELETE FROM reasoning WHERE {condition} RETURNING size", (value,)).fetchall()
        self._rows -= len(dropped)
        self._size -= sum(size for (size,) in dropped)


class _Fingerprint:
    """Digests of a conversation, without its reasoning and ids: of all of it, and of what came with and after the last
    user message."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._whole = hashlib.blake2b(digest_size=16)
        self._turn = hashlib.blake2b(digest_size=16)
        for message in messages:
            self.add(message)

    def add(self, message: Message) -> None:
        data = message.role.encode() + b"\0" + answer_digest(message)
        if message.role == "user":
            self._turn = hashlib.blake2b(digest_size=16)
        self._whole.update(data)
        self._turn.update(data)

    def conversation(self) -> bytes:
        return self._whole.digest()

    def turn(self) -> bytes:
        return self._turn.digest()


def answer_digest(message: Message | AssistantMessage) -> bytes:
    """What a message says and shows: its text, its media and its calls, however they are spelled."""
    text = message.content if isinstance(message, AssistantMessage) else message.text
    digest = hashlib.blake2b((text or "").strip().encode("utf-8", "surrogatepass"), digest_size=16)
    for url in _urls(message):
        digest.update(b"\0\0")
        for at in range(0, len(url), _CHUNK):
            digest.update(url[at : at + _CHUNK].encode("utf-8", "surrogatepass"))
    for call in message.tool_calls or ():
        digest.update(b"\0" + call.function.name.encode() + b"\0" + _plain(call.function.arguments))
    return digest.digest()


def _urls(message: Message | AssistantMessage) -> list[str]:
    """Where the images and videos of a message are; most are the bytes themselves."""
    return [part.url for part in message.parts if part.url] if isinstance(message, Message) else []


def _plain(arguments: str) -> bytes:
    """The same bytes for the same JSON value."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments.encode("utf-8", "surrogatepass")
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
