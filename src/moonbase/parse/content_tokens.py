"""Which tokens a piece of content is made of, for requests that ask for log probabilities.

Content reaches the client late and with parts taken out: marks, blank space of the format, stop words, and whatever may
still turn out to be one. This follows each character from the model's text to the content that leaves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from moonbase.contract.events import ContentDelta
from moonbase.contract.logprobs import TokenLogprob


class _Token:
    """`open`: characters of which it is not known yet whether they are content. `shown`: those that are."""

    def __init__(self, logprob: TokenLogprob | None, length: int) -> None:
        self.logprob = logprob
        self.open = length
        self.shown: list[str] = []


class ContentTokens:
    """Gives content out token by token, each when all of it is known to be content or not.

    A token of which a part is content (a stop word or a mark begins inside of it) is listed with that part, so that the
    listed tokens of a delta always join to its text. Characters pass `read`, `routed` and `held`, in this order.
    """

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._tokens: deque[_Token] = deque()
        # A token for each character: not yet cut into lexemes, given to the router, held back by the stops.
        self._read: deque[_Token] = deque()
        self._routed: deque[_Token] = deque()
        self._held: deque[_Token] = deque()

    def read(self, text: str, logprobs: Sequence[TokenLogprob]) -> None:
        """The model wrote `text`; the tokens of `logprobs` join to it, or there are none."""
        for logprob in logprobs:
            self._add(logprob, len(logprob.token))
        self._add(None, len(text) - sum(len(logprob.token) for logprob in logprobs))

    def skip(self, count: int) -> None:
        """The next `count` characters are no content."""
        _drop(self._read.popleft() for _ in range(count))

    def route(self, count: int) -> None:
        """The next `count` characters go to the router."""
        self._routed.extend(self._read.popleft() for _ in range(count))

    def settle(self, count: int) -> None:
        """The router gave its last `count` characters out as content, and holds none of the others."""
        while len(self._routed) > count:
            _drop([self._routed.popleft()])
        self._held.extend(self._routed)
        self._routed.clear()

    def show(self, text: str) -> None:
        """The next characters of the content are let through by the stops."""
        for character in text:
            token = self._held.popleft()
            token.open -= 1
            token.shown.append(character)

    def end(self) -> None:
        """Nothing of what is under way is content."""
        for characters in (self._held, self._routed, self._read):
            _drop(characters)
            characters.clear()

    def ready(self) -> list[ContentDelta]:
        """The content of the tokens that are known, if there is some."""
        tokens: list[_Token] = []
        while self._tokens and not self._tokens[0].open:
            tokens.append(self._tokens.popleft())
        return self._delta(tokens)

    def flush(self) -> list[ContentDelta]:
        """All content that was let through, also of a token whose rest is still open."""
        return self._delta(list(self._tokens))

    def _add(self, logprob: TokenLogprob | None, length: int) -> None:
        if length > 0:
            token = _Token(logprob, length)
            self._tokens.append(token)
            self._read.extend([token] * length)

    def _delta(self, tokens: list[_Token]) -> list[ContentDelta]:
        texts: list[str] = []
        logprobs: list[TokenLogprob] = []
        for token in tokens:
            if token.shown:
                texts.append("".join(token.shown))
                token.shown.clear()
                if token.logprob is not None:
                    logprobs.append(token.logprob.part(texts[-1]))
        return [ContentDelta("".join(texts), choice=self._choice, logprobs=tuple(logprobs))] if texts else []


def _drop(characters: Iterable[_Token]) -> None:
    for token in characters:
        token.open -= 1
