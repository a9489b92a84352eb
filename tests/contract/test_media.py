"""Image and video parts: from a url to bytes, and a clear 400 for the rest (contract.md 1.4, 4.3)."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.media import Media, decode_base64
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from tests.contract.pictures import GIF, IMAGES, JPEG, PNG, VIDEOS, brands, data_url, image, video

MODELS = {card.id: card for card in CARDS}
TEXT = {"type": "text", "text": "What is it?"}
MP4 = VIDEOS["mp4"].data
BASE64 = b64encode(PNG).decode()
BOTH: frozenset[MediaKind] = frozenset({"image", "video"})


def user(*parts: object) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def resolved(*messages: object, sees: frozenset[MediaKind] = BOTH, **fields: Any) -> ChatRequest:
    body = {"model": "kimi-k2.6", "messages": messages, **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), MODELS["kimi-k2.6"], sees=sees)


def refusal(*messages: object, sees: frozenset[MediaKind] = BOTH) -> str:
    with pytest.raises(InvalidRequest) as caught:
        resolved(*messages, sees=sees)
    return caught.value.message


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("bare", [False, True])
def test_images_are_decoded(name: str, bare: bool) -> None:
    type, data = IMAGES[name]
    url = data_url(data, type)
    part = {"type": "image_url", "image_url": url if bare else {"url": url, "detail": "high"}}
    (media,) = resolved(user(TEXT, part)).media
    assert (media.kind, media.type, media.data) == ("image", type, data)
    assert (media.width, media.height) == ((None, None) if name == "heic" else (2, 3))
    assert (media.message, media.part) == (0, 1)


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize("bare", [False, True])
def test_videos_are_decoded(name: str, bare: bool) -> None:
    type, data = VIDEOS[name]
    part = {"type": "video_url", "video_url": data_url(data, type)} if bare else video(data_url(data, type))
    assert resolved(user(part)).media == (Media(kind="video", type=type, data=data, message=0, part=0),)


def test_media_come_in_the_order_of_their_parts_also_from_tool_results() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    request = resolved(
        user(image(data_url(PNG)), TEXT, video(data_url(MP4, "video/mp4"))),
        {"role": "assistant", "reasoning_content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": [TEXT, image(data_url(GIF, "image/gif"))]},
    )
    found = [(media.type, media.message, media.part) for media in request.media]
    assert found == [("image/png", 0, 0), ("video/mp4", 0, 2), ("image/gif", 2, 1)]


@pytest.mark.parametrize(
    "url",
    [
        data_url(JPEG, "image/png"),
        data_url(PNG, "image/jpg"),
        data_url(PNG, "IMAGE/PNG"),
        f"DATA:image/png;BASE64,{BASE64}",
        f"data:image/png;charset=utf-8;base64,{BASE64}",
        f"  data:image/png;base64,{BASE64}\n",
        f"data:image/png;base64,{BASE64.rstrip('=')}",
        "data:image/png;base64," + "\r\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)) + "\n",
        "data:image/png;base64," + " ".join(BASE64),
    ],
)
def test_what_users_send_is_understood(url: str) -> None:
    """A wrong one of the listed types, capitals, parameters, white space, missing padding."""
    (media,) = resolved(user(image(url))).media
    assert media.data in (PNG, JPEG)


def test_parts_as_text_are_text() -> None:
    """contract.md 1.4: text-serialised part arrays are not vision input."""
    text = json.dumps([image(data_url(PNG))])
    assert resolved({"role": "user", "content": text}).media == ()
    assert resolved(user({"type": "text", "text": text})).media == ()


SYSTEM = {"role": "system", "content": [image(data_url(PNG))]}
ASSISTANT = {"role": "assistant", "content": [TEXT, image(data_url(PNG))]}
CUT = data_url(PNG[:-12])
AT = "messages[0].content[0]"
URL = "unsupported image url: "
FORMAT = "unsupported image format: messages[0].content[0] "
VIDEO_FORMAT = "unsupported video format: messages[0].content[0] "
BAD: dict[str, tuple[object, str]] = {
    "http": (
        image("http://example.com/a.png"),
        f"{URL}http://example.com/a.png; {AT} must be data:image/<type>;base64",
    ),
    "https": (image("https://example.com/a.png"), f"{URL}https://example.com/a.png; {AT} must be"),
    "https, bare": ({"type": "image_url", "image_url": "https://example.com/a.png"}, URL),
    "a long url": (image("https://example.com/" + "a" * 10_000), "a" * 80 + "…; messages[0]"),
    "ftp": (image("ftp://example.com/a.png"), URL),
    "a file's url": (image("file:///etc/passwd"), URL),
    "a path": (image("/tmp/a.png"), URL),
    "javascript": (image("javascript:alert(1)"), URL),
    "nothing": (image(""), URL),
    "blank": (image("  "), URL),
    "base64 alone": (image(BASE64), URL),
    "no data": (image("data:"), URL),
    "a type alone": (image("data:image/png"), URL),
    "not base64 by name": (image("data:image/png,abc"), URL),
    "another encoding": (image("data:image/png;base32,abc"), URL),
    "no comma": (image("data:image/png;base64"), URL),
    "many parameters": (image("data:image/png" + ";a=b" * 50_000 + ";base64,AAAA"), URL),
    "a long type": (image("data:" + "a" * 1_000_000 + ";base64,AAAA"), URL),
    "a file that nobody uploaded": (image("ms://file_123"), f"file file_123 is not found; {AT} refers to it"),
    "a video's file": (video("ms://file_123"), "file file_123 is not found"),
    "no file's id": (image("ms://"), URL),
    "no type": (image(f"data:;base64,{BASE64}"), FORMAT + "is declared as ''"),
    "svg": (image(data_url(b"<svg/>", "image/svg+xml")), FORMAT + "is declared as 'image/svg+xml'; send jpeg, png"),
    "svg as png": (image(data_url(b"<svg/>")), FORMAT + "is declared as image/png, but its bytes are of no format"),
    "tiff": (image(data_url(b"II*\0", "image/tiff")), FORMAT),
    "avif": (image(data_url(brands(b"avif", b"mif1"), "image/heif")), FORMAT),
    "pdf": (image(data_url(b"%PDF-1.7", "application/pdf")), FORMAT),
    "octets": (image(data_url(PNG, "application/octet-stream")), FORMAT),
    "text": (image(data_url(b"hello", "text/plain")), FORMAT),
    "a video as an image": (image(data_url(MP4, "video/mp4")), FORMAT + "is declared as 'video/mp4'"),
    "a video's bytes as an image": (image(data_url(MP4)), FORMAT + "is declared as image/png, but its bytes are video"),
    "no bytes": (image("data:image/png;base64,"), FORMAT + "is declared as image/png, but its bytes are missing"),
    "bad bytes": (image("data:image/png;base64,AAAA"), FORMAT),
    "bad signs": (image("data:image/png;base64,!!!!"), FORMAT + "is not base64"),
    "url-safe base64": (image("data:image/png;base64,_-_-"), FORMAT + "is not base64"),
    "one sign over": (image(f"data:image/png;base64,{BASE64.rstrip('=')}AA"), FORMAT + "is not base64"),
    "padding within": (image(f"data:image/png;base64,AA=={BASE64}"), FORMAT + "is not base64: '=' before the end"),
    "much padding": (image(f"data:image/png;base64,{BASE64}==="), FORMAT + "is not base64: more than two '='"),
    "not ascii": (image(f"data:image/png;base64,{BASE64}é"), FORMAT + "is not base64: a character is not ASCII"),
    "cut short": (image(CUT), FORMAT + "(image/png) is cut short"),
    "magic alone": (image(data_url(PNG[:8])), FORMAT + "(image/png) is cut short"),
    "a size of nothing": (image(data_url(PNG[:16] + bytes(8) + PNG[24:])), FORMAT + "(image/png) says that it is 0x0"),
    "a size of a bomb": (image(data_url(PNG[:16] + b"\xff" * 8 + PNG[24:])), "says that it is 4294967295x4294967295"),
    "a video by http": (video("https://example.com/a.mp4"), f"unsupported video url: https://example.com/a.mp4; {AT}"),
    "a video's bad bytes": (video("data:video/mp4;base64,AAAA"), VIDEO_FORMAT + "is declared as video/mp4, but its"),
    "an image as a video": (video(data_url(PNG)), VIDEO_FORMAT + "is declared as 'image/png'; send mp4, mpeg, mov"),
    "an image's bytes as a video": (video(data_url(PNG, "video/mp4")), VIDEO_FORMAT),
    "a sound": (video(data_url(brands(b"M4A ", b"mp42"), "video/mp4")), VIDEO_FORMAT),
    "matroska": (video(data_url(b"\x1a\x45\xdf\xa3\x8bB\x82\x88matroska", "video/webm")), VIDEO_FORMAT),
    "no member": ({"type": "image_url"}, f"the `{AT}.image_url` field in the request is required"),
    "a null member": (
        {"type": "image_url", "image_url": None},
        f"the `{AT}.image_url` field in the request is required",
    ),
    "the other's member": (
        {"type": "image_url", "video_url": data_url(PNG)},
        f"the `{AT}.image_url` field in the request is required",
    ),
    "no url": ({"type": "video_url", "video_url": {}}, f"the `{AT}.video_url.url` field in the request is required"),
    "a number for a url": (
        image(3),
        f"the `{AT}.image_url.url` field in the request (expected type string) is illegal",
    ),
    "a null for a url": (image(None), f"the `{AT}.image_url.url` field in the request (expected type string)"),
    "a number": (
        {"type": "image_url", "image_url": 5},
        f"the `{AT}.image_url` field in the request (expected type string or object) is illegal, and number is not",
    ),
    "a list": ({"type": "video_url", "video_url": []}, f"the `{AT}.video_url` field in the request (expected type"),
    "no type of part": ({"image_url": "x"}, f"the `{AT}.type` field in the request is required"),
    "a number for a type": ({"type": 3}, f"the `{AT}.type` field in the request (expected type string) is illegal"),
    "another type of part": ({"type": "input_audio"}, f"{AT} is a content part of type 'input_audio'; expected text"),
    "empty text beside": ({"type": "text", "text": ""}, "text content is empty"),
    "a part that is text": ("hello", f"the `{AT}` field in the request (expected type object) is illegal"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parts_are_refused_by_name(name: str) -> None:
    """contract.md 4.3: `unsupported image url`, `unsupported image format`, and the texts of wrong types."""
    part, text = BAD[name]
    message = refusal(user(part))
    assert text in message
    assert message.startswith("Invalid request: ")
    assert len(message) < 500


def test_the_second_part_of_the_third_message_is_named() -> None:
    hello = {"role": "user", "content": "hi"}
    assert "messages[2].content[1].image_url" in refusal(
        hello, hello, user(TEXT, {"type": "image_url", "image_url": 5})
    )
    assert "messages[2].content[1] is not base64" in refusal(hello, hello, user(TEXT, image("data:image/png;base64,é")))


@pytest.mark.parametrize(("message", "place"), [(SYSTEM, "[0].content[0]"), (ASSISTANT, "[0].content[1]")])
def test_only_users_and_tools_show_something(message: dict[str, Any], place: str) -> None:
    """contract.md 1.4."""
    text = refusal(message, {"role": "user", "content": "hi"})
    assert f"messages{place} is of type 'image_url' in a message with role '{message['role']}'" in text


def test_who_cannot_see_is_not_shown_anything() -> None:
    """Refused before the bytes are looked at, bad ones too."""
    blind = refusal(user(TEXT, image("data:image/png;base64,!!!!")), sees=frozenset())
    assert blind == (
        "Invalid request: messages[0].content[1] is of type 'image_url', but the model that serves this request cannot "
        "see images; send text parts only"
    )
    moving = refusal(user(image(data_url(PNG)), video("data:,")), sees=frozenset({"image"}))
    assert moving.endswith("cannot see videos; send image and text parts only")


@given(st.binary(max_size=400), st.booleans(), st.integers(0, 4))
@example(b"", False, 0)
def test_base64_is_undone(data: bytes, padded: bool, blanks: int) -> None:
    text = b64encode(data).decode()
    text = text if padded else text.rstrip("=")
    assert decode_base64("x," + (" " * blanks).join(text) + "\n" * blanks, 2) == data


def test_base64_longer_than_a_chunk_is_undone() -> None:
    data = bytes(range(256)) * 13_000
    text = b64encode(data).decode()
    assert len(text) > 4 << 20
    assert decode_base64(text) == data
    assert decode_base64("\n".join(text[at : at + 77] for at in range(0, len(text), 77))) == data
    with pytest.raises(ValueError, match="'=' before the end"):
        decode_base64(text[: 1 << 20] + "=" + text[1 << 20 :])


@given(st.text(max_size=60), st.sampled_from(["", "data:", "data:image/png;base64,", "ms://", "data:image/"]))
def test_random_urls_are_refused_and_never_break_it(text: str, start: str) -> None:
    assert refusal(user(image(start + text))).startswith("Invalid request: ")


@given(
    st.binary(max_size=120), st.sampled_from([b"", *(file.data[:24] for file in (*IMAGES.values(), *VIDEOS.values()))])
)
def test_random_bytes_are_refused_or_read(data: bytes, start: bytes) -> None:
    for part in (image(data_url(start + data)), video(data_url(start + data, "video/mp4"))):
        try:
            (media,) = resolved(user(part)).media
        except InvalidRequest as error:
            assert "unsupported" in error.message
        else:
            assert media.data == start + data
