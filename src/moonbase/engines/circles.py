"""Text that goes in circles, as a small model's does where a form lets it: a list of the same number without end, or
one of the same digit."""

from __future__ import annotations

from collections import deque

_LONGEST = 32
"""Increments of a circle that is seen."""


class Circles:
    """Of one answer. `most`: how many increments in a row may be as others were so many before them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: deque[str] = deque(maxlen=_LONGEST)
        self._same = [0] * _LONGEST
        """For each distance, how many in a row were as the one so far back."""

    def turn(self, text: str) -> bool:
        """Whether the text has gone in circles for too long with this increment."""
        for back, before in enumerate(reversed(self._last)):
            self._same[back] = self._same[back] + 1 if text == before else 0
        self._last.append(text)
        return max(self._same) >= self._most
