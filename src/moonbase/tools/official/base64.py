"""`moonshot/base64:latest`: text to base64 and back (contract.md 6.2; RFC 4648)."""

from __future__ import annotations

import base64
import encodings
import pkgutil
import re
from encodings.aliases import aliases
from functools import lru_cache

from moonbase.contract.tools import Function
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError, shown

URI = "moonshot/base64:latest"

_ENCODING = {"type": "string", "description": "Character encoding", "default": "utf-8"}
ENCODE = Function(
    name="base64_encode",
    description="Encode text as base64.",
    parameters={
        "type": "object",
        "properties": {"data": {"type": "string", "description": "The text"}, "encoding": _ENCODING},
        "required": ["data"],
    },
)
DECODE = Function(
    name="base64_decode",
    description="Decode base64 to text.",
    parameters={
        "type": "object",
        "properties": {"data": {"type": "string", "description": "The base64 text"}, "encoding": _ENCODING},
        "required": ["data"],
    },
)

# Those of Python that take time in the square of the length (minutes for 20,000 characters), and one that always fails.
_REFUSED = {"idna", "punycode", "undefined"}
_LONGEST_NAME = 40
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_FOREIGN = re.compile(r"[^A-Za-z0-9+/=]")


def base64_formula() -> Formula:
    """Encoding and decoding."""

    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        encoding = codec_name(arguments.get("encoding") or "utf-8")
        work = encode if name == ENCODE.name else decode
        return work(arguments["data"], encoding)

    return Formula(uri=URI, functions=(ENCODE, DECODE), run=run)


def encode(text: str, encoding: str) -> str:
    """`text` in `encoding` as base64; raises `ToolError`."""
    try:
        return base64.b64encode(text.encode(encoding)).decode()
    except UnicodeEncodeError as error:
        bad = shown(error.object[error.start])
        raise ToolError(
            f"data has {bad} at position {error.start}, which {encoding} cannot express; use utf-8"
        ) from None
    except (LookupError, UnicodeError):
        raise _not_for_text(encoding) from None


def decode(data: str, encoding: str) -> str:
    """The text that `data` holds: standard or URL-safe base64, with or without padding, or a data URL. Raises
    `ToolError`."""
    decoded = _bytes_of(data)
    try:
        return decoded.decode(encoding)
    except UnicodeDecodeError as error:
        raise ToolError(
            f"data decodes to {len(decoded)} bytes that are not {encoding} text (byte {decoded[error.start]:#04x} at "
            f"position {error.start}); give the right encoding, for example latin-1"
        ) from None
    except (LookupError, UnicodeError):
        raise _not_for_text(encoding) from None


def _bytes_of(data: str) -> bytes:
    found = _DATA_URL.match(data.strip())
    text = "".join(data.strip()[found.end() if found else 0 :].split()).replace("-", "+").replace("_", "/")
    if foreign := _FOREIGN.search(text):
        raise ToolError(f"data is not base64: it holds {shown(foreign.group())}; expected A-Z a-z 0-9 + / and =")
    text = text.rstrip("=")
    if "=" in text:
        raise ToolError("data is not base64: it goes on after the padding '='; decode its parts one by one")
    if len(text) % 4 == 1:
        raise ToolError(f"data is not base64: {len(text)} characters cannot be whole bytes; it seems to be cut")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def codec_name(name: str) -> str:
    """`name` if it is an encoding of Python's for text; raises `ToolError`.

    Only names of a closed list reach Python's codec machinery, which imports modules by name and remembers every name
    for ever, each spelling of it apart.
    """
    given = name.strip()
    plain = encodings.normalize_encoding(given).lower() if given.isascii() and len(given) <= _LONGEST_NAME else ""
    if plain not in _known_encodings() or aliases.get(plain, plain) in _REFUSED:
        raise ToolError(f"unknown encoding {shown(name)}; expected one such as utf-8, ascii, latin-1, gbk or utf-16")
    return plain.replace("_", "-")


@lru_cache(maxsize=1)
def _known_encodings() -> frozenset[str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)} - {"aliases"}
    return frozenset(modules | aliases.keys() | set(aliases.values()))


def _not_for_text(encoding: str) -> ToolError:
    return ToolError(f"encoding {encoding} is not for this text; expected one such as utf-8, ascii or latin-1")
