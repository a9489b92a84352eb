"""Numbers of the command line."""

from __future__ import annotations

from typing import Any

import click


class Positive(click.FloatRange):
    """A number above 0, which "nan" is not."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number", param, ctx)
        return number
