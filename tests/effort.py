"""Tests with random input at two sizes: few examples, always the same ones, in every run; many in `make test-all`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

PATIENCE_S = 900


def attempts(few: int, many: int) -> pytest.MarkDecorator:
    """Parametrizes a test with `count`: `few` examples, and `many` under the marker `slow`."""
    slow = pytest.param(many, marks=[pytest.mark.slow, pytest.mark.timeout(PATIENCE_S)])
    return pytest.mark.parametrize("count", [few, slow], ids=["few", "many"])


def bounded(count: int) -> settings:
    """Hypothesis settings for `count` examples; up to a thousand they are the same ones in every run."""
    return settings(
        max_examples=count,
        derandomize=count < 1000,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def try_out(check: Callable[..., None], count: int, **strategies: SearchStrategy[Any]) -> None:
    """Call `check` with `count` examples of `strategies`."""
    bounded(count)(given(**strategies)(check))()
