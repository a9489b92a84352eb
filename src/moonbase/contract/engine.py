"""The Engine protocols: the one seam between the platform and whatever runs a model.

A *chat* engine (`Engine`) takes a resolved request and yields events. A *text* engine (`TextEngine`) takes a rendered
prompt and yields text; `engines.rendered` makes a chat engine of it with `prompt` and `parse`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Literal, Protocol

import msgspec

from moonbase.contract.events import Event, Failed, PromptRead
from moonbase.contract.grammar import Grammar
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.prompts import Prompt
from moonbase.contract.readings import Reading, Watched, readings
from moonbase.contract.request import ChatRequest, Sampling
from moonbase.contract.tracing import Trace


class Engine(Protocol):
    """Anything that can answer a chat request.

    `stream` yields `PromptRead` first, then the answer's events, and MUST NOT raise: a failure is a `Failed` event,
    always the last. Closing the generator (`aclose`) stops the generation at the engine at once.
    """

    async def start(self) -> None:
        """Make ready to serve; raises `SettingsError` where the configuration cannot work."""
        ...

    async def close(self) -> None: ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]: ...

    async def count(self, request: ChatRequest) -> int:
        """Tokens of the prompt that `request` renders to. Raises `ApiError`."""
        ...

    @property
    def context_length(self) -> int | None:
        """Longest prompt plus answer, in tokens; None where the engine has no limit of its own."""
        ...

    @property
    def sees(self) -> frozenset[MediaKind]:
        """What it can be shown; a request's `media` has nothing else."""
        ...

    @property
    def gives_logprobs(self) -> bool:
        """Whether the engine honours `ChatRequest.logprobs`."""
        ...

    @property
    def enforces(self) -> bool:
        """Whether the engine itself holds tool arguments and response formats to their schemas."""
        ...


class AtOnce:
    """Of an engine that can also give an answer in one piece, which costs less where nobody reads it as it is made."""

    def at_once(self, request: ChatRequest) -> Coroutine[Any, Any, list[Event]] | None:
        """What gives the events that `stream` would yield, all of them, by the same rules; cancelling it stops the
        generation. None where this request's answer comes as a stream alone."""
        raise NotImplementedError


def at_once(engine: Engine, request: ChatRequest) -> Coroutine[Any, Any, list[Event]] | None:
    """See `AtOnce`; None of an engine that only streams. What is given must be awaited or closed."""
    return engine.at_once(request) if isinstance(engine, AtOnce) else None


class EngineAround(Watched):
    """An engine in front of `engine`: it is and does what that one does, save what a subclass does otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def start(self) -> None:
        await self._engine.start()

    async def close(self) -> None:
        await self._engine.close()

    def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        return self._engine.stream(request)

    async def count(self, request: ChatRequest) -> int:
        return await self._engine.count(request)

    async def readings(self) -> list[Reading]:
        return await readings(self._engine)

    @property
    def context_length(self) -> int | None:
        return self._engine.context_length

    @property
    def sees(self) -> frozenset[MediaKind]:
        return self._engine.sees

    @property
    def gives_logprobs(self) -> bool:
        return self._engine.gives_logprobs

    @property
    def enforces(self) -> bool:
        return self._engine.enforces


class TextRequest(msgspec.Struct, frozen=True):
    """A prompt to continue.

    `max_tokens` is clamped by the engine to what is left of its context. `marks` are texts of special tokens that
    must come back as text (others stay hidden). The engine ends at the model's own end-of-turn token, or when any
    string of `end_marks` is generated as a token. `token_ids`: say the ids of the generated tokens. `logprobs`: say the
    log probabilities of the tokens, and of so many alternatives to each; None asks for none. `grammar` is only given to
    an engine that `constrains`: the text fits it, or the request fails. `background`: nobody waits for it. `trace`: as
    in `ChatRequest`.
    """

    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    marks: tuple[str, ...] = ()
    end_marks: tuple[str, ...] = ()
    token_ids: bool = False
    logprobs: int | None = None
    grammar: Grammar | None = None
    background: bool = False
    trace: Trace | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """Generated text: `tokens` tokens; `mark`: this text is exactly one mark token, None where the engine cannot say
    (then a mark can only be told by its text). `token_ids`: the ids of these tokens. `logprobs`: of tokens that join to
    the text."""

    text: str
    tokens: int = 1
    mark: bool | None = None
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class TextDone(msgspec.Struct, frozen=True):
    """The end: the model stopped by itself, or the budget or the context ran out. `tokens` are generated tokens not
    yet reported by a delta (the end mark, as a rule), `token_ids` their ids. `cached_tokens`: of the prompt, from an
    engine that says so only at the end; None where `PromptRead` has said it."""

    reason: Literal["stop", "length"]
    tokens: int = 0
    token_ids: tuple[int, ...] = ()
    cached_tokens: int | None = None


TextEvent = PromptRead | TextDelta | TextDone | Failed


class TextEngine(Protocol):
    """Anything that continues a rendered prompt.

    `generate` yields `PromptRead`, then deltas, then `TextDone`; it MUST NOT raise: a failure is a `Failed`, last.
    Closing the generator stops the generation at once.
    """

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]: ...

    async def count(self, prompt: Prompt) -> int: ...

    @property
    def context_length(self) -> int | None: ...

    @property
    def gives_logprobs(self) -> bool: ...

    @property
    def constrains(self) -> bool:
        """Whether it can hold its text to a grammar."""
        ...
