"""A text engine whose text makes no sense and keeps to its grammar: a model as bad as there can be, held to a form."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from random import Random

from moonbase.contract.engine import TextDelta, TextDone, TextEvent, TextRequest
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.prompts import Prompt
from moonbase.engines.grammar_walk import GrammarWalk, open_walk
from moonbase.parse.closing import FIRST_MARK, Steps

_STRUCTURE = frozenset(b'"{}[],:\\0123456789-.')


class Senseless:
    """A token is a mark, or up to `longest` characters that a coin decides; ends where it may, now and then.

    `eager`: how likely it is to write a mark where one may stand. `says_marks` False: an engine that cannot tell a
    mark from its text.
    """

    def __init__(self, seed: int, *, longest: int = 4, eager: float = 0.05, says_marks: bool = True) -> None:
        self._random = Random(seed)
        self._longest, self._eager, self._says_marks = longest, eager, says_marks
        self.requests: list[TextRequest] = []
        self.generated = 0
        self.running = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def count(self, prompt: Prompt) -> int:
        return 1 + sum(1 if special else -(-len(text) // 3) for text, special in prompt)

    @property
    def context_length(self) -> int | None:
        return 100_000

    @property
    def gives_logprobs(self) -> bool:
        return False

    @property
    def constrains(self) -> bool:
        return True

    async def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]:
        self.requests.append(request)
        self.running += 1
        try:
            yield PromptRead(await self.count(request.prompt), 0)
            assert request.grammar is not None
            try:
                walk = open_walk(request.grammar)
            except ValueError as problem:
                yield Failed(InvalidRequest(f"Invalid request: the grammar cannot be enforced: {problem}"))
                return
            for spent in range(request.max_tokens):
                walk.look(())
                if walk.ended() and (not walk.allowed() or self._random.random() < 0.1):
                    yield TextDone("stop", int(spent < request.max_tokens))
                    return
                self.generated += 1
                yield self._token(walk, request.grammar.marks)
            yield TextDone("length")
        finally:
            self.running -= 1

    def _token(self, walk: GrammarWalk, marks: tuple[str, ...]) -> TextDelta:
        wanted = self._random.randint(1, self._longest)
        token: Steps = ()
        text = ""
        while len(text) < wanted and walk.look(token):
            allowed = walk.allowed()
            steps = [step for step in range(FIRST_MARK + len(marks)) if allowed >> step & 1]
            special = [step for step in steps if step >= FIRST_MARK]
            if special and (len(special) == len(steps) or self._random.random() < self._eager):
                if token:
                    break
                token = (self._random.choice(special),)
                text = marks[token[0] - FIRST_MARK]
                break
            plain = [step for step in steps if step < FIRST_MARK]
            structure = [step for step in plain if step in _STRUCTURE]
            if not plain:
                break
            token += (self._random.choice(structure if structure and self._random.random() < 0.5 else plain),)
            with suppress(UnicodeDecodeError):
                text = bytes(token).decode()
        walk.look(token)
        walk.go()
        mark = any(step >= FIRST_MARK for step in token)
        return TextDelta(text, 1, mark if self._says_marks else None)
