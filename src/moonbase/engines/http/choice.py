"""One choice of an upstream's answer, mended: what may not be there is dropped, what is missing is filled in.

What is left to do for servers that are not the platform: marks of thinking and of calls inside the content; stop words,
which mean content alone; reasoning where none was asked for; calls that nobody offered; ids that would come twice in
a conversation; finish reasons that do not fit; counts that are not told; characters that are none (`characters`).
"""

from __future__ import annotations

from msgspec.structs import replace

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    Reasked,
    ReasoningDelta,
    ReasoningEnded,
    StepEnded,
    ToolCallOpened,
    ToolResult,
    Usage,
)
from moonbase.contract.formats import OutputFormat
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.prompts import Opening
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.characters import BROKEN, TEXTS, Characters
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.lone_end import LoneEnd
from moonbase.parse.pipeline import AnswerParser
from moonbase.parse.tool_calls import CallIds

_INCREMENTS = (ReasoningDelta, ContentDelta, ToolCallOpened, ArgumentsDelta)


class MendedChoice:
    """`take` the events of one choice, up to its `Finished`. `stopped`: a stop word ended it here, and whatever
    follows upstream is not heard. `opened`: whether content begins inside the reasoning (`lone_end`), as far as is
    known. `streamed`: it comes in increments."""

    def __init__(
        self, request: ChatRequest, dialect: Dialect, index: int, *, opened: bool | None = None, streamed: bool = True
    ) -> None:
        self._request, self._dialect, self._index, self._known = request, dialect, index, opened
        self._thinks = request.thinking.enabled
        self._may_call = request.tool_choice != "none" and bool(request.declared)
        self._ids = CallIds(request.card.call_id_form, request.calls_made)
        self._text: _Text | None = None
        self._told = _Told(counts="continuous_usage_stats" in dialect.options, streamed=streamed)
        self._characters = None if dialect.platform else Characters(request)
        self._muted: list[str] = []
        self._opened = 0
        self._bare: set[int] = set()
        """The calls that have no arguments yet."""
        self.ended = self.stopped = self._whole = False

    @property
    def opened(self) -> bool | None:
        """What is known of that after this answer; None where it does not tell."""
        lone = None if self._text is None else self._text.lone
        return None if lone is None else lone.verdict(whole=self._whole)

    @property
    def inline(self) -> bool:
        """Whether the reasoning stood in the content."""
        return self._text is not None and self._text.inline

    def passed(self, event: ContentDelta | ReasoningDelta) -> ContentDelta | ReasoningDelta | None:
        """What `take` gives, where it is `event` and nothing else; None, and nothing is taken, where it may be more."""
        characters = self._characters
        if self.ended or (characters is not None and (characters.owes or BROKEN in event.text)):
            return None
        if isinstance(event, ContentDelta):
            passes = self._text is not None and self._text.passes(event.text)
        else:
            passes = self._thinks
        return self._told.passed(event) if passes else None

    def take(self, event: Event, prompt: PromptRead | None) -> list[Event]:
        event = self._told.upstream(event)
        characters = self._characters
        if characters is not None and (characters.owes or (isinstance(event, TEXTS) and BROKEN in event.text)):
            shown = characters.mended(event)
            if shown is None:
                return []
            event = shown
        heard: list[Event] = []
        match event:
            case ReasoningDelta() | ReasoningEnded():
                heard = self._asked_for([event])
            case ContentDelta():
                heard = self._asked_for(self._content(event))
            case ToolCallOpened():
                heard = self._call(event)
            case ArgumentsDelta():
                heard = self._arguments(event)
            case Finished():
                return self._finish(event)
            case PromptRead() | Reasked() | StepEnded() | ToolResult() | Failed():
                pass
        self._told.client(heard)
        if self._text is not None and self._text.stopped:
            self.ended = self.stopped = True
            usage = self._told.usage(prompt or PromptRead(0, 0))
            return [*heard, Finished("stop", self._told.mended(usage), self._index)]
        return heard

    def _asked_for(self, events: list[Event]) -> list[Event]:
        """Without reasoning that nobody asked for, which is put aside."""
        if self._thinks:
            return events
        self._muted += [event.text for event in events if isinstance(event, ReasoningDelta)]
        return [event for event in events if not isinstance(event, ReasoningDelta | ReasoningEnded)]

    def _content(self, event: ContentDelta) -> list[Event]:
        if self._text is None:
            reasoned = self._told.reasoning > 0 or bool(self._muted)
            marks = self._dialect.text if self._may_call else OutputFormat(think=self._dialect.text.think)
            lone = None if reasoned else self._lone_end()
            self._text = _Text(self._request, marks, self._index, self._ids, reasoned=reasoned, lone=lone)
        return self._text.feed(event)

    def _lone_end(self) -> LoneEnd | None:
        """None where the prompt cannot have begun the reasoning, or it is not known that it does."""
        request, marks = self._request, self._dialect.text.think
        begun = self._thinks or (self._known and not self._dialect.switches)
        if marks is None or not begun or request.messages[-1].partial:
            return None
        return LoneEnd(request, marks, known=self._known)

    def _call(self, event: ToolCallOpened) -> list[Event]:
        if not self._may_call:
            return []
        self._opened += 1
        self._bare.add(event.index)
        rest = self._asked_for(self._text.close()) if self._text is not None else []
        id = event.id if self._dialect.platform else self._ids.issue(event.name)
        return [*rest, replace(event, id=id)]

    def _arguments(self, event: ArgumentsDelta) -> list[Event]:
        if not self._may_call or (event.index in self._bare and event.text.isspace()):
            return []
        self._bare.discard(event.index)
        return [event]

    def _finish(self, end: Finished) -> list[Event]:
        self.ended = True
        heard = self._asked_for(self._text.close()) if self._text is not None else []
        self._told.client(heard)
        called = self._opened or (self._text is not None and self._text.called)
        if self._muted and end.finish_reason == "stop" and not (called or self._told.answered):
            # Some reasoning parsers take a whole answer for reasoning when thinking is off.
            heard.append(ContentDelta("".join(self._muted), choice=self._index))
        reason = end.finish_reason
        self._whole = reason == "stop" and not called
        if reason in ("stop", "tool_calls"):
            reason = "tool_calls" if called else "stop"
            # Some write nothing for a function without parameters, which is no JSON.
            if self._bare:
                heard += [ArgumentsDelta(index, "{}", choice=self._index) for index in sorted(self._bare)]
        return [*heard, replace(end, finish_reason=reason, usage=self._told.mended(end.usage))]


