"""A model that vLLM or SGLang serves, as a `TextEngine`: prompts leave as token ids, and ids come back.

What the model reads and how its text is read is then decided here alone, whatever version of chat template, tool parser
or reasoning parser the upstream has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from moonbase.contract.engine import TextDone, TextEvent, TextRequest
from moonbase.contract.errors import ApiError, InvalidRequest, SettingsError, Unavailable, context_exceeded
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.prompts import Prompt
from moonbase.contract.readings import Reading, Watched
from moonbase.engines.http.client import Client
from moonbase.engines.http.connection import Broken
from moonbase.engines.http.tally import Tally
from moonbase.engines.llama.lark import lark
from moonbase.engines.llama.place import Place
from moonbase.engines.llama.tokenizer import Tokenizer, Tokens
from moonbase.engines.remote.detokenizer import Detokenizer
from moonbase.engines.remote.dialects import DIALECTS, Order, Refused
from moonbase.engines.remote.exchange import increments
from moonbase.engines.remote.facts import Facts, learn
from moonbase.engines.remote.failures import away, broken_off, failure, unfit
from moonbase.engines.remote.settings import RemoteSettings
from moonbase.engines.remote.vocabulary import Vocabulary

logger = logging.getLogger("moonbase.engines")

_QUICK = 20_000
"""Characters of a prompt that are tokenised at once; a longer one would hold up the event loop."""
_NO_TEXT = "Invalid request: the text has half a surrogate pair, which is no character"


class RemoteTextEngine(Watched):
    """Continues prompts at the upstream of `client`, whose path is its root. Satisfies `contract.engine.TextEngine`.

    The upstream may be away at the start: it is asked what it serves when there is first something to ask it.
    """

    def __init__(self, settings: RemoteSettings, client: Client, vocabulary: Vocabulary) -> None:
        settings.check()
        self._settings, self._client, self._vocabulary = settings, client, vocabulary
        self._dialect = DIALECTS[settings.dialect]
        self._tokenizer = Tokenizer(vocabulary.encode, vocabulary.marks)
        self._marks = {mark.text: mark for mark in vocabulary.marks}
        self._control = frozenset(mark.id for mark in vocabulary.marks if mark.kind == "control")
        self._tally = Tally()
        self._facts: Facts | None = None
        self._begun = False
        self._learning = asyncio.Lock()

    @property
    def constrains(self) -> bool:
        return self._settings.constrains

    @property
    def gives_logprobs(self) -> bool:
        return True

    @property
    def context_length(self) -> int | None:
        return self._facts.context if self._facts else self._settings.context

    @property
    def name(self) -> str:
        """For the operator: where it is."""
        return self._client.upstream.name

    async def start(self) -> None:
        """Ask the upstream what it serves, if it is there; raises `SettingsError` where that does not fit."""
        await self.check()

    async def check(self) -> bool:
        """Whether the upstream is there and serves what the settings say; the log says what is wrong. Raises
        `SettingsError` only when it is asked for the first time, for then there is an operator to tell."""
        first, self._begun = not self._begun, True
        try:
            self._facts = await self._learned()
        except Unavailable as absent:
            logger.warning("the upstream %s is not there: %s", self.name, absent)
        except SettingsError as wrong:
            if first:
                raise
            logger.error("the upstream %s cannot be used: %s", self.name, wrong)
        else:
            self._tally.up = True
            return True
        self._tally.up = False
        return False

    async def close(self) -> None:
        await self._client.close()

    async def readings(self) -> list[Reading]:
        return self._tally.readings(self.name)

    async def count(self, prompt: Prompt) -> int:
        """Tokens of `prompt`; raises `ApiError`."""
        return (await self._encoded(prompt)).length

    async def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]:
        """Continue `request.prompt`; see `TextEngine`."""
        try:
            facts = await self._known()
            prompt = await self._encoded(request.prompt)
            left = facts.context - prompt.length
            if left < 1:
                raise context_exceeded(facts.context, prompt.length)
            order = self._order(request, facts, prompt, min(request.max_tokens, left))
            answer = self._answer(request, order)
            try:
                async for event in answer:
                    yield event
            finally:
                await answer.aclose()
        except SettingsError as wrong:
            logger.error("the upstream %s cannot be used: %s", self.name, wrong)
            yield Failed(unfit())
        except Refused as refused:
            self._tally.refused(refused.status)
            yield Failed(failure(refused, grammar=request.grammar is not None), "server_interrupted")
        except Broken as broken:
            self._tally.broke(begun=broken.begun)
            yield Failed(broken_off() if broken.begun else away(), "server_interrupted")
        except ApiError as error:
            yield Failed(error, "server_interrupted")

    async def _answer(self, request: TextRequest, order: Order) -> AsyncGenerator[TextEvent, None]:
        """The events of one exchange; raises `Refused` and `Broken`."""
        reader, text = self._dialect.reader(), self._detokenizer(request, order)
        finish, cached, read = None, None, False
        body = self._dialect.body(order)
        self._tally.requests += 1
        async with await self._client.ask("POST", self._dialect.route, body, trace=request.trace) as reply:
            self._tally.up = True
            async for increment in increments(reply, reader):
                if increment.cached is not None:
                    cached = min(max(increment.cached, 0), order.prompt.length)
                finish = increment.finish or finish
                if not read:
                    read = True
                    yield PromptRead(order.prompt.length, cached or 0)
                for delta in text.feed(increment.ids, increment.chances):
                    yield delta
        if finish is None:
            raise Broken("the answer ended without a reason", begun=True)
        ids = tuple(text.left) if request.token_ids else ()
        yield TextDone("stop" if text.ended else finish, len(text.left), ids, cached)

    def _order(self, request: TextRequest, facts: Facts, prompt: Tokens, budget: int) -> Order:
        ends = self._ends(request)
        grammar = None
        if request.grammar is not None:
            # The tokenizer's own end is known to the decoder.
            grammar = lark(request.grammar, self._marks, tuple(sorted(ends - {self._vocabulary.end_ids[0]})))
        return Order(facts.model, prompt, budget, request.sampling, tuple(sorted(ends)), request.logprobs, grammar)

    def _ends(self, request: TextRequest) -> set[int]:
        named = (self._marks[text].id for text in request.end_marks if text in self._marks)
        return {*self._vocabulary.end_ids, *named}

    def _detokenizer(self, request: TextRequest, order: Order) -> Detokenizer:
        marks = {self._marks[text].id: text for text in request.marks if text in self._marks}
        return Detokenizer(
            self._vocabulary.token_bytes,
            marks,
            frozenset(order.ends),
            self._control - marks.keys(),
            place=Place(request.grammar) if request.grammar is not None else None,
            token_ids=request.token_ids,
            top=request.logprobs,
        )

    async def _known(self) -> Facts:
        """What the upstream serves; raises `Unavailable` where it is away, `SettingsError` where it does not fit."""
        if self._facts is None:
            async with self._learning:
                if self._facts is None:
                    self._facts = await self._learned()
        return self._facts

    async def _learned(self) -> Facts:
        return await learn(self._client, self._settings, self._dialect, self._vocabulary)

    async def _encoded(self, prompt: Prompt) -> Tokens:
        try:
            if sum(len(piece.text) for piece in prompt) <= _QUICK:
                return self._tokenizer.encode(prompt)
            return await asyncio.to_thread(self._tokenizer.encode, prompt)
        except UnicodeEncodeError:
            raise InvalidRequest(_NO_TEXT) from None
