"""Which kinds of files can be read, by the Content-Type header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from moonbase.tools.tool import ToolError, shown

Kind = Literal["html", "json", "text", "unknown"]
"""`unknown` stands for what only the bytes can tell."""

_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:+-]{1,40})""", re.IGNORECASE | re.ASCII)
_TEXTS = {
    "application/xml",
    "application/javascript",
    "application/ecmascript",
    "application/x-javascript",
    "application/sql",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/x-ndjson",
    "application/jsonl",
    "application/x-sh",
    "application/x-tex",
    "application/x-latex",
    "application/rtf",
    "application/graphql",
    "application/x-www-form-urlencoded",
    "application/x-subrip",
    "application/xml-dtd",
    "application/mbox",
    "message/rfc822",
    "image/svg+xml",
}
_UNSURE = {"", "application/octet-stream", "binary/octet-stream", "application/unknown", "application/x-unknown"}


class NoText(ToolError):
    """There is no text to be read."""


@dataclass(frozen=True, slots=True)
class Media:
    """What a page says it is. `charset` is None where it says nothing."""

    kind: Kind
    charset: str | None = None


def media_of(content_type: str, url: str) -> Media:
    """Raises `ToolError` for kinds that are no text, before any of the body is read."""
    name = content_type.partition(";")[0].partition(",")[0].strip().lower()
    found = _CHARSET.search(content_type)
    charset = found[1] if found else None
    if name in ("text/html", "application/xhtml+xml"):
        return Media("html", charset)
    if name in ("application/json", "text/json") or name.endswith("+json"):
        return Media("json", charset)
    if name.startswith("text/") or name in _TEXTS or name.endswith(("+xml", "+yaml")):
        return Media("text", charset)
    if name in _UNSURE:
        return Media("unknown", charset)
    raise NoText(
        f"{url} is of the type {shown(name)}, which cannot be read as text; "
        "HTML, plain text, JSON, XML and other text can be fetched; PDF, images, audio, video and archives cannot"
    )
