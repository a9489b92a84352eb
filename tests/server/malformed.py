"""Malformed requests, as a table: bytes that are no request, routes, headers and keys. `malformed_fields` has the rest.

`text` is a part of the message, and all of it where `exact` is true: the hosted API's words (contract.md 4.2 and 4.3).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tests.running import KEY
from tests.server.client import Json, body

CHAT = "/v1/chat/completions"
ESTIMATE = "/v1/tokenizers/estimate-token-count"
FILES = "/v1/files"
DATE = "/v1/formulas/moonshot/date:latest"
AUTHORIZED = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
GOOD = json.dumps(body()).encode()

KINDS = {
    400: {"invalid_request_error"},
    401: {"incorrect_api_key_error", "invalid_authentication_error"},
    404: {"resource_not_found_error"},
    405: {"invalid_request_error"},
    413: {"invalid_request_error"},
}
"""The types that go with a status, as the tree of `contract.errors` has them."""


class Row(NamedTuple):
    name: str
    content: bytes
    text: str = ""
    status: int = 400
    exact: bool = False
    method: str = "POST"
    path: str = CHAT
    headers: dict[str, str] = AUTHORIZED

    @property
    def payload(self) -> Json | None:
        """The body as an object, where it is one that `stream` can be set in."""
        try:
            return msgspec.json.decode(self.content, type=Json) if self.path == CHAT else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None


def _with(member: bytes) -> bytes:
    """A good body with one member more, in bytes as they are."""
    return GOOD[:-1] + b", " + member + b"}"


def _saying(text: bytes) -> bytes:
    return b'{"model":"kimi-k2.6","messages":[{"role":"user","content":' + text + b"}]}"


_NOT_JSON = "Invalid request: the body is not valid JSON: "
_NO_OBJECT = "the `body` field in the request (expected type object) is illegal, and "
_CUTS = (1, 2, 9, 10, 21, 22, 25, 36, 38, 60, len(GOOD) - 3, len(GOOD) - 2, len(GOOD) - 1)

_BYTES: dict[str, tuple[bytes, str]] = {
    "no body": (b"", _NOT_JSON + "it is empty"),
    "only blanks": (b" \r\n\t ", _NOT_JSON + "it is empty"),
    "one zero byte": (b"\0", _NOT_JSON),
    "zero bytes after": (GOOD + b"\0\0", _NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, _NOT_JSON),
    "utf-16 with mark": (GOOD.decode().encode("utf-16"), _NOT_JSON),
    "utf-16 little-endian": (GOOD.decode().encode("utf-16-le"), _NOT_JSON),
    "utf-16 big-endian": (GOOD.decode().encode("utf-16-be"), _NOT_JSON),
    "utf-32": (GOOD.decode().encode("utf-32"), _NOT_JSON),
    "latin-1 text": (_saying('"é"'.encode("latin-1")), _NOT_JSON + "a string in it is not UTF-8"),
    "utf-8 cut in a character": (_saying(b'"\xe2\x82"'), _NOT_JSON + "a string in it is not UTF-8"),
    "utf-8 overlong": (_saying(b'"\xc0\xaf"'), _NOT_JSON + "a string in it is not UTF-8"),
    "utf-8 surrogate": (_saying(b'"\xed\xa0\x80"'), _NOT_JSON),
    "utf-8 beyond unicode": (_saying(b'"\xf5\x80\x80\x80"'), _NOT_JSON),
    "utf-8 broken in a key": (b'{"model\xff":1}', "the `model` field in the request is required"),
    "lone high surrogate": (_saying(b'"\\ud800"'), _NOT_JSON),
    "lone low surrogate": (_saying(b'"\\udc00 after"'), _NOT_JSON),
    "two high surrogates": (_saying(b'"\\ud800\\ud800"'), _NOT_JSON),
    "escape cut short": (_saying(b'"\\u12"'), _NOT_JSON),
    "escape unknown": (_saying(b'"\\x41"'), _NOT_JSON),
    "raw newline in a string": (_saying(b'"a\nb"'), _NOT_JSON),
    "raw zero in a string": (_saying(b'"a\0b"'), _NOT_JSON),
    "string without end": (_saying(b'"abc'), _NOT_JSON),
    "single quotes": (b"{'model': 'kimi-k2.6'}", _NOT_JSON),
    "unquoted key": (b"{model: 1}", _NOT_JSON),
    "trailing comma": (_saying(b'"x",'), _NOT_JSON),
    "trailing comma in a list": (b'{"model":"kimi-k2.6","messages":[{"role":"user","content":"x"},]}', _NOT_JSON),
    "missing comma": (b'{"model":"kimi-k2.6" "messages":[]}', _NOT_JSON),
    "missing colon": (b'{"model" "kimi-k2.6"}', _NOT_JSON),
    "double colon": (b'{"model"::"kimi-k2.6"}', _NOT_JSON),
    "comment": (b"/* hi */" + GOOD, _NOT_JSON),
    "trailing text": (GOOD + b" and more", _NOT_JSON),
    "two objects": (GOOD + GOOD, _NOT_JSON),
    "lines of objects": (GOOD + b"\n" + GOOD, _NOT_JSON),
    "python literals": (_with(b'"stream": True'), _NOT_JSON),
    "undefined": (_with(b'"stream": undefined'), _NOT_JSON),
    "not a number": (_with(b'"temperature": NaN'), _NOT_JSON),
    "infinity": (_with(b'"temperature": Infinity'), _NOT_JSON),
    "minus infinity": (_with(b'"temperature": -Infinity'), _NOT_JSON),
    "number with a plus": (_with(b'"n": +1'), _NOT_JSON),
    "number with a zero before": (_with(b'"n": 01'), _NOT_JSON),
    "number without digits": (_with(b'"n": -'), _NOT_JSON),
    "hexadecimal": (_with(b'"n": 0x1'), _NOT_JSON),
    "number ends in a point": (_with(b'"temperature": 1.'), _NOT_JSON),
    "exponent without digits": (_with(b'"temperature": 1e'), _NOT_JSON),
    "huge exponent": (_with(b'"temperature": 1e999'), "temperature"),
    "huge negative exponent": (_with(b'"top_p": 1e-999'), "invalid top_p: only 0.95 is allowed for this model"),
    "minus zero for n": (_with(b'"n": -0'), "invalid n: only 1 is allowed for this model"),
    "minus zero for a budget": (_with(b'"max_tokens": -0'), "max_tokens must be at least 1"),
    "budget under 64 bits": (_with(b'"max_tokens": -' + b"9" * 30), "max_tokens must be at least 1"),
    "n over 64 bits": (_with(b'"n": ' + b"9" * 30), "invalid n: only 1 is allowed for this model"),
    "temperature of 5000 digits": (_with(b'"temperature": ' + b"9" * 5000), "temperature"),
    "n of 5000 digits": (_with(b'"n": ' + b"9" * 5000), "`n`"),
    "1M open lists": (_with(b'"extra": ' + b"[" * 1_000_000), _NOT_JSON + "it is nested too deeply"),
    "1M closed lists": (
        _with(b'"extra": ' + b"[" * 1_000_000 + b"]" * 1_000_000),
        _NOT_JSON + "it is nested too deeply",
    ),
    "1M objects": (_with(b'"extra": ' + b'{"a":' * 1_000_000), _NOT_JSON + "it is nested too deeply"),
    "1M lists as messages": (b'{"model":"kimi-k2.6","messages":' + b"[" * 1_000_000, "messages[0]"),
    "1M lists as a schema": (
        _with(b'"tools": [{"function": {"name": "f", "parameters": ' + b'{"a":' * 1_000_000),
        _NOT_JSON + "it is nested too deeply",
    ),
    "the last of two keys is wrong": (_with(b'"model": 5'), "the `model` field in the request (expected type string)"),
    "the last of two messages is empty": (_with(b'"messages": []'), "Invalid request: messages must not be empty"),
    "a list": (b"[]", _NO_OBJECT + "array is not acceptable"),
    "a list of requests": (b"[" + GOOD + b"]", _NO_OBJECT + "array is not acceptable"),
    "a string": (b'"' + b"x" * 50 + b'"', _NO_OBJECT + "string is not acceptable"),
    "a string with a request": (json.dumps(GOOD.decode()).encode(), _NO_OBJECT + "string is not acceptable"),
    "a number": (b"42", _NO_OBJECT + "number is not acceptable"),
    "null": (b"null", _NO_OBJECT + "null is not acceptable"),
    "true": (b"true", _NO_OBJECT + "bool is not acceptable"),
    "an empty object": (b"{}", "the `model` field in the request is required"),
    "a gzip body unannounced": (gzip.compress(GOOD, mtime=0), _NOT_JSON),
    "a form": (b"model=kimi-k2.6&messages=hi", _NOT_JSON),
    "server-sent events": (b"data: " + GOOD + b"\n\n", _NOT_JSON),
    "multipart": (b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nkimi-k2.6\r\n--x--\r\n', _NOT_JSON),
}


def _headed(**headers: str) -> dict[str, str]:
    return {**AUTHORIZED, **{name.replace("_", "-"): value for name, value in headers.items()}}


_UNAUTHORIZED: dict[str, tuple[dict[str, str], str]] = {
    "no key": ({}, "Incorrect API key provided"),
    "empty key": ({"authorization": ""}, "Incorrect API key provided"),
    "bearer of nothing": ({"authorization": "Bearer "}, "Incorrect API key provided"),
    "key without a scheme": ({"authorization": KEY}, "Incorrect API key provided"),
    "basic": ({"authorization": "Basic dXNlcjpwYXNz"}, "Incorrect API key provided"),
    "key in another header": ({"x-api-key": KEY}, "Incorrect API key provided"),
    "wrong key": ({"authorization": "Bearer sk-wrong"}, "Invalid Authentication"),
    "key and more": ({"authorization": f"Bearer {KEY} more"}, "Invalid Authentication"),
    "key cut short": ({"authorization": f"Bearer {KEY[:-1]}"}, "Invalid Authentication"),
    "key in capitals": ({"authorization": f"Bearer {KEY.upper()}"}, "Invalid Authentication"),
    "key of 10k": ({"authorization": "Bearer " + "k" * 10_000}, "Invalid Authentication"),
    "key beyond ascii": ({"authorization": "Bearer clé"}, "Invalid Authentication"),
}

_NOWHERE = "The requested resource was not found"
_NO_METHOD = "Invalid request: this method is not allowed for this path"
_ROUTES: dict[str, tuple[str, str, int, str]] = {
    "root": ("GET", "/", 404, _NOWHERE),
    "v1 alone": ("GET", "/v1", 404, _NOWHERE),
    "another version": ("POST", "/v2/chat/completions", 404, _NOWHERE),
    "no version": ("POST", "/chat/completions", 404, _NOWHERE),
    "a slash more": ("POST", CHAT + "/", 404, _NOWHERE),
    "a slash twice": ("POST", "//v1/chat/completions", 404, _NOWHERE),
    "capitals": ("POST", "/V1/Chat/Completions", 404, _NOWHERE),
    "encoded dots": ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404, _NOWHERE),
    "zero byte": ("GET", "/v1/%00", 404, _NOWHERE),
    "no utf-8": ("GET", "/v1/%ff%fe", 404, _NOWHERE),
    "old completions": ("POST", "/v1/completions", 404, _NOWHERE),
    "embeddings": ("POST", "/v1/embeddings", 404, _NOWHERE),
    "chat by get": ("GET", CHAT, 405, _NO_METHOD),
    "chat by put": ("PUT", CHAT, 405, _NO_METHOD),
    "chat by delete": ("DELETE", CHAT, 405, _NO_METHOD),
    "chat by options": ("OPTIONS", CHAT, 405, _NO_METHOD),
    "chat by trace": ("TRACE", CHAT, 405, _NO_METHOD),
    "models by post": ("POST", "/v1/models", 405, _NO_METHOD),
    "models by delete": ("DELETE", "/v1/models", 405, _NO_METHOD),
    "a model by post": ("POST", "/v1/models/kimi-k2.6", 405, _NO_METHOD),
    "a model by patch": ("PATCH", "/v1/models/kimi-k2.6", 405, _NO_METHOD),
    "estimate by get": ("GET", ESTIMATE, 405, _NO_METHOD),
    "tools by post": ("POST", f"{DATE}/tools", 405, _NO_METHOD),
    "fibers by get": ("GET", f"{DATE}/fibers", 405, _NO_METHOD),
    "files by put": ("PUT", FILES, 405, _NO_METHOD),
    "files by delete": ("DELETE", FILES, 405, _NO_METHOD),
    "files with a slash more": ("GET", FILES + "/", 404, _NOWHERE),
    "a file by post": ("POST", FILES + "/file_0", 405, _NO_METHOD),
    "content by delete": ("DELETE", FILES + "/file_0/content", 405, _NO_METHOD),
    "unknown file": ("GET", FILES + "/file_0", 404, "file file_0 is not found"),
    "unknown file's content": ("GET", FILES + "/file_0/content", 404, "file file_0 is not found"),
    "unknown file deleted": ("DELETE", FILES + "/file_0", 404, "file file_0 is not found"),
    "file beyond ascii": ("GET", FILES + "/%ff%00", 404, "file \ufffd\0 is not found"),
    "file of dots": ("GET", FILES + "/..%2f..%2fetc/content", 404, _NOWHERE),
    "health by post": ("POST", "/health", 405, _NO_METHOD),
    "unknown model": ("GET", "/v1/models/kimi-k9", 404, "Not found the model kimi-k9 or Permission denied"),
    "model of no name": ("GET", "/v1/models/", 404, "Not found the model  or Permission denied"),
    "model with a slash": ("GET", "/v1/models/a/b", 404, "Not found the model a/b or Permission denied"),
    "unknown formula": ("GET", "/v1/formulas/moonshot/nothing:latest/tools", 404, "formula not found"),
    "formula of no name": ("GET", "/v1/formulas//tools", 404, "formula not found"),
    "formula without a version": ("GET", "/v1/formulas/moonshot/date/tools", 404, "formula not found"),
    "formula beyond ascii": ("GET", "/v1/formulas/%ff/tools", 404, "formula not found"),
    "formula alone": ("GET", DATE, 404, _NOWHERE),
}

_FIBERS: dict[str, tuple[bytes, str]] = {
    "no body": (b"", _NOT_JSON + "it is empty"),
    "a list": (b"[]", _NO_OBJECT + "array is not acceptable"),
    "no name": (b'{"arguments":"{}"}', "the `name` field in the request is required"),
    "no arguments": (b'{"name":"date"}', "the `arguments` field in the request is required"),
    "name is a number": (b'{"name":5,"arguments":"{}"}', "the `name` field in the request (expected type string)"),
    "name is null": (b'{"name":null,"arguments":"{}"}', "and null is not acceptable"),
    "arguments is an object": (b'{"name":"date","arguments":{}}', "and object is not acceptable"),
    "arguments is null": (b'{"name":"date","arguments":null}', "and null is not acceptable"),
    "arguments with half a pair": (b'{"name":"date","arguments":"\\ud800"}', _NOT_JSON),
    "not utf-8": (b'{"name":"\xff","arguments":"{}"}', _NOT_JSON),
    "deep": (b'{"name":"date","extra":' + b"[" * 1_000_000, _NOT_JSON + "it is nested too deeply"),
}
_ESTIMATES: dict[str, tuple[bytes, str]] = {
    "no body": (b"", _NOT_JSON + "it is empty"),
    "a list": (b"[]", _NO_OBJECT + "array is not acceptable"),
    "no model": (b'{"messages":[]}', "the `model` field in the request is required"),
    "no messages": (b'{"model":"kimi-k2.6"}', "the `messages` field in the request is required"),
    "messages empty": (b'{"model":"kimi-k2.6","messages":[]}', "Invalid request: messages must not be empty"),
    "messages a string": (b'{"model":"kimi-k2.6","messages":"hi"}', "expected type array"),
    "unknown role": (_saying(b'"x"').replace(b"user", b"robot"), "is not one of system, user, assistant, tool"),
    "wrong sampling": (_with(b'"temperature": 0.1'), "invalid temperature: only 1 is allowed for this model"),
}


_FORM = (
    b'--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfile-extract\r\n'
    b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--X--\r\n'
)
_NO_FORM = "Invalid request: the body is not valid multipart/form-data: "
_FORMS: dict[str, tuple[bytes, str]] = {
    "no body": (b"", _NO_FORM + "it has no parts"),
    "json": (GOOD, _NO_FORM),
    "only an end": (b"--X--\r\n", "the `file` field in the request is required"),
    "another boundary": (_FORM.replace(b"--X", b"--Y"), _NO_FORM),
    "cut in the file": (_FORM[:-12], _NO_FORM + "it ends before its last boundary, in the part `file`"),
    "cut in the last boundary": (_FORM[:-4], _NO_FORM + "it ends before its last boundary, in the part `file`"),
    "cut in a header": (_FORM[:20], _NO_FORM + "it ends before its last boundary"),
    "no purpose": (_FORM.replace(b'"purpose"', b'"reason"'), "the `purpose` field in the request is required"),
    "no file": (_FORM.replace(b'name="file"', b'name="data"'), "the `file` field in the request is required"),
    "two files": (_FORM.replace(b'"purpose"', b'"file"; filename="b"'), "the `file` field is in the request twice"),
    "two purposes": (
        _FORM.replace(b'"file"; filename="a.txt"', b'"purpose"'),
        "the `purpose` field is in the request twice",
    ),
    "file without a name": (
        _FORM.replace(b'; filename="a.txt"', b""),
        "the `file` field in the request (expected type",
    ),
    "file with an empty name": (_FORM.replace(b"a.txt", b""), "the `file` field in the request (expected type file)"),
    "empty file": (_FORM.replace(b"hello", b""), "File size is zero, please confirm and re-upload the file"),
    "wrong purpose": (_FORM.replace(b"file-extract", b"fine-tune"), "Invalid purpose: only 'file-extract' accepted"),
    "purpose of zero bytes": (
        _FORM.replace(b"file-extract", bytes(9)),
        "Invalid purpose: only 'file-extract' accepted",
    ),
    "purpose of 1 MB": (_FORM.replace(b"file-extract", b"x" * 10**6), "Invalid purpose: only 'file-extract' accepted"),
    "purpose beyond utf-8": (_FORM.replace(b"file-extract", b"\xff"), "Invalid purpose: only 'file-extract' accepted"),
    "no picture": (_FORM.replace(b"file-extract", b"image"), "Invalid request: unsupported image format: "),
    "no video": (_FORM.replace(b"file-extract", b"video"), "Invalid request: unsupported video format: "),
    "a picture to be read": (_FORM.replace(b"a.txt", b"a.png"), "Failed to extract file: it is a picture"),
    "a broken pdf": (_FORM.replace(b"hello", b"%PDF-1.4"), "Failed to extract file: it is no PDF that can be read"),
    "a broken zip": (_FORM.replace(b"hello", b"PK\3\4"), "Failed to extract file: it is a broken zip file"),
    "binary data": (_FORM.replace(b"hello", bytes(99)), "Failed to extract file: its format is not read (txt)"),
    "a header of 1 MB": (_FORM.replace(b"a.txt", b"a" * 10**6), _NO_FORM + "Maximum header size exceeded"),
    "100 headers": (_FORM.replace(b"\r\n\r\n", b"\r\nA: b" * 100 + b"\r\n\r\n"), _NO_FORM + "Maximum header count"),
    "100 parts": (
        b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 100 + _FORM,
        _NO_FORM + "it has more than 32 parts",
    ),
    "no disposition": (_FORM.replace(b"Content-Disposition", b"Content"), _NO_FORM + "a part has the Content-Dispos"),
}
_QUERIES: dict[str, tuple[str, str]] = {
    "limit 0": ("limit=0", "the query parameter `limit` must be a whole number from 1 to 10000, got '0'"),
    "limit negative": ("limit=-1", "the query parameter `limit` must be"),
    "limit a word": ("limit=many", "the query parameter `limit` must be"),
    "limit of 5000 digits": ("limit=" + "9" * 5000, "the query parameter `limit` must be"),
    "limit of zero bytes": ("limit=%00%ff", "the query parameter `limit` must be"),
    "order": ("order=newest", "the query parameter `order` must be one of asc, desc, got 'newest'"),
    "purpose": ("purpose=", "the query parameter `purpose` must be one of file-extract, image, video, batch"),
}


def table() -> Iterator[Row]:
    """Every row, those of `malformed_fields` apart."""
    yield from (Row(f"cut at {cut}", GOOD[:cut], _NOT_JSON) for cut in _CUTS)
    yield from (Row(name, content, text) for name, (content, text) in _BYTES.items())
    for coding in ("gzip", "br", "deflate", "zstd"):
        yield Row(
            f"announced as {coding}", gzip.compress(GOOD), "content-encoding", headers=_headed(content_encoding=coding)
        )
    for kind in ("text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\x7f"):
        yield Row(f"content type {kind!r}", b"{", _NOT_JSON, headers=_headed(content_type=kind))
    for name, (headers, text) in _UNAUTHORIZED.items():
        yield Row(name, GOOD, text, 401, True, headers=headers)
        yield Row(f"{name}, broken body", b"{", text, 401, True, headers=headers)
    yield Row("no key for the models", b"", "Incorrect API key provided", 401, True, "GET", "/v1/models", {})
    yield Row("no key for nowhere", b"", "Incorrect API key provided", 401, True, "GET", "/nowhere", {})
    for name, (method, path, status, text) in _ROUTES.items():
        yield Row(name, b"", text, status, True, method, path)
    unknown = json.dumps({"name": "date", "arguments": "{}"}).encode()
    yield Row("fiber of no formula", unknown, "formula not found", 404, True, path="/v1/formulas/a/b:c/fibers")
    yield Row("estimate of no model", GOOD.replace(b"kimi-k2.6", b"kimi-k9"), "Not found the model", 404, path=ESTIMATE)
    yield from (Row(f"fiber: {name}", *rest, path=f"{DATE}/fibers") for name, rest in _FIBERS.items())
    form = _headed(content_type="multipart/form-data; boundary=X")
    yield from (Row(f"upload: {name}", *rest, path=FILES, headers=form) for name, rest in _FORMS.items())
    for kind in ("application/json", "multipart/mixed; boundary=X", "multipart/form-data", "\x7f"):
        typed = _headed(content_type=kind)
        yield Row(f"upload as {kind!r}", _FORM, "the content type", path=FILES, headers=typed)
    for name, (query, text) in _QUERIES.items():
        yield Row(f"list files: {name}", b"", text, 400, False, "GET", f"{FILES}?{query}")
    yield from (Row(f"estimate: {name}", *rest, path=ESTIMATE) for name, rest in _ESTIMATES.items())
