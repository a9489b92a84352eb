"""Keepalive probes: how a host is noticed that vanished without a word, while nothing is due to be sent to it.

Both an upstream's and that of a client, which waits for its answer. A prompt may be read for minutes without a byte,
and firewalls and load balancers forget connections that say nothing for some minutes (350 seconds at AWS), also without
a word. Probes end the first and prevent the second.
"""

from __future__ import annotations

import errno
import socket

_IDLE_S, _INTERVAL_S, _COUNT = 60, 10, 6
"""Seconds without a byte before the first probe, between two, and how many stay without an answer: two minutes."""
_OPTIONS = (
    ("TCP_KEEPIDLE", _IDLE_S),
    ("TCP_KEEPALIVE", _IDLE_S),  # what macOS calls it
    ("TCP_KEEPINTVL", _INTERVAL_S),
    ("TCP_KEEPCNT", _COUNT),
)
_VANISHED = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


def keep_alive(sock: socket.socket) -> None:
    """Switch the probes on, as far as the system has the options; of a listening socket, for all that it accepts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def has_vanished(error: Exception | None) -> bool:
    """Whether a connection ended because its host does not answer; it may be at work all the same."""
    return isinstance(error, OSError) and error.errno in _VANISHED
