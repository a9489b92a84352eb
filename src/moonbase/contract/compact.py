"""JSON text without blank space, as prompts and tool calls carry it."""

from __future__ import annotations

import json


def compact_json(value: object) -> str:
    """`value` as JSON text, always encodable: where it holds a lone surrogate, all that is not ASCII is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text == encodable(text) else json.dumps(value, separators=(",", ":"))


def encodable(text: str) -> str:
    """`text` as UTF-8 can carry it: JSON escapes can spell a lone surrogate, which it cannot."""
    return text.encode(errors="replace").decode()
