"""A plot of a training: the loss of each kind of row over the tokens, and the scores at its end.

python models/nano/plot.py models/nano/out
"""

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

POINTS = 150
"""Points of each line; each is the mean of the steps around it."""
GAP = 2.0
"""Million tokens between two points that no line joins: their part of the log is not there."""
LINES = ("news", "directed", "by_need", "official", "fields", "sums", "said", "thought", "shaped", "chinese", "long")


def _means(steps: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """For each kind and for all of them, (million tokens, mean loss)."""
    size = max(1, len(steps) // POINTS)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for start in range(0, len(steps), size):
        part = steps[start : start + size]
        at = part[-1]["tokens"] / 1e6
        found["all"].append((at, sum(step["loss"] for step in part) / len(part)))
        for kind in LINES:
            if losses := [step["kinds"][kind] for step in part if kind in step["kinds"]]:
                found[kind].append((at, sum(losses) / len(losses)))
    return found


def _parted(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    before = points[0][0]
    for at, loss in points:
        if at - before > GAP:
            yield at, math.nan
        yield at, loss
        before = at


def _loss(axes: Any, steps: list[dict[str, Any]]) -> None:
    for kind, points in _means(steps).items():
        xs, ys = zip(*_parted(points), strict=True)
        axes.plot(xs, ys, label=kind, linewidth=2.0 if kind == "all" else 0.8, color="black" if kind == "all" else None)
    axes.set_yscale("log")
    axes.set_xlabel("million tokens")
    axes.set_ylabel("loss on what the assistant writes")
    axes.legend(fontsize=7, ncols=2)
    axes.grid(alpha=0.3)


def _scores(axes: Any, tasks: dict[str, dict[str, float]]) -> None:
    names = list(tasks)[::-1]
    shares = [100 * tasks[name]["share"] for name in names]
    below = [100 * (tasks[name]["share"] - tasks[name]["low"]) for name in names]
    above = [100 * (tasks[name]["high"] - tasks[name]["share"]) for name in names]
    sides = [[max(0, side) for side in sides] for sides in (below, above)]
    axes.barh(names, shares, xerr=sides, color="#7aa6c2", ecolor="#333", error_kw={"linewidth": 0.8})
    axes.set_xlim(0, 100)
    axes.set_xlabel("right, in percent, with 95 % intervals")
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(alpha=0.3, axis="x")


def draw(log: Path, scores: Path, path: Path) -> None:
    """Write `path`; without scores, the loss alone."""
    steps = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    plt.rcParams["svg.hashsalt"] = "moonbase-nano"
    figure, axes = plt.subplots(1, 2, figsize=(13, 7), width_ratios=(3, 2))
    _loss(axes[0], steps)
    if scores.exists():
        _scores(axes[1], json.loads(scores.read_text(encoding="utf-8"))["tasks"])
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    reader = argparse.ArgumentParser(description="Plot the loss and the scores of a training.")
    reader.add_argument("folder", type=Path, help="holds log.jsonl and scores.json; progress.svg is written there")
    given = reader.parse_args()
    draw(given.folder / "log.jsonl", given.folder / "scores.json", given.folder / "progress.svg")


if __name__ == "__main__":
    main()
