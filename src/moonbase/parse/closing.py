"""The shortest way to end a text that a grammar holds to JSON: strings, arrays and objects closed, what is required
written in its smallest form.

The grammar is not read here. A `Walk` says what may come next, and the search tries what is worth trying: the text that
it finds is right because the walk has taken every byte of it. What JSON is (`json_place`) only tells the search which
ways come to the same, so that it stays small.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from moonbase.parse.json_place import Frame, Mode, Place

FIRST_MARK = 256
"""Steps below are bytes; this one and those above are the marks of the output format, each a token of its own."""

Steps = tuple[int, ...]


class Walk(Protocol):
    """A reader of a grammar that can go ahead of where it stands, and come back."""

    def look(self, ahead: Steps) -> bool:
        """Look from `ahead` of where the walk stands; False where the grammar does not allow these steps. The other
        questions are about the last place looked from."""
        ...

    def go(self) -> None:
        """Stand at the last place looked from."""
        ...

    def ended(self) -> bool:
        """Whether the text may end here."""
        ...

    def allowed(self) -> int:
        """The steps that may come next, as a bit set; from each of them the text can still be ended."""
        ...

    def forced(self) -> Sequence[int]:
        """The steps that have to come next, as far as there is no choice."""
        ...

    def words(self) -> Sequence[bytes]:
        """Letters and words that patterns of the grammar speak of, where any letter may stand and not any leads on."""
        ...


class Care(NamedTuple):
    """How hard to look. `width`: ways that look alike and are followed all the same; `margin`: bytes by which a value
    may be longer than the shortest in its place, for the sake of what follows it; `places`: most places looked at."""

    width: int
    margin: int
    places: int


_LONGEST = 8_192
"""Bytes of the longest end that is looked for."""
_NEAR = 32
"""Open values around a place that are asked whether they were ended sooner on another way."""

QUICK = Care(width=1, margin=8, places=1_000)
THOROUGH = Care(width=50, margin=64, places=2_000)


def shortest_closing(walk: Walk, place: Place, ahead: Steps = (), care: Care | None = None) -> Steps | None:
    """The fewest steps from `ahead` of where `walk` stands to where the text may end; `place` is of its JSON there.

    None where none was found within `care`; without it, a quick look comes first, and a thorough one where that finds
    nothing. At most a little longer than the shortest there is.
    """
    if care is not None:
        return _Search(walk, care).run(place, ahead)
    found = _Search(walk, QUICK).run(place, ahead)
    return _Search(walk, THOROUGH).run(place, ahead) if found is None else found


class _Node(NamedTuple):
    cost: int
    order: int
    place: Place
    steps: Steps


class _Search:
    """Dijkstra's search over texts, where places that look alike count as one."""

    def __init__(self, walk: Walk, care: Care) -> None:
        self._walk = walk
        self._care = care
        self._queue: list[_Node] = []
        self._made = 0
        self._left = care.places
        self._words = tuple(walk.words()) if care.width > 1 else ()
        self._fillers = _bits([word[0] for word in self._words]) | _FILLER
        self._seen: defaultdict[tuple[Place, int], int] = defaultdict(int)
        self._closed: dict[tuple[Frame | None, bytes | int], int] = {}

    def run(self, place: Place, ahead: Steps) -> Steps | None:
        self._push(_Node(0, 0, place, ahead), ())
        while self._queue and self._left:
            node = heapq.heappop(self._queue)
            if self._late(node) or not self._walk.look(node.steps):
                continue
            if self._walk.ended():
                return node.steps[len(ahead) :]
            self._expand(node)
        return None

    def _push(self, node: _Node, steps: Steps) -> None:
        self._made += 1
        if node.cost + len(steps) <= _LONGEST:
            place = moved(node.place, steps)
            heapq.heappush(self._queue, _Node(node.cost + len(steps), self._made, place, node.steps + steps))

    def _expand(self, node: _Node) -> None:
        if forced := tuple(self._walk.forced()):
            self._push(node, forced)
            return
        allowed = self._walk.allowed()
        if self._known(node, allowed):
            return
        following = _promising(node.place, allowed, self._fillers)
        # Where there is only one way no care is needed: a text may have thousands of brackets to close.
        self._left -= len(following) > 1
        for step in following:
            self._push(node, (step,))
        if node.place.mode is Mode.STRING and (allowed & _PLAIN).bit_count() > _FEW and not allowed >> _QUOTE & 1:
            for word in self._words:
                if len(word) > 1 and allowed >> word[0] & 1:
                    self._push(node, tuple(word))

    def _known(self, node: _Node, allowed: int) -> bool:
        """Whether enough ways have come to this place with the same choices ahead."""
        place, width = node.place, self._care.width
        if place.mode is Mode.AFTER:
            self._closed.setdefault((place.frame, place.at), node.cost)
        elif place.mode is Mode.SCALAR:
            width += _DIGITS  # bounds and multiples tell digits apart that look alike
        elif place.mode is Mode.KEY_STRING and (allowed & _PLAIN).bit_count() > _FEW:
            place = place._replace(key=bytes(len(place.key)))  # any key will do
        self._seen[(place, allowed)] += 1
        return self._seen[(place, allowed)] > width

    def _late(self, node: _Node) -> bool:
        """Whether a value that is still open here was ended far sooner on another way."""
        latest = node.cost - self._care.margin
        frame, at = node.place.frame, node.place.at
        if node.place.mode is not Mode.AFTER and self._closed.get((frame, at), latest) < latest:
            return True
        for _ in range(_NEAR):
            if frame is None:
                break
            frame, at = frame.parent, frame.at
            if self._closed.get((frame, at), latest) < latest:
                return True
        return False


