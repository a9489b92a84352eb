"""Server-sent events, as this API uses them: `data: ` lines and nothing else (contract.md 2.5)."""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"
BOM = b"\xef\xbb\xbf"
"""Some servers begin whatever they send with it (.NET's StreamWriter)."""

_SEPARATORS = tuple((sign.encode(), b"\\u%04x" % ord(sign)) for sign in ("\u0085", "\u2028", "\u2029"))
"""What ends no line of a stream, but which clients that cut text by Python's `str.splitlines` take for the end of one,
as httpx's `iter_lines` does: as JSON's escapes, which are the same text."""


def frames(payloads: list[bytes]) -> bytes:
    """SSE frames around JSON payloads, which have no newline in them; nothing for none."""
    if not payloads:
        return b""
    return escaped(b"data: " + b"\n\ndata: ".join(payloads) + b"\n\n")


def escaped(framed: bytes) -> bytes:
    """Frames in which no text could be taken for the end of a line."""
    if not framed.isascii():
        for sign, escape in _SEPARATORS:
            framed = framed.replace(sign, escape)
    return framed


class Reader:
    """Sans-I/O reader of an SSE stream: bytes in, `data` payloads out, any split of the bytes gives the same.

    Comments, `event:`, `id:` and `retry:` fields are passed over; several data lines of one event are joined by a
    newline; a line ends with LF, CR or both, and a byte order mark is none of the first, as WHATWG's event-stream
    format says. A line of `error:`, which is how llama.cpp's server told of a failure until 2025, is read as a payload
    with the member `error` (its `server_sent_event(sink, "error", ...)`).
    """

    def __init__(self) -> None:
        self._tail = b""
        self._after_cr = False
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        if not (self._tail or self._data or self._after_cr) and data.startswith(b"data: ") and data.endswith(b"\n\n"):
            payloads = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(payloads) and b"\r" not in data:
                return payloads  # frames of one line each, as most engines write them and sockets give them
        return self._read(data)

    def _read(self, data: bytes) -> list[bytes]:
        if self._after_cr and data:
            # The line has ended already; a line feed that comes only now is the second half of its end.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        buffer = self._tail + data
        self._after_cr |= buffer.endswith(b"\r")
        *lines, self._tail = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        payloads: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    payloads.append(b"\n".join(self._data))
                    self._data = []
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif line.startswith(BOM + b"data:"):
                self._data.append(line[8:].removeprefix(b" "))
            elif line.startswith(b"error:"):
                self._data.append(b'{"error":%b}' % line[6:])
        return payloads
