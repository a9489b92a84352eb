"""Width and height from headers alone (contract.md 1.4)."""

from __future__ import annotations

import time
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.contract.media_formats import sniff
from moonbase.contract.media_sizes import MAX_PIXELS, MAX_SIDE, BrokenImage, Size, image_size
from tests.contract.pictures import BMP, GIF, IMAGES, JPEG, PNG

READ = [name for name in IMAGES if name != "heic"]


@pytest.mark.parametrize("name", READ)
def test_the_size_of_real_files(name: str) -> None:
    assert image_size(*IMAGES[name]) == Size(2, 3)


def test_the_size_of_a_heic_is_not_read() -> None:
    assert image_size(*IMAGES["heic"]) is None


@pytest.mark.parametrize("name", READ)
def test_a_file_cut_anywhere_is_refused_or_still_says_its_size(name: str) -> None:
    """Where only the header is read a missing end may go unseen; it never crashes, and never changes the size."""
    type, data = IMAGES[name]
    for length in range(len(data)):
        try:
            assert image_size(type, data[:length]) == Size(2, 3)
        except BrokenImage as error:
            assert str(error)


@pytest.mark.parametrize("name", [name for name in READ if name != "gif"])
def test_a_file_without_its_second_half_is_refused(name: str) -> None:
    type, data = IMAGES[name]
    with pytest.raises(BrokenImage, match=r"is cut short|has no frame header"):
        image_size(type, data[: len(data) // 2])


def test_bytes_behind_the_end_do_no_harm() -> None:
    """Cameras and editors append their own."""
    for name in READ:
        assert image_size(IMAGES[name].type, IMAGES[name].data + b"extra" * 100) == Size(2, 3)


def png(width: int, height: int) -> bytes:
    return PNG[:16] + pack(">II", width, height) + PNG[24:]


@pytest.mark.parametrize("size", [(1, 1), (MAX_SIDE, 1), (1, MAX_SIDE), (12000, 12000)])
def test_large_is_not_absurd(size: tuple[int, int]) -> None:
    assert image_size("image/png", png(*size)) == size


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, 2**32 - 1), (20000, MAX_PIXELS // 20000 + 1)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BrokenImage, match=f"says that it is {size[0]}x{size[1]} pixels; at most 65535 a side"):
        image_size("image/png", png(*size))


def bmp(width: int, height: int, pixels: bytes = b"\0" * 64) -> bytes:
    return b"BM" + bytes(8) + pack("<IIiiHHI", 54, 40, width, height, 1, 24, 0) + bytes(20) + pixels


def test_rows_of_a_bmp_may_run_from_the_top() -> None:
    assert image_size("image/bmp", bmp(2, -3)) == Size(2, 3)


def test_a_bmp_of_the_oldest_kind() -> None:
    data = b"BM" + bytes(8) + pack("<IIHHHH", 26, 12, 2, 3, 1, 24) + bytes(24)
    assert image_size("image/bmp", data) == Size(2, 3)


@pytest.mark.parametrize(
    ("type", "data", "text"),
    [
        ("image/bmp", bmp(-2, 3), "says that it is -2x3"),
        ("image/bmp", bmp(2, 30), "is cut short"),
        ("image/bmp", b"BM is how a sentence begins, too.", "has no header of a known length"),
        ("image/bmp", BMP[:20], "is cut short"),
        ("image/png", PNG[:8] + b"\0\0\0\0IDAT" + PNG[16:], "has no header chunk"),
        ("image/png", PNG[:-12], "is cut short"),
        ("image/gif", GIF[:13], "is cut short"),
        ("image/jpeg", JPEG[:-2], "is cut short"),
        ("image/jpeg", b"\xff\xd8\xff\xd9" + bytes(8), "has no frame header"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\0" + bytes(8), "has no frame header"),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\2no marker", "has no frame header"),
        ("image/webp", b"RIFF\x16\0\0\0WEBPVP8 " + bytes(20), "has no frame header"),
        ("image/webp", b"RIFF\x16\0\0\0WEBPVP8L" + bytes(20), "has no frame header"),
        ("image/webp", b"RIFF\x16\0\0\0WEBPEXIF" + bytes(20), "has no frame header"),
    ],
)
def test_broken_headers(type: str, data: bytes, text: str) -> None:
    with pytest.raises(BrokenImage, match=text):
        image_size(type, data)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe0\x00\x02", b"\xff\xd0"])
def test_a_jpeg_of_segments_without_end_costs_no_time(filler: bytes) -> None:
    data = b"\xff\xd8" + filler * (20_000_000 // len(filler))
    began = time.process_time()
    with pytest.raises(BrokenImage, match="has no frame header"):
        image_size("image/jpeg", data)
    assert time.process_time() - began < 1


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from(list(IMAGES)),
    st.lists(st.tuples(st.integers(8, 80), st.integers(0, 255)), max_size=8),
)
def test_random_bytes_never_break_it(data: bytes, name: str, flips: list[tuple[int, int]]) -> None:
    """Behind a real magic, and in the middle of a real file."""
    whole = bytearray(IMAGES[name].data)
    for at, value in flips:
        whole[at % len(whole)] = value
    for sent in (IMAGES[name].data[:12] + data, bytes(whole)):
        type = sniff(sent)
        if type is None:
            continue
        try:
            size = image_size(type, sent)
        except BrokenImage:
            continue
        assert size is None or (0 < size.width <= MAX_SIDE and 0 < size.height <= MAX_SIDE)
