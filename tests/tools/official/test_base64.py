"""contract.md 6.2: base64_encode and base64_decode."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.tools.formula import tool_list
from moonbase.tools.official.base64 import base64_formula, codec_name, decode, encode
from moonbase.tools.tool import ToolError
from tests.tools.official.asking import error_of, output_of

TOOL = base64_formula()


async def test_the_documented_pair() -> None:
    assert await output_of(TOOL, {"data": "Hello, Kimi!"}, name="base64_encode") == "SGVsbG8sIEtpbWkh"
    assert await output_of(TOOL, {"data": "SGVsbG8sIEtpbWkh"}, name="base64_decode") == "Hello, Kimi!"


def test_the_definitions_are_small() -> None:
    assert len(msgspec.json.encode(tool_list(TOOL).tools)) < 600


@pytest.mark.parametrize("encoding", [None, "", "utf-8"])
async def test_no_encoding_is_utf_8(encoding: str | None) -> None:
    arguments = {"data": "喵 é 🐈", "encoding": encoding}
    assert await output_of(TOOL, arguments) == base64.b64encode("喵 é 🐈".encode()).decode()


@settings(deadline=None)
@given(st.text(), st.sampled_from(["utf-8", "UTF8", "utf-16", "utf_32_le", "utf-7", "gb18030", "utf-8-sig"]))
def test_there_and_back(text: str, encoding: str) -> None:
    assert decode(encode(text, codec_name(encoding)), codec_name(encoding)) == text


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_through_latin_1(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert decode(text, "latin-1").encode("latin-1") == data
    assert decode(text.rstrip("="), "latin-1") == decode(text, "latin-1")
    assert decode(base64.urlsafe_b64encode(data).decode(), "latin-1") == decode(text, "latin-1")


@settings(deadline=None)
@given(st.text(), st.sampled_from(["utf-8", "ascii", "utf-16"]))
def test_whatever_comes_is_text_or_a_refusal(text: str, encoding: str) -> None:
    try:
        assert isinstance(decode(text, encoding), str)
    except ToolError as error:
        assert "data" in str(error)


@pytest.mark.parametrize(
    "data", ["SGVs bG8s\nIEtp bWkh\n", "data:text/plain;charset=utf-8;base64,SGVsbG8sIEtpbWkh", " SGVsbG8sIEtpbWkh"]
)
def test_what_surrounds_base64_in_the_wild(data: str) -> None:
    assert decode(data, "utf-8") == "Hello, Kimi!"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("base64_encode", {"data": "naïve", "encoding": "ascii"}, "'ï' at position 2, which ascii cannot express"),
        (
            "base64_encode",
            {"data": "x", "encoding": "klingon"},
            "unknown encoding 'klingon'; expected one such as utf-8",
        ),
        ("base64_encode", {"data": "x", "encoding": "hex"}, "encoding hex is not for this text"),
        ("base64_encode", {"data": "x", "encoding": "zlib"}, "encoding zlib is not for this text"),
        ("base64_decode", {"data": "eA==", "encoding": "rot13"}, "encoding rot13 is not for this text"),
        ("base64_encode", {"data": "ü" * 20_000, "encoding": "punycode"}, "unknown encoding"),  # 150 seconds in Python
        ("base64_encode", {"data": "x" * 20_000, "encoding": "idna"}, "unknown encoding"),
        ("base64_encode", {"data": "x", "encoding": "../os"}, "unknown encoding"),
        ("base64_encode", {"data": "x", "encoding": "a\0b"}, "unknown encoding"),
        ("base64_encode", {"data": "x", "encoding": "ütf"}, "unknown encoding"),
        ("base64_encode", {"data": "x", "encoding": "x" * 100_000}, "unknown encoding"),
        ("base64_encode", {"data": "x", "encoding": "aliases"}, "unknown encoding"),
        ("base64_decode", {"data": "SGVsbG8*"}, "data is not base64: it holds '*'"),
        ("base64_decode", {"data": "喵"}, "data is not base64: it holds '喵'"),
        ("base64_decode", {"data": "SGVsb"}, "5 characters cannot be whole bytes"),
        ("base64_decode", {"data": "SGk=SGk="}, "goes on after the padding"),
        ("base64_decode", {"data": "/w=="}, "1 bytes that are not utf-8 text (byte 0xff at position 0)"),
        ("base64_encode", {}, "'data' is a required property"),
        ("base64_encode", {"data": 1}, "arguments.data: 1 is not of type 'string'"),
    ],
)
async def test_refusals(name: str, arguments: dict[str, Any], words: str) -> None:
    assert words in await error_of(TOOL, arguments, name=name)


@pytest.mark.parametrize("spelling", ["utf8", " UTF8 ", "utf8!", "utf8\0", "$utf8 --- ", "Utf8"])
async def test_python_sees_one_spelling_of_an_encoding(spelling: str) -> None:
    # It keeps each one that it is asked for, however long, until the process ends.
    assert codec_name(spelling) == "utf8"
    assert await output_of(TOOL, {"data": "é", "encoding": spelling}) == "w6k="


@pytest.mark.parametrize("rest", ["!" * 100_000, " " * 40 + "x"])
async def test_a_name_that_goes_on_behind_a_known_encoding(rest: str) -> None:
    assert "unknown encoding 'utf8" in await error_of(TOOL, {"data": "x", "encoding": f"utf8{rest}"})


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ToolError, match="position 0, which utf-8 cannot express"):
        encode("\ud800", "utf-8")
