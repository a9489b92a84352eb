"""Regular expressions of schemas (ECMA-262) in a form that a decoder can enforce: not looking ahead, behind or back.

A few that SDKs write for every field of some type do look ahead; each of those has a replacement here that allows a
part of the same strings, so what is generated fits the original.
"""

from __future__ import annotations

import re

_LOOKS = re.compile(r"(?<!\\)(?:\\\\)*\((?:\?=|\?!|\?<=|\?<!)|(?<!\\)(?:\\\\)*\\(?:[1-9]|k<)")

_DOMAIN = r"@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
_EMAIL = r"^[A-Za-z0-9_+\-]+(\.[A-Za-z0-9_+\-]+)*" + _DOMAIN
_KNOWN: dict[str, str] = {
    # zod's z.email(), 3 and 4
    r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$": _EMAIL,
    r"^(?!\.)(?!.*\.\.)([A-Z0-9_'+\-\.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9\-]*\.)+[A-Z]{2,}$": (
        r"^[A-Z0-9_+\-]+(\.[A-Z0-9_+\-]+)*@([A-Z0-9][A-Z0-9\-]*\.)+[A-Z]{2,}$"
    ),
    # pydantic's Decimal
    r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$": r"^[+-]?[0-9]+(\.[0-9]+)?$",
}
_DECIMAL = re.compile(
    r"\^\(\?!\^\[-\+\.\]\*\$\)\[\+-\]\?0\*"
    r"\(\?:\\d\{0,(?P<whole>\d+)\}\|\(\?=\[\\d\.\]\{1,\d+\}0\*\$\)\\d\{0,\d+\}\\\.\\d\{0,(?P<places>\d+)\}0\*\$\)"
)
"""pydantic's Decimal with max_digits and decimal_places."""

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_"}


def enforceable_pattern(pattern: str) -> str | None:
    """`pattern`, or one that allows some of its strings; None where it looks around and is not a known one."""
    if known := _KNOWN.get(pattern):
        return known
    if found := _DECIMAL.match(pattern):
        whole, places = int(found["whole"]), int(found["places"])
        fraction = rf"(\.[0-9]{{1,{places}}})?" if places else ""
        return rf"^[+-]?[0-9]{{1,{whole}}}{fraction}$" if whole else None
    return None if _LOOKS.search(pattern) else _ascii_classes(pattern)


def _ascii_classes(pattern: str) -> str:
    r"""`\d` and `\w` mean ASCII in ECMA-262 and much more elsewhere."""
    parts: list[str] = []
    inside = False
    index = 0
    while index < len(pattern):
        char = pattern[index]
        pair = pattern[index : index + 2]
        if char == "\\" and len(pair) == 2:
            name = _CLASSES.get(pair[1].lower())
            if name and pair[1].islower():
                parts.append(name if inside else f"[{name}]")
            elif name and not inside:
                parts.append(f"[^{name}]")
            else:
                parts.append(pair)
            index += 2
            continue
        if char == "[" and not inside:
            inside = True
        elif char == "]":
            inside = False
        elif char == "[":  # an ordinary character there in ECMA-262, the start of a nested class elsewhere
            char = "\\["
        parts.append(char)
        index += 1
    return "".join(parts)
