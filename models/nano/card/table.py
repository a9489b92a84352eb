"""The scores as a table for a README.

python models/nano/evaluate.py --table          models/nano/README.md
python models/nano/evaluate.py --table aims     the README
"""

from typing import Any

TARGETS = {
    "directed call": 95,
    "call by need": 85,
    "whole result repeated": 90,
    "date, search, digest": 80,
    "addition and subtraction": 90,
    "multiplication, 2 by 1 digits": 70,
    "recall": 92,
    "kept thinking recalled": 92,
    "dropped thinking not invented": 98,
    "no tool when none is needed": 95,
    "thinking off respected": 100,
    "directed call, 2,000 tokens": 70,
    "call by need, 2,000 tokens": 70,
    "recall, 2,000 tokens": 70,
}
"""What was aimed at, in percent."""


def markdown(scores: dict[str, Any], *, aims_only: bool = False) -> str:
    """A line for each task, or for each that has an aim: right of how many, the interval, and the aim."""
    lines = ["| task | right | 95 % interval | aim |", "|---|---|---|---|"]
    for name, held in scores["tasks"].items():
        if aims_only and name not in TARGETS:
            continue
        aim = f"{TARGETS[name]} %" if name in TARGETS else ""
        share = f"{held['right']} of {held['of']}, {100 * held['share']:.1f} %"
        lines.append(f"| {name} | {share} | {100 * held['low']:.0f}–{100 * held['high']:.0f} % | {aim} |")
    return "\n".join(lines)
