"""No reasoning lost: what this server thought is found again when a client has dropped it (contract.md 3).

Many frameworks strip `reasoning_content` from the assistant messages that they send back, and the hosted API answers
that with a 400. This server remembers the reasoning of its answers, for each key apart, and puts it back.

An answer is known by its text and its calls; ids are no part of it, because clients rewrite them. It is looked for
under the whole conversation that led to it; then under its turn alone, for clients that compact what came before or
write a new system message each time; and last under itself, if it says enough to be told apart and was given with one
reasoning only. Rather than the wrong text nothing is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from moonbase.contract.messages import Message
from moonbase.contract.response import AssistantMessage
from moonbase.server.fingerprint import Fingerprint, answer_digest
from moonbase.server.recalled import Found, Place, Row

_TELLING = 40
"""Characters from which on a text without calls is taken to be one of its kind."""


class Shelf(Protocol):
    """Where reasoning is kept."""

    def note(self, rows: Sequence[Row]) -> None:
        """Keep `rows`; they are found at once. Threads may call it."""
        ...

    async def noted(self) -> None:
        """Wait until others who share the shelf find what has been noted; not for long."""
        ...

    async def find(self, places: Sequence[Place]) -> list[list[Found]]:
        """Candidates for each place; of equally good ones the newest first. None where the shelf fails."""
        ...

    async def close(self) -> None: ...


class Restored(NamedTuple):
    """A conversation with its reasoning back, and how many messages got it."""

    messages: list[Message]
    restored: int


class Recall:
    """Remembers on `shelf`. `clock` gives Unix time in seconds."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        self._shelf, self._clock = shelf, clock

    async def close(self) -> None:
        """Write everything, and leave the shelf."""
        await self._shelf.close()

    def remember(self, owner: str, messages: Sequence[Message], answers: Iterable[AssistantMessage]) -> None:
        """Note the reasoning of `answers` to `messages`. Threads may call it; `remembered` follows."""
        told = [answer for answer in answers if answer.reasoning_content and (answer.content or answer.tool_calls)]
        if not told:
            return
        fingerprint, now = Fingerprint(messages), self._clock()
        conversation, turn = fingerprint.conversation(), fingerprint.turn()
        self._shelf.note(
            [
                Row(Place(owner, conversation, turn, answer_digest(answer)), answer.reasoning_content or "", now)
                for answer in told
            ]
        )

    async def remembered(self) -> None:
        """Wait, before a client can know that its answer is whole and come back with it, until other servers find what
        was noted of it."""
        await self._shelf.noted()

    async def restore(self, owner: str, messages: list[Message], wanted: Sequence[int]) -> Restored:
        """`messages` with the reasoning of those at the indexes `wanted` that can be found."""
        return await self.put_back(messages, wanted, places_of(owner, messages, wanted))

    async def put_back(self, messages: list[Message], wanted: Sequence[int], places: Sequence[Place]) -> Restored:
        """As `restore`, of places that are known already (`places_of`)."""
        restored, count = list(messages), 0
        for index, found in zip(sorted(wanted), await self._shelf.find(places), strict=True):
            text = _best(found, messages[index])
            if text is not None:
                restored[index] = msgspec.structs.replace(messages[index], reasoning_content=text)
                count += 1
        return Restored(restored, count)


def places_of(owner: str, messages: list[Message], wanted: Sequence[int]) -> list[Place]:
    """Where the messages at the indexes `wanted` stand, in order. Takes time for a conversation with pictures."""
    if not wanted:
        return []
    places: list[Place] = []
    fingerprint, seen = Fingerprint(), 0
    for index in sorted(wanted):
        fingerprint.add(messages[seen:index])
        seen = index
        answer = answer_digest(messages[index])
        places.append(Place(owner, fingerprint.conversation(), fingerprint.turn(), answer))
    return places


def _best(found: Sequence[Found], message: Message) -> str | None:
    if not found:
        return None
    best = max(found, key=lambda one: (one.same_conversation, one.same_turn))
    if best.same_conversation or best.same_turn:
        return best.text
    told_apart = message.calls or len(message.text) >= _TELLING
    return best.text if told_apart and len({one.text for one in found}) == 1 else None