def moved(place: Place, steps: Steps) -> Place:
    """The place after `steps`; a mark begins a text of its own."""
    if not steps or max(steps) < FIRST_MARK:
        return place.after(bytes(steps))
    last = max(index for index, step in enumerate(steps) if step >= FIRST_MARK)
    return Place().after(bytes(steps[last + 1 :]))


def _bits(steps: Sequence[int]) -> int:
    return sum(1 << step for step in set(steps))


_QUOTE, _COMMA = b'",'
_FEW = 16
_DIGITS = 10
_BYTES = (1 << FIRST_MARK) - 1
_PLAIN = _bits([step for step in range(0x21, 0x7F) if step != 0x5C])
_FILLER = _bits(b"a")
_NEARLY_ALL = 80
_SAMPLE = _bits(b"abcfoxz019AZ-_.,:/@+%")
_MANY = 32


def _promising(place: Place, allowed: int, fillers: int) -> list[int]:
    """Those of the steps `allowed` that can begin the shortest end, or one that is as short. Where nearly everything
    is allowed, one letter is as good as another: those of `fillers` do for all."""
    if marks := allowed & ~_BYTES:
        return _steps(marks)
    ends = _ends(place)
    for end in ends:
        if allowed >> end & 1:
            return [end]
    plain = allowed & _PLAIN or allowed
    count = plain.bit_count()
    if count > _FEW:
        wanted = fillers if count > _NEARLY_ALL else fillers | _SAMPLE
        if place.mode is Mode.KEY_STRING:
            wanted |= 1 << _QUOTE
        plain = plain & wanted or plain
    return _steps(plain)[:_MANY]


def _steps(bits: int) -> list[int]:
    steps: list[int] = []
    while bits:
        lowest = bits & -bits
        steps.append(lowest.bit_length() - 1)
        bits ^= lowest
    return steps


def _ends(place: Place) -> tuple[int, ...]:
    """The steps that would end what is open here, the best first; nothing can be shorter."""
    match place.mode:
        case Mode.STRING:
            return (_QUOTE,)
        case Mode.VALUE | Mode.KEY | Mode.SCALAR | Mode.AFTER:
            closer = () if place.frame is None else (place.frame.closer,)
            return (*closer, _COMMA) if place.mode in (Mode.SCALAR, Mode.AFTER) else closer
        case _:
            return ()
