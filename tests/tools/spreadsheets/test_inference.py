"""Columns of text as values: what could be something else than a number stays as it is."""

from __future__ import annotations

import pytest

from moonbase.tools.spreadsheets.inference import inferred, number_in


@pytest.mark.parametrize(
    "texts",
    [
        ["9" * 40, "8" * 40],
        ["9" * 310, "8" * 310],
        ["9" * 5_000, "1"],
        ["1.5", "1e999"],
        ["-1e999", "2"],
        ["4e567", "8e901", "NA"],
        ["1" + ",000" * 2_000, "2,000"],
        ["1" + ",000" * 200 + ".5", "2,000"],
    ],
    ids=lambda texts: texts[0][:12],
)
def test_digits_that_no_number_keeps_stay_text(texts: list[str]) -> None:
    assert list(inferred(texts, decimal_comma=False)) == texts
    assert list(inferred(["x", *texts], decimal_comma=False)) == ["x", *texts]


@pytest.mark.parametrize("text", ["1" + ".000" * 200 + ",5", "9" * 400 + ",5"])
def test_the_same_with_a_comma(text: str) -> None:
    assert list(inferred([text, "1,5"], decimal_comma=True)) == [text, "1,5"]


def test_large_numbers_are_numbers() -> None:
    assert inferred(["1e308", "-1.5e300"], decimal_comma=False) == [1e308, -1.5e300]
    assert inferred(["9" * 31, "2"], decimal_comma=False) == [int("9" * 31), 2]
    assert inferred(["3." + "1" * 60, "2"], decimal_comma=False) == [float("3." + "1" * 60), 2.0]


@pytest.mark.parametrize("text", ["1e999", "$1e999", "9" * 5_000, "1" + ",000" * 2_000])
def test_no_number_in_a_text_that_is_too_large(text: str) -> None:
    assert number_in(text) is None
