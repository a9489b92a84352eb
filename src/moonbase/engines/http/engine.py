"""A chat engine at the other end of an HTTP connection: the hosted API, vLLM, SGLang, llama.cpp, another Moonbase, or
anything that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from moonbase.contract.engine import AtOnce
from moonbase.contract.errors import ApiError, InvalidRequest, UnexpectedOutput
from moonbase.contract.events import Event, Failed, PromptRead
from moonbase.contract.formats import ThinkMarks
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.reading import DONE
from moonbase.contract.readings import Reading, Watched
from moonbase.contract.request import ChatRequest
from moonbase.contract.sse import BOM, Reader
from moonbase.engines.http.answer import AnswerReader
from moonbase.engines.http.body import chat_body, comes_in_frames
from moonbase.engines.http.client import Client, Reply
from moonbase.engines.http.connection import Broken
from moonbase.engines.http.counting import count_tokens
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.dialects import DIALECTS, without_effort
from moonbase.engines.http.failures import (
    Refusal,
    broken_off,
    failure_in_stream,
    failure_of_refusal,
    no_stream,
    read_told,
    refuses_effort,
    twice_named,
    unreachable,
)
from moonbase.engines.http.offer import NoOffer, Offer, ask_offer
from moonbase.engines.http.tally import Tally

logger = logging.getLogger("moonbase.engines")

CHAT = "/chat/completions"
_ERROR_BYTES = 256 * 1024
_FRAME_BYTES = 32 << 20
"""Bytes that may come without one whole frame."""
_ASK_S = 5.0
_EVERYTHING: frozenset[MediaKind] = frozenset({"image", "video"})
_encode = msgspec.json.Encoder().encode


class _Way(NamedTuple):
    """How a request is put: the context that is counted on, in tokens, and the dialect. `effort`: one of reasoning
    is asked for, and may be left out."""

    room: int | None
    dialect: Dialect
    effort: bool


class HttpEngine(AtOnce, Watched):
    """`client`'s upstream as an engine. `model` is its name there: without one, the client's where the upstream lists
    it, or the only one that it lists. `sees`: what it can be shown; None asks the upstream. `opens_thinking`: content
    begins inside the reasoning (`lone_end`), which is learnt where it is not told."""

    def __init__(
        self,
        client: Client,
        dialect: Dialect,
        *,
        model: str | None = None,
        sees: frozenset[MediaKind] | None = None,
        opens_thinking: bool = False,
        ask_s: float = _ASK_S,
    ) -> None:
        self.client, self.dialect = client, dialect
        self._model, self._shown, self._ask_s = model, sees, ask_s
        self._tally = Tally()
        self._offer: Offer | None = None
        self._asking = asyncio.Lock()
        self._asked_times = 0
        self._early = True
        self._inline: ThinkMarks | None = None
        self._opens_thinking = opens_thinking
        self._opened: dict[str, bool] = {}
        """Of each model that was asked for, whether its content begins inside the reasoning."""

    @property
    def name(self) -> str:
        """For the operator: where it is."""
        return self.client.upstream.name

    async def start(self) -> None:
        """Ask the upstream what it serves. One that is not there yet is no mistake: it is asked again when needed."""
        await self.check()

    async def check(self) -> bool:
        """Whether the upstream answers, be it that it lists no models; the log says what is wrong."""
        try:
            offer = await self.ask()
        except NoOffer as problem:
            logger.log(self._loudness, "the upstream %s does not say what it serves: %s", self.name, problem)
            self._tally.up = problem.status is not None and problem.status in (200, 400, 404, 405, 501)
            return self._tally.up
        self._tally.up = True
        if offer.owner in DIALECTS and offer.owner != self.dialect.name:
            logger.warning(
                "the upstream %s says that it is %s, but is spoken to as %s; check the dialect",
                *(self.name, offer.owner, self.dialect.name),
            )
        return True

    async def close(self) -> None:
        await self.client.close()

    async def ask(self) -> Offer:
        """What the upstream serves now; raises `NoOffer`."""
        self._offer = await ask_offer(self.client, self._model, within=self._ask_s)
        return self._offer

    @property
    def context_length(self) -> int | None:
        return None if self._offer is None else self._offer.context

    @property
    def sees(self) -> frozenset[MediaKind]:
        if self._shown is not None:
            return self._shown
        told = None if self._offer is None else self._offer.sees
        return _EVERYTHING if told is None else told

    @property
    def gives_logprobs(self) -> bool:
        return self.dialect.logprobs

    @property
    def enforces(self) -> bool:
        return self.dialect.enforces

    async def readings(self) -> list[Reading]:
        return self._tally.readings(self.name)

    async def count(self, request: ChatRequest) -> int:
        model = await self.model_for(request)
        return await count_tokens(self.client, self.dialect, request, chat_body(request, self.dialect, model))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """See `Engine`."""
        answer: AnswerReader | None = None
        try:
            async with await self._reply_to(request) as reply:
                frames, waiting = _frames_of(reply), 0
                answer = self._reader_of(reply, request, streamed=isinstance(frames, _Stream))
                while not answer.over and (data := await reply.read()):
                    waiting += len(data)
                    for payload in frames.feed(data):
                        waiting = 0
                        for event in answer.feed(payload):
                            yield self._told(event) if isinstance(event, Failed) else event
                    if waiting > _FRAME_BYTES:
                        raise UnexpectedOutput("invalid state transition: the engine sent a frame without an end")
                for payload in frames.close():
                    for event in answer.feed(payload):
                        yield self._told(event) if isinstance(event, Failed) else event
                for event in answer.close():
                    yield event
                if not answer.whole:
                    reply.cut()
                self._learn(request, answer)
        except Broken as broken:
            logger.log(self._loudness, "the upstream %s failed: %s", self.name, broken.reason)
            for event in self._cut_off(answer, broken):
                yield event
        except ApiError as error:
            yield Failed(error)

    def at_once(self, request: ChatRequest) -> Coroutine[Any, Any, list[Event]] | None:
        return None if comes_in_frames(request) else self._at_once(request)

    async def _at_once(self, request: ChatRequest) -> list[Event]:
        """As `stream`, for an answer that the upstream is asked to give whole. Collecting the events of `stream` would
        be the same in one line, and take 4 % more for each answer."""
        answer: AnswerReader | None = None
        events: list[Event] = []
        try:
            async with await self._reply_to(request) as reply:
                frames, waiting = _frames_of(reply), 0
                answer = self._reader_of(reply, request, streamed=isinstance(frames, _Stream))
                while not answer.over and (data := await reply.read()):
                    waiting += len(data)
                    for payload in frames.feed(data):  # of a server that streams all the same
                        waiting = 0
                        events += self._heard(answer, payload)
                    if waiting > _FRAME_BYTES:
                        raise UnexpectedOutput("invalid state transition: the engine sent a frame without an end")
                for payload in frames.close():
                    events += self._heard(answer, payload)
                events += answer.close()
                if not answer.whole:
                    reply.cut()
                self._learn(request, answer)
        except Broken as broken:
            logger.log(self._loudness, "the upstream %s failed: %s", self.name, broken.reason)
            events += self._cut_off(answer, broken)
        except ApiError as error:
            events.append(Failed(error))
        return events

    def _reader_of(self, reply: Reply, request: ChatRequest, *, streamed: bool) -> AnswerReader:
        opened = self._opens_thinking or self._opened.get(request.model)
        prompt = _prompt_of(reply)
        return AnswerReader(request, self.dialect, prompt, early=self._early, opened=opened, streamed=streamed)

    def _heard(self, answer: AnswerReader, payload: bytes) -> list[Event]:
        events = answer.feed(payload)
        if events and isinstance(failed := events[-1], Failed):
            events[-1] = self._told(failed)
        return events

    async def _reply_to(self, request: ChatRequest) -> Reply:
        """A reply that is an answer; raises `ApiError` for any other. What is refused for how it was asked is asked for
        again in another way (`_mend`)."""
        model = self._model or await self.model_for(request)
        effort = request.thinking.effort is not None and not self.dialect.platform
        way = _Way(self.context_length, self.dialect, effort)
        trace = request.trace if self.dialect.traced else None
        while True:
            body = _encode(chat_body(request, way.dialect, model, room=way.room, inline=self._inline))
            self._tally.requests += 1
            reply = await self.client.ask("POST", CHAT, body, trace=trace)
            self._tally.up = True
            if reply.status == 200:
                return reply
            async with reply:
                refusal = Refusal(reply.status, reply.headers, await reply.whole(_ERROR_BYTES))
            mended = self._mend(way, refusal)
            if mended is None:
                raise self._refused(refusal, request)
            way = mended

    async def model_for(self, request: ChatRequest) -> str:
        """The upstream's name of the model that `request` asks for."""
        if self._model is not None:
            return self._model
        offer = self._offer or await self._asked()
        if request.model in offer.models or not offer.models:
            return request.model
        alone = len(offer.models) == 1 or not (self.dialect.platform or self.dialect.name == "openai")
        return offer.models[0] if alone else request.model

    async def _asked(self) -> Offer:
        """What the upstream serves, asked once for all who need it now; nothing where it does not say."""
        before = self._asked_times
        async with self._asking:
            if self._offer is None and self._asked_times == before:
                await self.check()
                self._asked_times += 1
            return self._offer or Offer()

    def _learn(self, request: ChatRequest, answer: AnswerReader) -> None:
        """What one answer tells of those to come: whether the counts on first frames can be trusted, where the
        upstream's reasoning stands, and whether it has a beginning there."""
        self._early = self._early and not answer.misled
        if answer.inline:
            self._inline = self.dialect.text.think
        if answer.opened is not None:
            self._opened[request.model] = answer.opened

    def _mend(self, way: _Way, refusal: Refusal) -> _Way | None:
        """How to ask again for what was refused; None where there is no other way.

        A budget that is more than the prompt leaves of the context is left out: then it is what is left. Where one
        server takes the names of the earlier reasoning for the same (smg in front of vLLM), one of them is sent, from
        now on; where its model has no effort of reasoning, none is.
        """
        if refusal.status not in (400, 422):
            return None
        said = read_told(refusal)[0]
        room = way.dialect.room(said)
        if room is not None:
            return way._replace(room=0) if room.prompt < room.limit and way.room != 0 else None
        if way.effort and refuses_effort(said):
            self.dialect = without_effort(self.dialect)
            return way._replace(dialect=self.dialect, effort=False)
        name = twice_named(said)
        if name not in way.dialect.reasoning or len(way.dialect.reasoning) == 1:
            return None
        self.dialect = replace(self.dialect, reasoning=(name,))
        return way._replace(dialect=self.dialect)

    def _refused(self, refusal: Refusal, request: ChatRequest) -> ApiError:
        self._tally.refused(refusal.status)
        failure = failure_of_refusal(refusal, self.dialect, self.client.upstream, request.model)
        if not isinstance(failure, InvalidRequest):
            said = self.client.upstream.scrubbed(read_told(refusal)[0])[:300]
            logger.log(
                self._loudness, "the upstream %s answered with the status %d: %s", self.name, refusal.status, said
            )
        return failure

    @property
    def _loudness(self) -> int:
        """How loud the log is about failures: whoever asks is told of them anyway, where it is the operator."""
        return logging.DEBUG if self.client.upstream.candid else logging.WARNING

    def _told(self, failed: Failed) -> Failed:
        """A failure that the upstream has told of inside the stream."""
        self._tally.failed()
        error = failure_in_stream(failed.error, self.dialect, self.client.upstream)
        return Failed(error, failed.finish_reason)

    def _cut_off(self, answer: AnswerReader | None, broken: Broken) -> list[Event]:
        """What to end with where the connection has ended: the answer may have."""
        if answer is None or not answer.began:
            self._tally.broke(begun=False)
            return [Failed(unreachable(self.client.upstream, broken))]
        rest = answer.close()
        if not any(isinstance(event, Failed) for event in rest):
            return rest
        self._tally.broke(begun=True)
        return [Failed(broken_off(), "server_interrupted")]


