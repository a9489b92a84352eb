"""Formats told by their bytes (contract.md 1.4)."""

from __future__ import annotations

import mimetypes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moonbase.contract.media_formats import FORMATS, MediaKind, is_listed, sniff
from tests.contract.pictures import IMAGES, VIDEOS, brands

FILES = {**IMAGES, **VIDEOS}


@pytest.mark.parametrize("name", FILES)
def test_every_format_of_the_list_is_told_by_its_bytes(name: str) -> None:
    assert sniff(FILES[name].data) == FILES[name].type


def test_the_list_is_that_of_the_document() -> None:
    """contract.md 1.4. mpg is mpeg by another name."""
    assert FORMATS["image"] == ("jpeg", "png", "gif", "webp", "bmp", "heic", "heif")
    assert FORMATS["video"] == ("mp4", "mpeg", "mov", "avi", "x-flv", "mpg", "webm", "wmv", "3gpp")
    told = {file.type for file in FILES.values()} | {"image/heif"}
    assert told == {f"{kind}/{name}" for kind, names in FORMATS.items() for name in names} - {"video/mpg"}


@pytest.mark.parametrize("brand", [b"mif1", b"msf1", b"mif2"])
def test_heif(brand: bytes) -> None:
    assert sniff(brands(brand, b"miaf")) == "image/heif"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><svg/>",
        b"%PDF-1.7",
        b"II*\x00 tiff",
        b"\x00\x00\x01\x00 icon",
        b"RIFF\x04\x00\x00\x00WAVE",
        b"The free lunch",
        b"ID3\x04 sound",
        bytes.fromhex("1a45dfa39f4282886d6174726f736b61"),
        brands(b"avif", b"mif1", b"miaf"),
        brands(b"mif1", b"avif"),
        brands(b"M4A ", b"mp42", b"isom"),
        brands(b"jp2 ", b"jp2 "),
        brands(b"none"),
        b"\x00\x00\x00\x08ftyp",
        b"\x00\x00\x00\x00ftyp",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_other_formats_are_not_taken_for_one(data: bytes) -> None:
    assert sniff(data) is None


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.mp4", "a.mpeg", "a.mov", "a.avi", "a.webm"])
def test_what_python_calls_them_is_listed(name: str) -> None:
    guessed = mimetypes.guess_type(name)[0] or ""
    kind: MediaKind = "image" if guessed.startswith("image") else "video"
    assert is_listed(kind, guessed)
    assert not is_listed("video" if kind == "image" else "image", guessed)


@pytest.mark.parametrize("declared", ["", "png", "image/", "image/svg+xml", "image/tiff", "image/avif", "text/plain"])
def test_other_types_are_not_listed(declared: str) -> None:
    assert not is_listed("image", declared)


@given(st.binary(max_size=600), st.sampled_from([b"", *(file.data[:16] for file in FILES.values())]))
@example(b"", b"\x00\x00\x00\x0cftyp")
def test_random_bytes_never_break_it(data: bytes, start: bytes) -> None:
    found = sniff(start + data)
    assert found is None or found.partition("/")[0] in FORMATS
