"""llama.cpp's chunks of one answer into messages: which text is a mark, how many tokens, where it ends.

Sans-I/O. Chunks carry the last token's id and the count so far (`verbose`); a character that takes several tokens comes
as one chunk, with the ids of all but the last lost but the count right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from moonbase.engines.llama.details import BROKEN, Chance, Details
from moonbase.engines.llama.place import Place
from moonbase.engines.llama.wire import Broke, Delta, DetailedDelta, Done, FromWorker, Read


class _Verbose(msgspec.Struct, frozen=True, gc=False):
    content: str = ""
    tokens: tuple[int, ...] = ()
    tokens_predicted: int = 0


class _Progress(msgspec.Struct, frozen=True, gc=False):
    total: int
    cache: int


class _Logprobs(msgspec.Struct, frozen=True):
    content: tuple[Chance, ...] = ()


class _Choice(msgspec.Struct, frozen=True, gc=False):
    finish_reason: Literal["stop", "length"] | None = None
    logprobs: _Logprobs | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = "the engine gave no reason"


class _Chunk(msgspec.Struct, frozen=True, gc=False):
    choices: tuple[_Choice, ...] = ()
    verbose: _Verbose = msgspec.field(name="__verbose", default=_Verbose())
    prompt_progress: _Progress | None = None
    error: _Error | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Answer:
    """One answer, through as many runs as it takes. `marks` and `ends`: texts of tokens by id.

    `over`: nothing more is to be generated. `seen`: tokens that this run has generated. `generated`: the same, for the
    run that takes up where this one is paused, as id and text; the id is None where llama.cpp lost it. `place`: where
    the answer is in its grammar, if it has one. `spelled`: some marks are no tokens of this model, so that marks may be
    in the text too.
    """

    def __init__(
        self,
        id: int,
        marks: Mapping[int, str],
        ends: Mapping[int, str],
        details: Details | None = None,
        *,
        place: Place | None = None,
        spelled: bool = False,
    ) -> None:
        self.over = False
        self.seen = 0
        self.generated: list[tuple[int | None, str]] = []
        self.place = place
        self._plain = None if spelled else False
        self._id = id
        self._marks = marks
        self._ends = ends
        self._details = details
        self._read = False
        self._reported = 0

    def resume(self) -> int:
        """A new run begins, its counts from nothing; how many tokens the run before has generated."""
        seen, self.seen = self.seen, 0
        self._reported -= seen  # Below nothing by what is still to be reported.
        self.generated = []
        return seen

    def feed(self, data: bytes) -> list[FromWorker]:
        """The messages that one chunk comes to."""
        chunk = _decode(data)
        if chunk.error is not None:
            self.over = True
            return [Broke(self._id, chunk.error.message)]
        if chunk.prompt_progress is not None:
            return self._progress(chunk.prompt_progress)
        choice = chunk.choices[0] if chunk.choices else _Choice()
        if choice.finish_reason is not None:
            return [self._done(choice.finish_reason, chunk.verbose.tokens_predicted)]
        return self._tokens(chunk.verbose, choice.logprobs)

    def _progress(self, progress: _Progress) -> list[FromWorker]:
        if self._read:
            return []
        self._read = True
        return [Read(self._id, progress.total, progress.cache)]

    def _tokens(self, chunk: _Verbose, logprobs: _Logprobs | None) -> list[FromWorker]:
        last = chunk.tokens[-1] if chunk.tokens else -1
        count = chunk.tokens_predicted - self.seen
        lone = count == 1
        self.seen = chunk.tokens_predicted
        end = self._ends.get(last)
        mark = end or self._marks.get(last)
        if mark is not None and end is None and self.place is not None and self.place.quoted and chunk.content:
            mark = None
        if mark is None:
            self.generated.append((last if lone else None, chunk.content))
            if self._details is not None:
                self._details.token(last, chunk.content, count, logprobs.content if logprobs else ())
            return self._delta(chunk.content, self.seen)
        # Bytes that never became a character come in one chunk with the mark that cut them short.
        rest = chunk.content.removesuffix(mark)
        if self._details is not None:
            self._details.broken(rest)
        before = self._delta(rest, self.seen - 1)
        if self._details is not None:
            self._details.token(last, "", 1, ())
        if end is not None:
            return [*before, self._done("stop", self.seen)]
        self.generated += [(None, rest), (last, mark)] if rest else [(last, mark)]
        return [*before, *self._delta(mark, self.seen, mark=True)]

    def _delta(self, text: str, upto: int, *, mark: bool = False) -> list[FromWorker]:
        """Nothing for a hidden token, nor for bytes that are no character: they are counted with the next text, or at
        the end."""
        text = text.replace(BROKEN, "")
        if not text:
            return []
        if self.place is not None:
            self.place.mark(text) if mark else self.place.text(text)
        tokens, self._reported = upto - self._reported, upto
        kind = mark or self._plain
        if self._details is not None:
            return [DetailedDelta(self._id, text, tokens, kind, *self._details.take())]
        return [Delta(self._id, text, tokens, kind)]

    def _done(self, reason: Literal["stop", "length"], generated: int) -> Done:
        self.over = True
        ids = self._details.take_ids() if self._details is not None else ()
        return Done(self._id, reason, generated - self._reported, ids)
