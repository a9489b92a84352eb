"""The worker process: `python -m moonbase.engines.llama.worker`.

Frames come on stdin and leave on stdout, which are one socket. It runs llama.cpp, so that a native crash takes this
process and no other. It leaves when stdin ends, which is when its parent hangs up or dies.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import msgspec

from moonbase.engines.llama import openmp
from moonbase.engines.llama.outbox import Outbox
from moonbase.engines.llama.service import CompletionServer, Service
from moonbase.engines.llama.wire import Frames, Load, LoadFailed, Ready, ToWorker

_READ_SIZE = 1 << 20
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_SPINS = "1000"
"""A few microseconds: longer than threads wait for one another on cores of their own."""


def main() -> None:
    """Serve until stdin ends."""
    spin_briefly()
    openmp.provide()
    # Ctrl-C goes to the whole terminal; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What llama.cpp prints must not fall among the frames.
    channel = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    _serve(Outbox(lambda data: _write(channel, data)))
    # No tidy teardown: threads may be inside llama.cpp, and there is nothing to save.
    os._exit(0)


def _serve(outbox: Outbox) -> None:
    messages = _messages()
    load = next(messages, None)
    if not isinstance(load, Load):
        return
    try:
        server = _load(load)
    except (ImportError, RuntimeError) as error:
        outbox.send(LoadFailed(f"{error}; {openmp.ADVICE}" if openmp.NAME in str(error) else str(error)))
        return
    service = Service(load, server, outbox)
    outbox.send(Ready())
    for message in messages:
        service.take(message)


def spin_briefly() -> None:
    """Let OpenMP's threads sleep soon when they wait for one another; it reads this when it is loaded.

    By default they spin for milliseconds, so two threads beside a busy process read a prompt of 500 tokens in 33 s
    instead of 0.3 s. What the operator has set of it stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def _load(load: Load) -> CompletionServer:
    # Imported here, at the one door of a heavy optional dependency, so that its absence is a message.
    from moonbase.engines.llama.native import LlamaServer

    return LlamaServer(load)


def _messages() -> Iterator[ToWorker]:
    frames = Frames()
    decode = msgspec.msgpack.Decoder(list[ToWorker]).decode
    while data := os.read(_STDIN, _READ_SIZE):
        for payload in frames.feed(data):
            yield from decode(payload)


def _write(channel: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(channel, view) :]
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
