"""Patterns of schemas that a decoder can enforce."""

from __future__ import annotations

import re

import pytest

from moonbase.contract.schema_patterns import enforceable_pattern

ZOD_EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
DECIMAL = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"
DECIMAL_8_2 = r"^(?!^[-+.]*$)[+-]?0*(?:\d{0,6}|(?=[\d.]{1,9}0*$)\d{0,6}\.\d{0,2}0*$)"


@pytest.mark.parametrize(
    ("pattern", "enforced"),
    [
        (r"^\d{4}$", r"^[0-9]{4}$"),
        (r"[\w.]+", r"[A-Za-z0-9_.]+"),
        (r"\D\W", r"[^0-9][^A-Za-z0-9_]"),
        (r"[^\d]", r"[^0-9]"),
        (r"\\d", r"\\d"),
        (r"[[]", r"[\[]"),
        (r"(?:a|b)+", r"(?:a|b)+"),
        (r"\(?=", r"\(?="),
        (r"(?=a)", None),
        (r"(?<!a)b", None),
        (r"(a)\1", None),
    ],
)
def test_ascii_classes_and_looking_around(pattern: str, enforced: str | None) -> None:
    assert enforceable_pattern(pattern) == enforced


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (ZOD_EMAIL, ["a@b.co", "a.b-c+d@e-f.gh.org"]),
        (DECIMAL, ["1", "-20.5", "+0.1"]),
        (DECIMAL_8_2, ["1", "-123456.78", "0.5"]),
    ],
)
def test_what_sdks_write_is_replaced_by_a_part_of_it(pattern: str, fits: list[str]) -> None:
    narrower = enforceable_pattern(pattern)
    assert narrower is not None
    assert "(?" not in narrower
    for text in fits:
        assert re.search(narrower, text) and re.search(pattern, text)
    for text in ["", ".", "a..b@c.de", ".a@b.co", "+"]:
        assert not re.search(narrower, text)
