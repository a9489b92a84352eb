"""Seeing to it that an answer which must fit a grammar ends within its budget, whole (contract.md 1.6, 7.2, 7.3).

No grammar sampler knows of a budget. So the text is watched as it comes: what it would take to end it is kept free, and
an increment that would take from that is not let out; the shortest end is written in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from moonbase.contract.engine import TextDelta, TextDone, TextEvent
from moonbase.contract.errors import ApiError, InvalidRequest
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Prompt
from moonbase.engines.circles import Circles
from moonbase.parse.closing import QUICK, THOROUGH, Steps, Walk
from moonbase.parse.following import Following, Spot

OpenWalk = Callable[[Grammar], Walk]
"""The beginning of a grammar; raises `ValueError` for one that cannot be followed."""
Count = Callable[[Prompt], Awaitable[int]]

_NEAR = 4096
"""Tokens before the end of the budget from where the text is followed; until then it is only kept."""
_GROWTH = 64
"""Tokens that one token of text may add to the end, as far as has been seen; more where more is seen."""
_WORTH_CARE = 256
"""Bytes of the longest end for which a shorter one is looked for thoroughly; beyond, that takes seconds."""
_AHEAD = 4
"""Bytes by which the model may be shorter than the end that was known, and still go the same way."""
_UNSURE = 256
"""Tokens below which a place whose end is not found counts as one that has none."""


class _End(NamedTuple):
    """A way to end: its steps and its tokens, or at most so many."""

    steps: Steps
    cost: int


class Ending:
    """The end of one answer to `grammar`; `most` is its budget in tokens, `count` the engine's. `circles`: what has a
    form ends also where it goes in circles."""

    def __init__(
        self, open_walk: OpenWalk, grammar: Grammar, most: int, count: Count, circles: Circles | None = None
    ) -> None:
        self._open_walk, self._grammar, self._count, self._circles = open_walk, grammar, count, circles
        self._left: int = most
        self._kept: list[TextDelta] = []
        self._following: Following | None = None
        self._lost = False
        self._end: _End | None = None
        self._unchecked = 0
        self._growth = _GROWTH
        self._counted: dict[Prompt, int] = {}

    async def begin(self, room: int | None) -> InvalidRequest | None:
        """The prompt is read, and leaves `room` tokens of the context. Says so where not even the shortest answer fits
        the budget; where the context is what is short, the answer will end as it can."""
        if self._left <= _NEAR:
            await self._open()
        if self._following is not None:
            end = await self._shortest(self._following.here, self._left)
            if end is not None and end.cost > self._left:
                return _too_small(self._left, end.cost)
            self._end = end
        if room is not None and room < self._left:
            self._left = room
            if self._end is not None and self._end.cost > room:
                self._following, self._lost = None, True
        return None

    async def passes(self, delta: TextDelta) -> bool:
        """Whether `delta` may be let out: the answer can still be ended after it, and does not go in circles."""
        if self._circles is not None and self._circles.turn(delta.text) and await self._in_form():
            return False
        left = self._left - delta.tokens
        if self._following is None and not self._lost:
            self._kept.append(delta)
            if left <= _NEAR:
                self._left = left
                await self._open()
                return True
        elif self._following is not None and not await self._moves(self._following, delta, left):
            return False
        self._left = left
        return True

    async def closing(self) -> list[TextDelta]:
        """The shortest end of what has been let out, as if the model had written it; empty where none fits, or none is
        needed. Nothing is let out after it."""
        if self._following is None and not self._lost:
            await self._open()
        if self._following is None:
            return []
        end = await self._shortest(self._following.here, self._left)
        if end is None or end.cost > self._left:
            return []
        spot = self._following.here
        pieces = self._following.written(spot, end.steps)
        tokens = [int(piece.special) for piece in pieces]
        if pieces:
            text = next((index for index, piece in enumerate(pieces) if not piece.special), 0)
            tokens[text] += await self._tokens(pieces) - sum(tokens)
        marks = [None if spot.begun else True, *(True for _ in pieces)]
        return [
            TextDelta(piece.text, share, mark if piece.special else False)
            for piece, share, mark in zip(pieces, tokens, marks, strict=False)
        ]

    async def _in_form(self) -> bool:
        """Whether what is being written is no free text."""
        if self._following is None and not self._lost:
            await self._open()
        return self._following is not None and not self._following.in_free_text(self._following.here)

    async def complete(self) -> bool:
        """Whether what has been let out is a whole answer, and not free text that was cut off."""
        in_form, following = await self._in_form(), self._following
        return in_form and following is not None and following.ends(following.here, ())

    async def _open(self) -> None:
        """Begin to follow, from what is kept."""
        kept, self._kept = self._kept, []
        try:
            # In a thread: a schema may be large.
            walk = await asyncio.to_thread(self._open_walk, self._grammar)
        except ValueError:
            self._lost = True
            return
        self._following = Following(walk, self._grammar)
        for delta in kept:
            spot = self._following.look(delta.text, delta.mark)
            if spot is None:
                self._following, self._lost = None, True
                return
            self._following.go(spot)

    async def _moves(self, following: Following, delta: TextDelta, left: int) -> bool:
        spot = following.look(delta.text, delta.mark)
        if spot is None:
            self._following, self._lost = None, True  # Text outside its grammar: whoever checks answers will say so.
            return True
        self._unchecked -= delta.tokens
        if self._unchecked < 0 or not (spot.mark == following.here.mark and following.is_steady(spot)):
            end = await self._shortest(spot, left)
            if end is not None and end.cost <= left:
                self._learn(end, left, delta.tokens)
            elif await self._can_end(end, left):
                return False
            else:
                self._unchecked = left // 4  # Looking in vain takes long.
        following.go(spot)
        return True

    async def _can_end(self, beyond: _End | None, left: int) -> bool:
        """Whether to end here, for beyond there is no end, or none that fits `left`. Far from the budget one that is
        not found may still come."""
        if self._end is None or (beyond is None and left > max(_UNSURE, 2 * self._end.cost)):
            return False
        assert self._following is not None
        here = await self._shortest(self._following.here, self._left)
        return here is not None and here.cost <= self._left

    def _learn(self, end: _End, left: int, tokens: int) -> None:
        """`end` fits: how many tokens may pass before it has to be looked at again."""
        if self._end is not None:
            self._growth = max(self._growth, (end.cost - self._end.cost) // max(tokens, 1), end.cost)
        self._end = end
        self._unchecked = (left - end.cost) // self._growth

    async def _shortest(self, spot: Spot, left: int) -> _End | None:
        """The shortest end from `spot`, or one that fits `left`."""
        following = self._following
        assert following is not None
        if following.may_be_cut(spot):
            return _End((), 0)
        if self._end is not None and following.ends(spot, self._end.steps) and self._end.cost <= left:
            return self._end
        rest = self._rest(following, spot)
        if rest is not None and (end := await self._priced(spot, rest, left)).cost <= left:
            return end
        # In a thread: a search may take a while, and other requests must not wait for it.
        steps = await asyncio.to_thread(following.closing, spot, QUICK)
        found = None if steps is None else await self._priced(spot, steps, left)
        if found is None or (found.cost > left and len(found.steps) <= _WORTH_CARE):
            steps = await asyncio.to_thread(following.closing, spot, THOROUGH)
            found = found if steps is None else await self._priced(spot, steps, left)
        return found

    def _rest(self, following: Following, spot: Spot) -> Steps | None:
        """What is left of the known end, where the model goes the same way: looking for a long one takes long."""
        if self._end is None:
            return None
        known = self._end.steps
        for begin in range(1, min(len(known), len(spot.steps) + _AHEAD)):
            if following.ends(spot, known[begin:]):
                return known[begin:]
        return None

    async def _priced(self, spot: Spot, steps: Steps, left: int) -> _End:
        """`steps` with at most the tokens that they take, and exactly those where that would not fit."""
        assert self._following is not None
        pieces = self._following.written(spot, steps)
        most = sum(len(piece.text.encode()) for piece in pieces)  # A token is a byte at least.
        return _End(steps, most if most <= left else await self._tokens(pieces))

    async def _tokens(self, pieces: Prompt) -> int:
        """Tokens of `pieces`, without what the engine puts before every prompt."""
        for each in ((), pieces):
            if each not in self._counted:
                self._counted[each] = await self._count(each)
        return self._counted[pieces] - self._counted[()]


async def ended_in_time(
    events: AsyncGenerator[TextEvent, None], ending: Ending, context: int | None
) -> AsyncGenerator[TextEvent, None]:
    """`events`, brought to an end before the budget or the `context`, both in tokens, are used up."""
    try:
        async with aclosing(_in_time(events, ending, context)) as passed:
            async for event in passed:
                yield event
    except ApiError as error:
        # The engine could not count.
        yield Failed(error, "server_interrupted")


async def _in_time(
    events: AsyncGenerator[TextEvent, None], ending: Ending, context: int | None
) -> AsyncGenerator[TextEvent, None]:
    done = TextDone("length")
    async with aclosing(events):
        async for event in events:
            match event:
                case PromptRead():
                    room = None if context is None else context - event.prompt_tokens
                    if refusal := await ending.begin(room):
                        yield Failed(refusal)
                        return
                case TextDelta():
                    if not await ending.passes(event):
                        break
                case TextDone(reason="length"):
                    done = event
                    break
                case _:
                    pass
            yield event
        else:
            return
    closing = await ending.closing()
    for delta in closing:
        yield delta
    if closing:
        # Tokens that no increment has carried, such as half a character's, are dropped like an increment.
        yield TextDone("stop", cached_tokens=done.cached_tokens)
    else:
        yield msgspec.structs.replace(done, reason="stop" if await ending.complete() else "length")


def _too_small(most: int, least: int) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid request: max_completion_tokens is {most}, but the shortest answer that fits the request's tools or "
        f"response_format takes {least} tokens; set it to {least} or more"
    )
