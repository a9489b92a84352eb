"""Text of models and tools made safe for a terminal: nothing in it can move the cursor, set a title, or hide itself.

A terminal obeys control characters: an answer that holds ESC can rewrite lines above it, put text into the clipboard or
answer on the keyboard's behalf. So each control character is shown as a sign of its own (ESC as ␛), and the invisible
signs that turn the direction of writing, which can make code read as other code, by their code point.
"""

from __future__ import annotations

import json

_KEPT = "\n\t"
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SEPARATORS = (0x2028, 0x2029)
_TAGS = range(0xE0000, 0xE0080)
_SURROGATES = range(0xD800, 0xE000)


def _table() -> dict[int, str]:
    shown = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in _KEPT}
    shown[0x7F] = "␡"
    shown |= {code: f"<{code:02X}>" for code in range(0x80, 0xA0)}
    shown |= {code: f"<U+{code:04X}>" for code in (*_DIRECTIONS, *_TAGS)}
    shown |= dict.fromkeys(_SEPARATORS, "\n")
    shown |= dict.fromkeys(_SURROGATES, "\ufffd")
    shown[0x0D] = ""  # Of the line ends of Windows; alone it would write over its line.
    return shown


_TABLE = _table()
_ALONE = {**_TABLE, 0x09: " ", **dict.fromkeys((0x0A, *_SEPARATORS), "␊")}
_IN_JSON = {code: f"\\u{code:04x}" for code in (0x7F, *range(0x80, 0xA0), *_DIRECTIONS, *_SEPARATORS, *_SURROGATES)} | {
    code: "".join(f"\\u{unit:04x}" for unit in (0xDB40, 0xDC00 + code - 0xE0000)) for code in _TAGS
}


def safe(text: str) -> str:
    """`text` with new lines and tabs left as they are, and every other control character made visible. It works
    character by character, so the pieces of a stream can be given one at a time."""
    return text.translate(_TABLE)


def safe_line(text: str) -> str:
    """`safe`, on one line: new lines are made visible too, tabs are spaces."""
    return text.translate(_ALONE)


def safe_json(encoded: str) -> str:
    """JSON text whose strings hold no character that a terminal obeys; it says the same."""
    return encoded.translate(_IN_JSON)


def json_text(value: object) -> str:
    """JSON over several lines, as `--json` prints it."""
    return safe_json(json.dumps(value, indent=2, ensure_ascii=False))
