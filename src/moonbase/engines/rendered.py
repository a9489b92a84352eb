"""A chat engine made of a text engine: the prompt is rendered and the text parsed here, not by the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from moonbase.contract.cards import ModelCard
from moonbase.contract.engine import TextDelta, TextDone, TextEngine, TextEvent, TextRequest
from moonbase.contract.errors import ApiError, UnexpectedOutput
from moonbase.contract.events import Event, Failed, Finished, PromptRead
from moonbase.contract.formats import OutputFormat
from moonbase.contract.grammar import Grammar
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.prompts import Opening, Rendered
from moonbase.contract.readings import Reading, Watched, readings
from moonbase.contract.request import ChatRequest
from moonbase.engines.constrained import AnswerCheck, Constraints
from moonbase.engines.ending import Ending, OpenWalk, ended_in_time
from moonbase.engines.thinking_budget import Reasoning, within_thinking_budget
from moonbase.parse.pipeline import AnswerParser
from moonbase.parse.tool_calls import CallIds

Render = Callable[[ChatRequest], Rendered]


class RenderedEngine(Watched):
    """Renders with `render`, continues with `text`, reads the answer as `output` says.

    With `open_walk`, answers of an engine that constrains end within their budget (`ending`).
    """

    def __init__(
        self, text: TextEngine, render: Render, output: OutputFormat, *, open_walk: OpenWalk | None = None
    ) -> None:
        self._text = text
        self._render = render
        self._output = output
        self._open_walk = open_walk
        self._constraints = Constraints(output)

    async def start(self) -> None:
        await self._text.start()

    async def close(self) -> None:
        await self._text.close()

    @property
    def context_length(self) -> int | None:
        return self._text.context_length

    @property
    def sees(self) -> frozenset[MediaKind]:
        """Nothing: a text engine gets text alone."""
        return frozenset()

    @property
    def gives_logprobs(self) -> bool:
        return self._text.gives_logprobs

    @property
    def enforces(self) -> bool:
        return self._text.constrains

    async def count(self, request: ChatRequest) -> int:
        return await self._text.count(self._render(request).prompt)

    async def readings(self) -> list[Reading]:
        return await readings(self._text)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        try:
            rendered = self._render(request)
            grammar = self._constraints.grammar(request, rendered.opening) if self._text.constrains else None
        except ApiError as error:
            yield Failed(error)
            return
        for choice in range(request.n):
            async with aclosing(self._checked(request, rendered, grammar, choice)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, Failed):
                        return

    async def _checked(
        self, request: ChatRequest, rendered: Rendered, grammar: Grammar | None, choice: int
    ) -> AsyncGenerator[Event, None]:
        """The answer, which fails at its end if the engine has let it break its grammar."""
        parser = new_parser(request.card, request, rendered, self._output, choice)
        forced = request.tool_choice != "auto" and request.tool_choice != "none"
        check = None if grammar is None else AnswerCheck(self._constraints, grammar, forced=forced)
        pieces = self._pieces(request, rendered.opening, self._text_request(request, rendered, grammar, choice))
        async with aclosing(self._answer(parser, pieces, choice)) as events:
            async for event in events:
                if check is not None:
                    check.take(event)
                    if isinstance(event, Finished):
                        event = check.failure(event, cut=parser.stopped) or event
                yield event

    def _pieces(self, request: ChatRequest, opening: Opening, asked: TextRequest) -> AsyncGenerator[TextEvent, None]:
        """The text of one answer, with what the budgets of its reasoning and of all of it do to it."""
        think, budget, grammar = self._output.think, request.thinking.budget, asked.grammar
        if think is None or budget is None or opening == "answer":
            pieces = self._text.generate(asked)
        else:
            answer = grammar and self._constraints.grammar(request, "answer")
            pieces = within_thinking_budget(self._text, asked, Reasoning(think, opening), budget, answer)
        if grammar is None or self._open_walk is None:
            return pieces
        ending = Ending(self._open_walk, grammar, asked.max_tokens, self._text.count)
        return ended_in_time(pieces, ending, self.context_length)

    async def _answer(
        self, parser: AnswerParser, answer: AsyncGenerator[TextEvent, None], choice: int
    ) -> AsyncGenerator[Event, None]:
        prompt = PromptRead(0, 0)
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                match piece:
                    case TextDelta():
                        for event in _fed(parser, piece):
                            yield event
                        if parser.stopped:
                            break
                    case PromptRead():
                        prompt = piece
                        if choice == 0:
                            yield piece
                    case TextDone():
                        if piece.cached_tokens is not None:
                            prompt = msgspec.structs.replace(prompt, cached_tokens=piece.cached_tokens)
                        for event in parser.close(piece.reason, prompt, tokens=piece.tokens, token_ids=piece.token_ids):
                            yield event
                        return
                    case Failed():
                        yield piece
                        return
        if not parser.stopped:
            yield Failed(UnexpectedOutput("invalid state transition: the engine ended without saying why"))
            return
        for event in parser.close("stop", prompt):
            yield event

    def _text_request(
        self, request: ChatRequest, rendered: Rendered, grammar: Grammar | None, choice: int
    ) -> TextRequest:
        sampling = request.sampling
        if choice and sampling.seed is not None:
            sampling = msgspec.structs.replace(sampling, seed=sampling.seed + choice)
        return TextRequest(
            prompt=rendered.prompt,
            sampling=sampling,
            max_tokens=request.max_tokens,
            marks=self._output.marks(),
            token_ids=request.token_ids,
            logprobs=request.logprobs,
            grammar=grammar,
            background=request.background,
            trace=request.trace,
        )


def new_parser(
    card: ModelCard, request: ChatRequest, rendered: Rendered, output: OutputFormat, choice: int = 0
) -> AnswerParser:
    """The parser of one answer to `request`."""
    return AnswerParser(
        output,
        rendered.opening,
        thinking=request.thinking.enabled,
        ids=CallIds(card.call_id_form, request.calls_made),
        stop=request.stop,
        choice=choice,
        # A call that nobody offered is not heard either.
        calls=request.tool_choice != "none" and bool(request.declared),
        logprobs=request.logprobs is not None,
    )


def _fed(parser: AnswerParser, piece: TextDelta) -> list[Event]:
    return parser.feed(
        piece.text, tokens=piece.tokens, mark=piece.mark, token_ids=piece.token_ids, logprobs=piece.logprobs
    )
