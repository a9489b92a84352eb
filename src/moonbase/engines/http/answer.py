"""An upstream's stream to events that obey the contract, whatever it sends (contract.md 2.1, 2.3, 2.4).

`contract.reading` reads the frames. Here is decided what of it is heard, and `choice` mends what is wrong with it.
"""

from __future__ import annotations

from moonbase.contract.events import (
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    StepEnded,
    ToolResult,
)
from moonbase.contract.reading import StreamReader
from moonbase.contract.reading_errors import BROKEN
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.choice import MendedChoice
from moonbase.engines.http.dialect import Dialect

_DONE = b"[DONE]"
_NOT_OF_A_CHOICE = (PromptRead, Failed, StepEnded, ToolResult)


class AnswerReader:
    """`feed` the payloads of a stream, then `close`; both give events, in the end a `Finished` for each choice, or a
    `Failed`.

    `prompt`: the counts that the head of the reply told of. `early`: those on the first frame are as good. `opened`:
    whether content begins inside the reasoning, as far as is known. `streamed`: it comes in more frames than one.
    """

    def __init__(
        self,
        request: ChatRequest,
        dialect: Dialect,
        prompt: PromptRead | None = None,
        *,
        early: bool = True,
        opened: bool | None = None,
        streamed: bool = True,
    ) -> None:
        self._request, self._dialect, self._early = request, dialect, early or prompt is not None
        self._opened, self._streamed = opened, streamed
        self._reader = StreamReader(prompt)
        self._prompt: PromptRead | None = None
        self._choices: dict[int, MendedChoice] = {}
        self._withheld: list[Finished] = []
        self._ended = 0
        self.began = False
        """Something of the answer has come."""
        self.over = False
        """Nothing of the stream is of interest any more."""
        self.whole = False
        """Nothing follows in the stream but, perhaps, its last line."""
        self.misled = False
        """The counts on the first frame were not those of the end."""

    @property
    def inline(self) -> bool:
        """Whether there was reasoning in the content."""
        return any(choice.inline for choice in self._choices.values())

    @property
    def opened(self) -> bool | None:
        """Whether content begins inside the reasoning; None where this answer does not tell."""
        told = {choice.opened for choice in self._choices.values()}
        return True if True in told else False if False in told else None

    def feed(self, payload: bytes) -> list[Event]:
        if self.over:
            return []
        self.whole = payload == _DONE
        events = self._reader.feed(payload)
        if len(events) == 1 and isinstance(event := events[0], ContentDelta | ReasoningDelta):
            # What most of a stream is: one more increment of text, with which there is nothing to do.
            choice = self._choices.get(event.choice)
            if choice is not None and (passed := choice.passed(event)) is not None:
                return [passed]
        return self._heard(events, last=self.whole)

    def close(self) -> list[Event]:
        return [] if self.over else self._heard(self._reader.close(), last=True)

    def _heard(self, events: list[Event], *, last: bool) -> list[Event]:
        heard: list[Event] = []
        for event in events:
            self.began = True
            if isinstance(event, Failed):
                self.over = True
                return [*heard, event]
            if isinstance(event, PromptRead):
                if self._early:
                    self._prompt = event
                    heard.append(event)
            elif isinstance(event, Finished) and event.finish_reason in BROKEN and not last:
                # It waits: where nothing but the end of the stream follows, the answer has failed.
                self._withheld.append(event)
            else:
                self._hear(event, heard)
        if last or self._ended == self._request.n:
            heard += self._withheld
            self.over = True
            self.whole = self.whole or not any(choice.stopped for choice in self._choices.values())
        return heard

    def _hear(self, event: Event, heard: list[Event]) -> None:
        """Add what `event` comes to."""
        mended = [event] if self._dialect.faithful else self._mended(event)
        if mended and isinstance(end := mended[-1], Finished):
            heard += self._late(end)
            self._ended += 1
        heard += mended

    def _mended(self, event: Event) -> list[Event]:
        if isinstance(event, _NOT_OF_A_CHOICE):
            return []  # Loops are run on this side of the upstream.
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = MendedChoice(
                self._request, self._dialect, event.choice, opened=self._opened, streamed=self._streamed
            )
        return [] if choice.ended else choice.take(event, self._prompt)

    def _late(self, end: Finished) -> list[Event]:
        """The counts of the prompt, where none were told before."""
        if self._prompt is not None:
            self.misled = self.misled or end.usage.cached_tokens != self._prompt.cached_tokens
            return []
        self._prompt = PromptRead(end.usage.prompt_tokens, end.usage.cached_tokens)
        return [self._prompt]
