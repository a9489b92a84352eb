"""A response's head and the beginning of its body leave in one write."""

from __future__ import annotations

import asyncio
from typing import cast

from moonbase.server.joining import Joining

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Writes:
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        self.seen: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.seen


def joining(writes: Writes) -> Joining:
    transport = cast("asyncio.Transport", writes)
    return Joining(transport, asyncio.get_running_loop(), transport.close)


async def test_head_and_body_are_one_write() -> None:
    writes = Writes()
    joined = joining(writes)
    for data in (HEAD, b"one", b"two", HEAD, b"three"):
        joined.write(data)
    await asyncio.sleep(0)
    assert writes.seen == [HEAD + b"one", b"two", HEAD + b"three"]


async def test_a_head_waits_no_longer_than_the_turn() -> None:
    writes = Writes()
    joined = joining(writes)
    joined.write(HEAD)
    assert writes.seen == []
    await asyncio.sleep(0)
    assert writes.seen == [HEAD]
    joined.write(b"late")
    assert writes.seen == [HEAD, b"late"]


async def test_a_large_body_is_not_copied() -> None:
    writes = Writes()
    joined = joining(writes)
    large = b"x" * 1_000_000
    joined.write(HEAD)
    joined.write(large)
    assert writes.seen[0] == HEAD
    assert writes.seen[1] is large


async def test_nothing_is_lost_when_it_closes() -> None:
    writes = Writes()
    joined = joining(writes)
    joined.write(HEAD)
    joined.close()
    assert writes.seen == [HEAD, "closed"]
    assert joined.is_closing()
