"""The embedded engine: llama.cpp in a supervised worker process, as a `TextEngine`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncGenerator

import msgspec

from moonbase.contract.engine import TextDelta, TextDone, TextEvent, TextRequest
from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidRequest,
    ServerError,
    SettingsError,
    Unavailable,
    context_exceeded,
)
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Prompt
from moonbase.contract.readings import (
    ENGINE_RESTARTS,
    ENGINE_SLOTS,
    ENGINE_SLOTS_BUSY,
    ENGINE_UP,
    ENGINE_WAITING,
    Reading,
    Watched,
)
from moonbase.engines.llama.connection import WorkerGone
from moonbase.engines.llama.lark import skeleton
from moonbase.engines.llama.memory import plan_context
from moonbase.engines.llama.model import GgufModel, read_model
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.llama.supervisor import Supervisor
from moonbase.engines.llama.trial import Trial
from moonbase.engines.llama.wire import (
    Activity,
    Broke,
    Crowded,
    Delta,
    DetailedDelta,
    Done,
    FromWorker,
    Generate,
    Load,
    Read,
    TooLong,
)

_CRASHED = "The embedded engine crashed while it served this request; it is being restarted"
_CROWDED = "The engine is overloaded: it has no room for all the answers under way, please try again later"
_WATCH_S = 1.0
_NO_TEXT = "Invalid request: the text has half a surrogate pair, which is no character"


class LlamaEngine(Watched):
    """Continues prompts with the GGUF model that `settings` names. Satisfies `contract.engine.TextEngine`.

    The model is known from `start` on. Requests beyond the slots wait in the worker, first come, first served; those in
    the background give way to all others.
    """

    def __init__(self, settings: LlamaSettings) -> None:
        self._settings = settings
        self._model: GgufModel | None = None
        self._load: Load | None = None
        self._supervisor: Supervisor | None = None
        self._trial = Trial()

    @property
    def constrains(self) -> bool:
        return True

    @property
    def model(self) -> GgufModel:
        """Facts of the model file, its chat template among them."""
        if self._model is None:
            raise RuntimeError("the model is known from start() on")
        return self._model

    @property
    def context_length(self) -> int | None:
        return None if self._load is None else self._load.limit

    @property
    def gives_logprobs(self) -> bool:
        return True

    @property
    def worker_pid(self) -> int | None:
        """The process that runs the model, while there is one."""
        return None if self._supervisor is None else self._supervisor.pid

    async def start(self) -> None:
        """Load the model; raises `SettingsError` where the file, the settings or the machine do not allow it."""
        for needed in ("xllamacpp", "llguidance"):
            if importlib.util.find_spec(needed) is None:
                raise SettingsError(
                    f"The embedded engine needs {needed}: pip install 'moonbase[llama]'; or serve another engine with "
                    "--upstream URL"
                )
        self._settings.check()
        self._model = await asyncio.to_thread(read_model, self._settings.model)
        self._load = load_order(self._settings, self._model)
        self._supervisor = Supervisor(self._load, wait=self._settings.restart_wait)
        await self._supervisor.start()
        await self._trial.start()

    async def close(self) -> None:
        await self._trial.close()
        if self._supervisor is not None:
            await self._supervisor.close()
            self._supervisor = None

    async def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]:
        """Continue `request.prompt`; see `TextEngine`."""
        try:
            if request.grammar is not None:
                await self._try(request.grammar)
            connection = await self._running().connection()
            stream = connection.stream(_order(request))
            try:
                async for messages in stream:
                    for message in messages:
                        yield _event(message)
            finally:
                await stream.aclose()
        except WorkerGone:
            yield Failed(_crashed(), "server_interrupted")
        except UnicodeEncodeError:
            yield Failed(InvalidRequest(_NO_TEXT))
        except ApiError as error:
            yield Failed(error, "server_interrupted")

    async def _try(self, grammar: Grammar) -> None:
        """Raise `InvalidRequest` for a grammar that llama.cpp would not obey; it says nothing of that itself."""
        fault = await self._trial.fault(skeleton(grammar))
        if fault is None:
            return
        parts = {f"the parameters of {name}": schema for name, schema in grammar.calls.items()}
        if grammar.content is not None:
            parts["response_format.json_schema.schema"] = grammar.content
        for part, schema in parts.items():
            if alone := await self._trial.fault(f"start: %json {json.dumps(schema)}"):
                raise InvalidRequest(f"Invalid request: {part} cannot be enforced: {alone}")
        raise InvalidRequest(f"Invalid request: the tools and the response format together cannot be enforced: {fault}")

    async def count(self, prompt: Prompt) -> int:
        """Tokens of `prompt`; raises `ApiError`."""
        try:
            return await (await self._running().connection()).count(prompt)
        except WorkerGone:
            raise _crashed() from None
        except UnicodeEncodeError:
            raise InvalidRequest(_NO_TEXT) from None

    async def activity(self) -> Activity:
        """What the worker is doing; raises `ApiError`."""
        try:
            return await (await self._running().connection()).inspect()
        except WorkerGone:
            raise _crashed() from None

    async def readings(self) -> list[Reading]:
        restarts = 0 if self._supervisor is None else self._supervisor.restarts
        found = [Reading(ENGINE_RESTARTS, restarts), Reading(ENGINE_SLOTS, self._settings.slots)]
        try:
            async with asyncio.timeout(_WATCH_S):
                activity = await self.activity()
        except (ApiError, TimeoutError):
            return [*found, Reading(ENGINE_UP, 0)]
        found += Reading(ENGINE_UP, 1), Reading(ENGINE_SLOTS_BUSY, activity.busy_slots)
        return [*found, Reading(ENGINE_WAITING, activity.queued)]

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise Unavailable("The embedded engine is not running")
        return self._supervisor


def load_order(settings: LlamaSettings, model: GgufModel) -> Load:
    """The first message to a worker: how to run `model` by `settings`; raises `SettingsError`."""
    context = plan_context(settings, model)
    return Load(
        model=model.path,
        context=context,
        limit=min(context, model.context_length),
        slots=settings.slots,
        threads=settings.thread_count(),
        batch=settings.batch,
        saved_prompts_bytes=settings.saved_prompts_bytes,
        special_tokens=model.special_tokens,
        bos_id=model.bos_id if model.add_bos else None,
        space_prefix=model.space_prefix,
        longest_token_bytes=model.longest_token_bytes,
        end_ids=tuple(id for id in (model.eos_id, model.eot_id) if id is not None),
        # Only where main memory can keep all of them: a prompt that is lost is computed again.
        moves_idle=settings.saved_prompts_bytes >= context * model.cell_bytes,
    )


def _crashed() -> Unavailable:
    """The next worker starts at once, so asking again soon is worth it."""
    return Unavailable(_CRASHED, headers={"Retry-After": "1"})


def _order(request: TextRequest) -> Generate:
    grammar = request.grammar
    if grammar is not None:  # The schemas stand in the rules already.
        grammar = msgspec.structs.replace(grammar, content=None, calls={})
    return Generate(
        id=0,
        prompt=request.prompt,
        sampling=request.sampling,
        max_tokens=request.max_tokens,
        marks=request.marks,
        end_marks=request.end_marks,
        token_ids=request.token_ids,
        logprobs=request.logprobs,
        grammar=grammar,
        background=request.background,
    )


def _event(message: FromWorker) -> TextEvent:
    match message:
        case Delta():
            return TextDelta(message.text, message.tokens, message.mark)
        case Read():
            return PromptRead(message.prompt_tokens, message.cached_tokens)
        case Done():
            return TextDone(message.reason, message.tokens, message.token_ids)
        case DetailedDelta():
            return TextDelta(message.text, message.tokens, message.mark, message.token_ids, message.logprobs)
        case TooLong():
            return Failed(context_exceeded(message.limit, message.requested))
        case Crowded():
            return Failed(EngineOverloaded(_CROWDED), "engine_overloaded")
        case Broke():
            return Failed(ServerError(f"The embedded engine failed: {message.message}"))
        case _:
            raise TypeError(f"a stream has no message {message!r}")
