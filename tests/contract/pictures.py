"""Tiny real files of every image format of contract.md 1.4, 2 by 3 pixels (heic: 16 by 16), and heads of videos."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class File(NamedTuple):
    type: str
    data: bytes


_ENCODED: Mapping[str, tuple[str, bytes]] = MappingProxyType(
    {
        "png": (
            "image/png",
            b"iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAFElEQVR4nGM8ISfHwMDAxMDAgKAAFEoBCqHkTQMAAAAASUVORK5CYII=",
        ),
        "jpeg": (
            "image/jpeg",
            b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////"
            b"////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////"
            b"////////////////////wAARCAADAAIDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAA"
            b"AAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAgT/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCQAKH/2Q==",
        ),
        "jpeg, progressive": (
            "image/jpeg",
            b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////"
            b"////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////"
            b"////////////////////wgARCAADAAIDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAVAQEBAAAAAAAAAAAA"
            b"AAAAAAACA//aAAwDAQACEAMQAAABgGn/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAEFAn//xAAUEQEAAAAAAAAAAAAA"
            b"AAAAAAAA/9oACAEDAQE/AX//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAECAQE/AX//xAAUEAEAAAAAAAAAAAAAAAAAAAAA"
            b"/9oACAEBAAY/An//xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAE/IX//2gAMAwEAAgADAAAAEPv/xAAUEQEAAAAAAAAA"
            b"AAAAAAAAAAAA/9oACAEDAQE/EH//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAECAQE/EH//xAAUEAEAAAAAAAAAAAAAAAAA"
            b"AAAA/9oACAEBAAE/EH//2Q==",
        ),
        "gif": (
            "image/gif",
            b"R0lGODdhAgADAIEAAMgeHgAAAAAAAAAAACwAAAAAAgADAAAIBgABCBwYEAA7",
        ),
        "webp, lossy": (
            "image/webp",
            b"UklGRjAAAABXRUJQVlA4ICQAAABwAQCdASoCAAMADMDOJaACdAFAAAD+2iYRho1+LuxHGSQAAAA=",
        ),
        "webp, lossless": (
            "image/webp",
            b"UklGRh4AAABXRUJQVlA4TBEAAAAvAYAAAAdQjyLXo/+BiOh/AAA=",
        ),
        "webp, extended": (
            "image/webp",
            b"UklGRlQAAABXRUJQVlA4WAoAAAAIAAAAAQAAAgAAVlA4ICQAAABwAQCdASoCAAMADMDOJaACdAFAAAD+2iYRho1+LuxHGSQA"
            b"AABFWElGCgAAAElJKgAIAAAAAAA=",
        ),
        "bmp": (
            "image/bmp",
            b"Qk1OAAAAAAAAADYAAAAoAAAAAgAAAAMAAAABABgAAAAAABgAAADEDgAAxA4AAAAAAAAAAAAAHh7IHh7IAAAeHsgeHsgAAB4eyB4eyAAA",
        ),
        "heic": (
            "image/heic",
            b"AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
            b"AAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAACIAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
            b"AA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNw"
            b"AAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPB"
            b"iQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAQAAAAAf///9AAAAAC"
            b"////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAKm1kYXQAAAAeKAGvBRISTOD6A73n"
            b"/ug+iFmAr7tlWKOZXGCTU7eA",
        ),
    }
)
IMAGES: Mapping[str, File] = MappingProxyType(
    {name: File(type, b64decode(data)) for name, (type, data) in _ENCODED.items()}
)
PNG, JPEG, GIF, BMP = (IMAGES[name].data for name in ("png", "jpeg", "gif", "bmp"))


def box(name: bytes, data: bytes) -> bytes:
    """A box of an ISO base media file."""
    return (8 + len(data)).to_bytes(4, "big") + name + data


def brands(major: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", major + bytes(4) + b"".join(compatible)) + box(b"mdat", b"\1\2\3\4")


VIDEOS: Mapping[str, File] = MappingProxyType(
    {
        "mp4": File("video/mp4", brands(b"isom", b"isom", b"avc1")),
        "mp4 of a phone": File("video/mp4", brands(b"mp42", b"mp42", b"3gp4")),
        "mp4 of a camera": File("video/mp4", brands(b"XAVC", b"XAVC", b"mp42", b"iso2")),
        "m4v": File("video/mp4", brands(b"M4V ", b"mp42")),
        "mov": File("video/mov", brands(b"qt  ", b"qt  ")),
        "mov of old": File("video/mov", box(b"moov", b"\0" * 16)),
        "mov, open": File("video/mov", b"\0\0\0\1mdat" + bytes(16)),
        "3gpp": File("video/3gpp", brands(b"3gp5", b"isom", b"3gp5")),
        "3gpp2": File("video/3gpp", brands(b"3g2a", b"3g2a")),
        "mpeg program": File("video/mpeg", b"\x00\x00\x01\xba\x44\x00\x04\x00"),
        "mpeg elementary": File("video/mpeg", b"\x00\x00\x01\xb3\x16\x00\xf0\x15"),
        "avi": File("video/avi", b"RIFF\x10\x00\x00\x00AVI LIST\x04\x00\x00\x00hdrl"),
        "flv": File("video/x-flv", b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"),
        "webm": File("video/webm", bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d")),
        "wmv": File("video/wmv", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(14)),
    }
)
"""The first bytes of videos, as their formats' specifications have them."""


def data_url(data: bytes, type: str = "image/png") -> str:
    return f"data:{type};base64,{b64encode(data).decode()}"


def image(url: object) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def video(url: object) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}
