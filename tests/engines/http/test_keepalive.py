"""Hosts that vanish without a word."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

import pytest

from moonbase.engines.http.connection import Connection
from moonbase.engines.http.upstream import parse_upstream
from moonbase.server.listen import bind
from tests.engines.http.stub import upstream


def connection() -> Connection:
    return Connection(lambda _: None, lambda _: None, silence=5)


async def test_connections_are_probed() -> None:
    async with upstream(b"") as stub:
        there = parse_upstream(stub.url)
        transport, _ = await asyncio.get_running_loop().create_connection(connection, there.host, there.port)
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) < 60
        transport.abort()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere not all of it is handed down")
def test_clients_are_probed() -> None:
    """One that vanishes while its prompt is read would keep its place: nothing is sent to it that could fail."""
    with bind("127.0.0.1", 0) as taken, socket.socket() as client:
        taken.listen()
        client.connect(taken.getsockname())
        accepted, _ = taken.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) < 60


@pytest.mark.parametrize(
    ("error", "silent"),
    [
        (OSError(errno.ETIMEDOUT, ""), True),
        (OSError(errno.EHOSTUNREACH, ""), True),
        (OSError(errno.ECONNRESET, ""), False),
        (None, False),
    ],
    ids=["no answer", "no way there", "reset", "closed"],
)
async def test_who_vanished_may_be_at_work(error: OSError | None, silent: bool) -> None:
    """A request is sent again where a kept connection turns out to be closed, and not where nobody answers there."""
    lost = connection()
    lost.connection_lost(error)
    assert lost.silent is silent
