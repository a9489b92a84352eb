"""Width and height of an image, read from its header alone.

Nothing is decompressed, so a small file cannot become a large one here; what it would become is bounded too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import error as TooShort
from struct import unpack_from
from types import MappingProxyType
from typing import NamedTuple

MAX_SIDE = 65_535
"""Pixels; more is beyond what JPEG can say."""
MAX_PIXELS = 178_956_970
"""Beyond this Pillow, which most engines decode with, refuses an image as a decompression bomb."""

_MAX_SEGMENTS = 4096
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


class BrokenImage(ValueError):
    """The header does not make sense, or the file ends too early; the message says which, as the end of a sentence."""


def image_size(type: str, data: bytes) -> Size | None:
    """The size of an image whose first bytes say that it is `type`; None where the header of that type is not read
    (heic, heif). Raises `BrokenImage`. Takes time linear in the file, and on a whole file constant time."""
    reader = _READERS.get(type)
    if reader is None:
        return None
    try:
        size = reader(data)
    except TooShort:
        raise BrokenImage("is cut short") from None
    if not (0 < size.width <= MAX_SIDE and 0 < size.height <= MAX_SIDE and size.width * size.height <= MAX_PIXELS):
        raise BrokenImage(
            f"says that it is {size.width}x{size.height} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} in all "
            "are taken"
        )
    return size


def _png(data: bytes) -> Size:
    length, name, width, height = unpack_from(">I4sII", data, 8)
    if (length, name) != (13, b"IHDR"):
        raise BrokenImage("has no header chunk")
    _ends(data.rfind(b"IEND") > 0)
    return Size(width, height)


def _gif(data: bytes) -> Size:
    # Behind the header comes at least one block.
    width, height, _ = unpack_from("<HH4s", data, 6)
    return Size(width, height)


def _jpeg(data: bytes) -> Size:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        prefix, code, length = unpack_from(">BBH", data, at)
        if prefix != 0xFF:
            break
        if code == 0xFF or code in _STANDALONE:
            at += 1 if code == 0xFF else 2
            continue
        if code in _FRAME:
            height, width = unpack_from(">HH", data, at + 5)
            _ends(data.rfind(b"\xff\xd9") > at)
            return Size(width, height)
        if code in (0xD9, 0xDA) or length < 2:
            break
        at += 2 + length
    raise BrokenImage("has no frame header")


def _webp(data: bytes) -> Size:
    (length, kind) = unpack_from("<I4x4s", data, 4)
    # An odd length is padded by one byte, which some writers leave out.
    _ends(len(data) + 1 >= length + 8)
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = unpack_from("<HBHB", data, 24)
        return Size(1 + (high_width << 16 | low_width), 1 + (high_height << 16 | low_height))
    if kind == b"VP8L":
        mark, bits = unpack_from("<BI", data, 20)
        if mark == 0x2F:
            return Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        mark, width, height = unpack_from("<3sHH", data, 23)
        if mark == b"\x9d\x01\x2a":
            return Size(width & 0x3FFF, height & 0x3FFF)
    raise BrokenImage("has no frame header")


def _bmp(data: bytes) -> Size:
    pixels, header = unpack_from("<II", data, 10)
    if header not in _BMP_HEADERS:
        raise BrokenImage("has no header of a known length")
    width, height, _, bits = unpack_from("<HHHH" if header == 12 else "<iiHH", data, 18)
    # A negative height says that the rows run from the top down.
    size = Size(width, abs(height))
    (compression,) = (0,) if header == 12 else unpack_from("<I", data, 30)
    if compression == 0 and width > 0:
        _ends(pixels + (width * bits + 31) // 32 * 4 * size.height <= len(data))
    return size


def _ends(whole: bool) -> None:
    if not whole:
        raise BrokenImage("is cut short")


_READERS: Mapping[str, Callable[[bytes], Size]] = MappingProxyType(
    {"image/png": _png, "image/gif": _gif, "image/jpeg": _jpeg, "image/webp": _webp, "image/bmp": _bmp}
)