class _Stream(Reader):
    """Frames of an event stream."""

    def close(self) -> list[bytes]:
        """A last frame without the empty line behind it."""
        return self.feed(b"\n\n")


class _Whole:
    """The one frame that an answer of JSON is, from a server that does not stream."""

    def __init__(self) -> None:
        self._received: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        self._received.append(data)
        return []

    def close(self) -> list[bytes]:
        return [b"".join(self._received).removeprefix(BOM), DONE]


def _frames_of(reply: Reply) -> _Stream | _Whole:
    """Raises `ServerError` for a reply of another type, or one that is compressed."""
    kind = reply.media_type
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise no_stream(f"{kind} in the encoding {reply.headers['content-encoding'][:60]}")
    if kind == "text/event-stream":
        return _Stream()
    if kind == "application/json":
        return _Whole()
    raise no_stream(kind)


def _prompt_of(reply: Reply) -> PromptRead | None:
    """contract.md 2.2."""
    if "x-msh-usage-prompt-tokens" not in reply.headers:
        return None
    told = [reply.headers.get(f"x-msh-usage-{name}-tokens", "") for name in ("prompt", "cached")]
    if not all(text.isdecimal() and len(text) < 12 for text in told):
        return None
    prompt, cached = map(int, told)
    return PromptRead(prompt, min(cached, prompt))
