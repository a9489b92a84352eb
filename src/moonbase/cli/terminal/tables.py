"""Tables of Markdown, laid out for the width that there is; in a narrow terminal, as one line for each cell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from moonbase.cli.terminal.flow import Flow
from moonbase.cli.terminal.paint import Paint, Style
from moonbase.cli.terminal.safe import safe_line
from moonbase.cli.terminal.screen import Screen
from moonbase.cli.terminal.spans import plain_text
from moonbase.cli.terminal.width import width

_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_BETWEEN = "  "
_MARKS = re.compile(r"[\\`*_~\[!|]")
"""What means something in Markdown, and nothing in a cell that is none."""
_NO_TERMINAL = 10_000
"""Columns where there is no terminal: a script wants a line for each row."""


def lay_out(lines: Sequence[str], columns: int, paint: Paint) -> list[str]:
    """The lines of a table as lines to show."""
    rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
    headed = len(lines) > 1 and bool(_RULE.fullmatch(lines[1]))
    count = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max((width(row[index]) for row in rows), default=0) for index in range(count)]
    if sum(widths) + len(_BETWEEN) * (count - 1) < columns:
        return _grid(rows, widths, paint, headed=headed)
    return _listed(rows, columns, paint, headed=headed)


def table_of(rows: Sequence[Sequence[str]], screen: Screen) -> list[str]:
    """Rows of any texts, of which the first is the head, as lines for `screen`."""
    lines = ["| " + " | ".join(_MARKS.sub(r"\\\g<0>", safe_line(cell)) for cell in row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return lay_out(lines, screen.columns() if screen.terminal else _NO_TERMINAL, screen.paint)


def fact_lines(facts: Mapping[str, str | None]) -> list[str]:
    """A line for each fact that there is, under its name."""
    wide = max(map(len, facts)) + 2
    return [f"{name.replace('_', ' '):<{wide}}{safe_line(fact)}" for name, fact in facts.items() if fact]


def _grid(rows: Sequence[Sequence[str]], widths: Sequence[int], paint: Paint, *, headed: bool) -> list[str]:
    lines: list[str] = []
    for number, row in enumerate(rows):
        line = _BETWEEN.join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()
        lines.append(paint(line, Style.BOLD) if headed and not number else line)
        if headed and not number:
            lines.append(paint(_BETWEEN.join("─" * wide for wide in widths), Style.DIM))
    return lines


def _listed(rows: Sequence[Sequence[str]], columns: int, paint: Paint, *, headed: bool) -> list[str]:
    """Each row as a little list, its cells named by the head."""
    head: Sequence[str] = rows[0] if headed else ()
    flow = Flow(lambda: columns, paint)
    lines: list[str] = []
    for row in rows[1:] if headed else rows:
        for index, cell in enumerate(row):
            flow.begin("  " if index else "- ", "  ")
            name = f"{head[index]}: " if index < len(head) and head[index] else ""
            lines.append(flow.feed(name, frozenset({Style.BOLD})) + flow.feed(cell) + flow.end_line().rstrip("\n"))
    return lines


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner.removesuffix("|") if not inner.endswith("\\|") else inner
    return [plain_text(cell.replace("\\|", "|").strip()) for cell in re.split(r"(?<!\\)\|", inner)]