class _Text:
    """The content of a choice, read for what is none: marks of thinking at its beginning, calls, stop words.

    Most content has nothing of that, which its characters tell: it passes as it is, and a parser is made at the first
    that could begin a mark.
    """

    def __init__(
        self,
        request: ChatRequest,
        marks: OutputFormat,
        index: int,
        ids: CallIds,
        *,
        reasoned: bool,
        lone: LoneEnd | None,
    ) -> None:
        self._request, self._index, self._ids, self.lone = request, index, ids, lone
        calls = marks.calls
        self._marks = OutputFormat(think=None if reasoned else marks.think, calls=calls)
        self._reasoned = reasoned
        self._reads = bool(request.stop) or (calls is not None and request.logprobs is not None)
        self._signs = {mark[0] for mark in self._marks.marks()} if calls is not None else set[str]()
        """The characters that a mark begins with, anywhere; without calls marks stand at the beginning alone."""
        self._made: AnswerParser | None = None
        self._begun = self._said = self._closed = False
        self.called = self.inline = False

    @property
    def stopped(self) -> bool:
        return self._made is not None and self._made.stopped

    def feed(self, event: ContentDelta) -> list[Event]:
        if self._closed:
            return []
        if not self._begun:
            self._begun = True
            if self.lone is not None:
                self.lone.begin(event.text)
        if self.lone is not None and self.lone.watches:
            self.lone.watch(event.text)
        if self._made is None and not self._reads and self._is_plain(event.text):
            self._said = True
            return [event]
        return self._parse(event)

    def passes(self, text: str) -> bool:
        """Whether more content passes as it is, after some that did."""
        watched = self.lone is not None and self.lone.watches
        return (
            self._said
            and self._made is None
            and not (self._closed or self._reads or watched)
            and self._is_unmarked(text)
        )

    def close(self) -> list[Event]:
        """What was held back, once it is known that no more content follows."""
        self._closed = True
        if self._made is None:
            return []
        events = self._made.close("stop", PromptRead(0, 0))
        end = events.pop()
        self.called = isinstance(end, Finished) and end.finish_reason == "tool_calls"
        self._made = None
        return events

    def _is_plain(self, text: str) -> bool:
        """Whether a parser would give `text` as it is."""
        return (self._said or self._begins_plainly(text)) and self._is_unmarked(text)

    def _is_unmarked(self, text: str) -> bool:
        """Whether no mark can begin in `text`, where it is not the beginning of the content."""
        for sign in self._signs:  # noqa: SIM110  (asked of every token)
            if sign in text:
                return False
        return True

    def _begins_plainly(self, text: str) -> bool:
        """Whether `text`, with which the content begins, begins with neither a mark nor blank space that is none of
        it."""
        body = text.lstrip()
        if not body or self._inside or (self._marks.calls is not None and len(body) < len(text)):
            return False
        return self._marks.think is None or not body.startswith(self._marks.think.open[0])

    @property
    def _inside(self) -> bool:
        return self.lone is not None and self.lone.inside

    @property
    def _opening(self) -> Opening:
        if self._reasoned or self._said:
            return "answer"
        return "thinking" if self._inside else "start"

    @property
    def _parser(self) -> AnswerParser:
        if self._made is None:
            self._made = AnswerParser(
                replace(self._marks, trims=not self._said),
                self._opening,
                thinking=True,
                ids=self._ids,
                stop=self._request.stop,
                choice=self._index,
                calls=self._marks.calls is not None,
                logprobs=self._request.logprobs is not None,
            )
        return self._made

    def _parse(self, event: ContentDelta) -> list[Event]:
        listed = self._request.logprobs is not None and _joins(event.logprobs, event.text)
        logprobs = event.logprobs if listed else ()
        events = self._parser.feed(event.text, tokens=event.tokens, token_ids=event.token_ids, logprobs=logprobs)
        self.inline = self.inline or any(isinstance(each, ReasoningDelta) for each in events)
        if self._inside and self.lone is not None:
            self.lone.seen = self.lone.seen or any(isinstance(each, ReasoningEnded) for each in events)
        return events


