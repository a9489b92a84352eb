"""Rows of the corpus as batches: drawn fresh for every step, sorted by length, so that little is padded."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from corpus.mix import rows
from corpus.rendering import render
from corpus.row import encode
from torch import Tensor

LONGEST = 4400


@dataclass(slots=True)
class Batch:
    ids: Tensor
    wanted: Tensor
    """Where the next token is to be learned."""
    kinds: list[str]


class Feed:
    """Batches by step number; the same step and seed give the same batches."""

    def __init__(self, ids_of: Callable[[str], list[int]], marks: dict[str, int], seed: int) -> None:
        self._ids_of, self._marks, self._seed = ids_of, marks, seed

    def step(
        self, number: int, tokens: int, largest: int = 2048, shares: dict[str, float] | None = None
    ) -> list[Batch]:
        """About `tokens` tokens, in batches of at most `largest` (or one row)."""
        drawn: list[tuple[list[int], list[bool], str]] = []
        total = 0
        for kind, row in rows(self._seed * 1_000_003 + number, shares):
            ids, mask = encode(row, render(row), self._ids_of, self._marks)
            if len(ids) > LONGEST:
                continue
            drawn.append((ids, mask, kind))
            total += len(ids)
            if total >= tokens:
                break
        drawn.sort(key=lambda item: -len(item[0]))
        made: list[Batch] = []
        while drawn:
            count = max(1, largest // len(drawn[0][0]))
            part, drawn = drawn[:count], drawn[count:]
            made.append(_batch(part))
        return made


def _batch(part: list[tuple[list[int], list[bool], str]]) -> Batch:
    length = max(len(ids) for ids, _, _ in part)
    ids = torch.zeros(len(part), length, dtype=torch.long)
    wanted = torch.zeros(len(part), length, dtype=torch.bool)
    for n, (row, mask, _) in enumerate(part):
        ids[n, : len(row)] = torch.tensor(row)
        wanted[n, : len(row) - 1] = torch.tensor(mask[1:])
    return Batch(ids, wanted, [kind for _, _, kind in part])
