"""One answer's text to its events: marks, thinking, tool calls, stops and counts, in that order."""

from __future__ import annotations

from typing import Literal

import msgspec

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.formats import OutputFormat
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.prompts import Opening
from moonbase.parse.content_tokens import ContentTokens
from moonbase.parse.machine import Lexeme, MarkScanner
from moonbase.parse.stops import StopScanner
from moonbase.parse.thinking import Phase, ThinkingRouter
from moonbase.parse.tool_calls import READERS, CallIds, CallReader


class AnswerParser:
    """`feed` text, then `close` with why the model ended. With `calls` False no tool call is ever emitted.

    With `logprobs` content leaves in whole tokens, and lists them.
    `stopped` turns True when a stop sequence was met: the caller ends the generation and closes with "stop".
    """

    def __init__(
        self,
        output: OutputFormat,
        opening: Opening,
        *,
        thinking: bool,
        ids: CallIds,
        stop: tuple[str, ...] = (),
        choice: int = 0,
        calls: bool = True,
        logprobs: bool = False,
    ) -> None:
        self._scanner = MarkScanner(output.marks())
        self._router = ThinkingRouter(output.think, opening, enabled=thinking, trims=output.trims, choice=choice)
        self._call_marks = frozenset(output.calls.all()) if output.calls else frozenset[str]()
        self._calls: CallReader | None = None
        if output.calls:
            self._calls = READERS[output.calls.syntax](output.calls, ids, choice)
        self._may_call = calls
        self._stops = StopScanner(stop)
        self._listing = ContentTokens(choice) if logprobs else None
        self._choice = choice
        self._completion = 0
        self._reasoning = 0
        # Tokens that no event has carried yet: of reasoning, and of all else.
        self._thought = 0
        self._unreported = 0
        self._ids: tuple[int, ...] = ()

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    def feed(
        self,
        text: str,
        *,
        tokens: int = 0,
        mark: bool | None = None,
        token_ids: tuple[int, ...] = (),
        logprobs: tuple[TokenLogprob, ...] = (),
    ) -> list[Event]:
        """Text that the model generated with `tokens` tokens; the rest as in `TextDelta`."""
        self._count(tokens, reasoning=not mark)
        self._ids += token_ids
        if self._listing is not None:
            self._listing.read(text, logprobs)
        lexemes = self._scanner.feed(text) if mark is None else [*self._scanner.flush(), Lexeme(text, mark)]
        return self._events(lexemes)

    def close(
        self,
        reason: Literal["stop", "length"],
        prompt: PromptRead,
        *,
        tokens: int = 0,
        token_ids: tuple[int, ...] = (),
    ) -> list[Event]:
        """The rest of the answer and its end."""
        self._count(tokens, reasoning=False)
        events = self._events(self._scanner.flush())
        if self._calls is not None and not self.stopped:
            events += self._allowed(self._calls.close())
        events += self._rest_of_content()
        if reason == "stop":
            events += self._router.end_reasoning()
        usage = Usage(
            prompt_tokens=prompt.prompt_tokens,
            cached_tokens=prompt.cached_tokens,
            completion_tokens=self._completion,
            reasoning_tokens=self._reasoning,
        )
        events = self._reported(events)
        return [*events, Finished(self._finish_reason(reason), usage, self._choice, self._ids + token_ids)]

    def _finish_reason(self, reason: Literal["stop", "length"]) -> FinishReason:
        if reason == "length" and not self.stopped:
            return "length"
        called = self._may_call and self._calls is not None and self._calls.opened
        return "tool_calls" if called else "stop"

    def _allowed(self, events: list[Event]) -> list[Event]:
        """Nothing, where the request forbids calls: a model that writes one all the same is not heard."""
        return events if self._may_call else []

    def _count(self, tokens: int, *, reasoning: bool) -> None:
        """Marks count in the completion, and never as reasoning."""
        self._completion += tokens
        if reasoning and self._router.phase is Phase.THINKING:
            self._reasoning += tokens
            self._thought += tokens
        else:
            self._unreported += tokens

    def _events(self, lexemes: list[Lexeme]) -> list[Event]:
        events: list[Event] = []
        for lexeme in lexemes:
            if self.stopped:
                break
            events += self._mark(lexeme.text) if lexeme.mark else self._up_to_stop(self._text(lexeme.text))
            if self._listing is not None:
                events += self._listing.ready()
        return self._reported(events)

    def _up_to_stop(self, events: list[Event]) -> list[Event]:
        passed: list[Event] = []
        for event in events:
            if isinstance(event, ContentDelta):
                passed += self._content(event, self._stops.feed(event.text))
            else:
                passed.append(event)
        return passed

    def _content(self, event: ContentDelta, text: str) -> list[Event]:
        """What the stops let through of `event`."""
        if self._listing is None:
            return [event if text == event.text else msgspec.structs.replace(event, text=text)] if text else []
        self._listing.show(text)
        if self.stopped:
            self._listing.end()
        return []

    def _rest_of_content(self) -> list[Event]:
        """The content that was held back, once it is known that no more follows."""
        rest = self._stops.flush()
        if self._listing is None:
            return [ContentDelta(rest, choice=self._choice)] if rest else []
        self._listing.show(rest)
        return [*self._listing.ready()]

    def _before_calls(self, events: list[Event]) -> list[Event]:
        """Content never follows a call: what is left of it goes first."""
        return [*self._listing.flush(), *events] if events and self._listing is not None else events

    def _mark(self, mark: str) -> list[Event]:
        if self._listing is not None:
            self._listing.skip(len(mark))
        if self._calls is None or mark not in self._call_marks:
            events = [] if self._calls is not None and self._calls.reading else self._router.mark(mark)
        else:
            events = [*self._router.end_reasoning(), *self._rest_of_content()]
            events += self._before_calls(self._allowed(self._calls.mark(mark)))
        self._settle([])
        return events

    def _text(self, text: str) -> list[Event]:
        if self._calls is not None and (self._calls.reading or self._calls.opened):
            if self._listing is not None:
                self._listing.skip(len(text))
            # Content never follows a call (contract.md 2.4); models write at most blank space there.
            return self._allowed(self._calls.text(text)) if self._calls.reading else []
        if self._listing is not None:
            self._listing.route(len(text))
        events = self._router.text(text)
        self._settle(events)
        return events

    def _settle(self, events: list[Event]) -> None:
        """Tell the listing what the router made content; before an answer has begun it still holds what it read."""
        if self._listing is not None and self._router.phase is not Phase.START:
            self._listing.settle(sum(len(event.text) for event in events if isinstance(event, ContentDelta)))

    def _reported(self, events: list[Event]) -> list[Event]:
        """Put the tokens not yet reported on the first event that can carry them; a delta of reasoning carries its own
        alone, so that whoever adds up a stream comes to the counts of its end."""
        if not events or not (self._thought or self._unreported or self._ids):
            return events
        replace = msgspec.structs.replace
        ids, self._ids = self._ids, ()
        match events[0]:
            case ReasoningDelta() as first:
                events[0] = replace(first, tokens=first.tokens + self._thought, token_ids=first.token_ids + ids)
                self._thought = 0
            case ReasoningEnded() as first:
                tokens = first.tokens + self._thought + self._unreported
                reasoning = first.reasoning + self._thought
                events[0] = replace(first, tokens=tokens, reasoning=reasoning, token_ids=first.token_ids + ids)
                self._thought = self._unreported = 0
            case ContentDelta() | ToolCallOpened() | ArgumentsDelta() as first:
                tokens = first.tokens + self._thought + self._unreported
                events[0] = replace(first, tokens=tokens, token_ids=first.token_ids + ids)
                self._thought = self._unreported = 0
            case _:
                pass
        return events
