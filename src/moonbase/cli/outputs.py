"""`--output` of commands whose result goes to standard output otherwise. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def output_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds `-o` and `--output`; the command gets `output`, which is None for standard output, as "-" is."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        metavar="FILE",
        callback=_chosen,
        help=text,
    )


def _chosen(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    return None if path == Path("-") else path