def _joins(logprobs: tuple[TokenLogprob, ...], text: str) -> bool:
    return "".join(each.token for each in logprobs) == text


class _Told:
    """Counts of one choice: what the upstream's increments say, what they are worth where they say nothing. `counts`:
    it says with every increment how many tokens there are; otherwise one counts as a token, which is how the published
    engines stream. `streamed`: there are such increments."""

    def __init__(self, *, counts: bool, streamed: bool) -> None:
        self._counts, self._streamed = counts, streamed
        self._tokens = self._thought = self._increments = 0
        self.reasoning = 0
        """Characters of reasoning that the client has been told."""
        self._other = 0
        self.answered = False

    def upstream(self, event: Event) -> Event:
        """Take `event` into account, and give it with its tokens."""
        if isinstance(event, _INCREMENTS):
            if not (self._counts or event.tokens):
                event = replace(event, tokens=1)
            self._increments += 1
            self._tokens += event.tokens
        elif isinstance(event, ReasoningEnded):
            self._tokens += event.tokens
        return event

    def passed(self, event: ContentDelta | ReasoningDelta) -> ContentDelta | ReasoningDelta:
        """`upstream`, and `client` for what it gives."""
        if not (self._counts or event.tokens):
            event = replace(event, tokens=1)
        self._increments += 1
        self._tokens += event.tokens
        if isinstance(event, ContentDelta):
            self._other += len(event.text)
            self.answered = True
        else:
            self.reasoning += len(event.text)
            self._thought += event.tokens
        return event

    def client(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case ReasoningDelta():
                    self.reasoning += len(event.text)
                    self._thought += event.tokens
                case ReasoningEnded():
                    self._thought += event.reasoning
                case ContentDelta() | ArgumentsDelta():
                    self._other += len(event.text)
                    self.answered = True
                case ToolCallOpened():
                    self._other += len(event.name)
                    self.answered = True
                case _:
                    pass

    def usage(self, prompt: PromptRead) -> Usage:
        """The counts so far."""
        return Usage(prompt.prompt_tokens, self._tokens, self._thought, prompt.cached_tokens)

    def mended(self, usage: Usage) -> Usage:
        """What the upstream does not tell in the end. Of reasoning are the tokens that came with it; where those that
        came are far from the tokens there were, they are divided as the characters are."""
        completion = usage.completion_tokens or self._tokens or self._increments
        reasoning = usage.reasoning_tokens
        if not reasoning and self.reasoning:
            share = self.reasoning / (self.reasoning + self._other)
            near = self._streamed and abs(completion - self._tokens) <= 2 + completion // 5
            reasoning = self._thought if near else round(completion * share)
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        return Usage(usage.prompt_tokens, completion, min(reasoning, completion), cached)
