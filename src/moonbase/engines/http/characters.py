"""Text without U+FFFD, which servers show for bytes that never become a character: those are counted and never shown
(contract.md 2.5)."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Finished,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
)
from moonbase.contract.request import ChatRequest

BROKEN = "\ufffd"
TEXTS = (ReasoningDelta, ContentDelta, ArgumentsDelta)
"""The events whose text it may stand in."""
_Text = ReasoningDelta | ContentDelta | ArgumentsDelta


class Characters:
    """The events of one choice. `mended` is to be asked for each whose text has `BROKEN` and, while `owes`, for each.

    Where the request itself holds U+FFFD it may be a copy in the answer, and all of them stay.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._copies: bool | None = None
        self._tokens, self._token_ids = 0, ()
        self.owes = False
        """There are tokens of which nothing could be shown; they count with the next event."""

    def mended(self, event: Event) -> Event | None:
        """`event` without what is no character; None where nothing is left of it."""
        if isinstance(event, TEXTS) and BROKEN in event.text and not self._may_copy():
            text = event.text.replace(BROKEN, "")
            if not text:
                self._tokens += event.tokens
                self._token_ids += event.token_ids
                self.owes = bool(self._tokens or self._token_ids)
                return None
            event = _with(event, text)
        return self._paid(event) if self.owes else event

    def _may_copy(self) -> bool:
        if self._copies is None:
            self._copies = _holds(self._request)
        return self._copies

    def _paid(self, event: Event) -> Event:
        """`event` with the tokens of those that were not shown before it."""
        tokens, ids = self._tokens, self._token_ids
        match event:
            case ReasoningDelta() | ContentDelta() | ToolCallOpened() | ArgumentsDelta():
                paid = replace(event, tokens=tokens + event.tokens, token_ids=ids + event.token_ids)
            case ReasoningEnded():  # all of them were reasoning
                thought = tokens + event.reasoning
                paid = replace(event, tokens=tokens + event.tokens, reasoning=thought, token_ids=ids + event.token_ids)
            case Finished():
                paid = replace(event, token_ids=ids + event.token_ids)
            case _:
                return event
        self._tokens, self._token_ids, self.owes = 0, (), False
        return paid


def _with(event: _Text, text: str) -> _Text:
    """`event` with `text`; of its logprobs are left those of tokens that have a part in it."""
    if not isinstance(event, ContentDelta):
        return replace(event, text=text)
    parts = [(each, each.token.replace(BROKEN, "")) for each in event.logprobs]
    return replace(event, text=text, logprobs=tuple(each.part(shown) for each, shown in parts if shown))


def _holds(request: ChatRequest) -> bool:
    """Whether U+FFFD stands in what the model reads, as itself or as an escape of JSON."""
    read = msgspec.json.encode((request.messages, request.tools, request.response_format))
    return BROKEN.encode() in read or b"\\ufffd" in read.lower()
