"""The agent: a model, instructions and tools, and the loop that runs them (docs/agent.md)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, cast

import msgspec

from moonbase.agent.answering import Emit
from moonbase.agent.approval import Approve
from moonbase.agent.checking import check_settings
from moonbase.agent.compaction import Compaction
from moonbase.agent.endpoint import named_dialect
from moonbase.agent.errors import AgentError, agent_error
from moonbase.agent.events import AgentEvent
from moonbase.agent.keeping import Keeper
from moonbase.agent.lending import Lending
from moonbase.agent.limits import Limits, Retries
from moonbase.agent.model import KNOWN, card_of, checked_effort, rates_of, thinking_control
from moonbase.agent.opening import Equipment, opened
from moonbase.agent.output import output_of
from moonbase.agent.plan import Plan, Sleep
from moonbase.agent.result import Result
from moonbase.agent.run import Run
from moonbase.agent.servers import MCPServer
from moonbase.agent.session import Session
from moonbase.agent.sync import run_sync
from moonbase.contract.cards import ModelCard
from moonbase.contract.engine import Engine
from moonbase.contract.errors import ApiError, SettingsError
from moonbase.contract.events import Failed
from moonbase.contract.local import LOCAL_BASE_URL
from moonbase.contract.messages import Message, Part
from moonbase.engines.http.dialect import DialectName
from moonbase.tools.functions import formula_of
from moonbase.tools.tool import Formula
from moonbase.tools.toolset import Toolset

Tooling = Callable[..., Any] | str | Formula | MCPServer
"""What an agent takes as a tool: a Python function with type hints, a formula's URI, a built-in tool's name, a formula,
an MCP server."""

Task = str | Message | Sequence[Part | Mapping[str, Any]] | None
"""What an agent is asked: text, a message, or the parts of one (text, pictures, videos), as the API has them:
`{"type": "text", "text": "..."}`. None goes on with the conversation of the session as it stands."""

_DEFAULT_MODEL = "kimi-k2.6"
_ENGINE_IN_USE = (
    "the engine of this agent is at work in another thread, and can be in one event loop alone: make an agent with an "
    "engine for each thread, or serve the engine (`moonbase serve`) and give base_url; beside `async with`, await "
    "`run` and leave `run_sync`"
)


class Agent:
    """A model with instructions and tools. `run` gives it a task, `stream` shows how it goes about it.

    `tools`: Python functions with type hints (their docstrings are what the model reads), URIs of formulas such as
    `"moonshot/web-search:latest"`, `MCPServer`s, and the platform's built-in `"$web_search"`.

    The model is at `base_url`, where `api_key` is sent: a Moonbase server, the hosted API, or any OpenAI-compatible
    server. Without one, the environment's MOONSHOT_BASE_URL and MOONSHOT_API_KEY hold, and then the server of this
    machine, `http://127.0.0.1:8000/v1`, as `make serve` starts it. What kind of server it is, it is asked; `dialect`
    says it ("moonbase", "kimi", "vllm", "sglang", "llamacpp" or "openai"). Or the model is an `engine` of this process,
    which the agent starts and closes.

    `thinking` switches it on or off where the model has that switch; `keep="all"` leaves the reasoning of earlier turns
    in the prompt; `effort` and `thinking_budget` (tokens) say how much of it, where the model has that. `max_tokens`,
    `temperature`, `top_p` and `seed` are those of each request. Unset, all of them are the model's own.

    `limits` and `retries` bound a run. `approve` is asked before each call (docs/agent.md, Approval). `output` is what
    the answer must be: a pydantic model, a JSON schema, a msgspec Struct or a dataclass; `Result.output` is then that
    object. An answer that does not fit is asked for again `output_tries` times. `compaction` says when and how a
    conversation that becomes too long is made shorter.

    `card` holds the facts of a model that Moonbase does not know, such as its context and price. `sleep` waits so many
    seconds, and `draws` is where chance comes from; tests pass their own.

    Used as `async with`, the agent keeps its connections and its MCP servers from one run to the next; otherwise each
    run opens what it needs and closes it again. Raises `SettingsError` for settings that cannot work together.
    """

    def __init__(
        self,
        instructions: str = "",
        tools: Iterable[Tooling] = (),
        *,
        model: str = _DEFAULT_MODEL,
        base_url: str | None = None,
        api_key: str | None = None,
        dialect: DialectName | None = None,
        engine: Engine | None = None,
        thinking: bool | None = None,
        keep: Literal["all"] | None = None,
        effort: str | None = None,
        thinking_budget: int | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        approve: Approve | None = None,
        output: Any = None,
        output_tries: int = 2,
        compaction: Compaction | None = None,
        card: ModelCard | None = None,
        environ: Mapping[str, str] | None = None,
        sleep: Sleep = asyncio.sleep,
        draws: Random | None = None,
    ) -> None:
        check_settings(
            model=model,
            base_url=base_url,
            api_key=api_key,
            effort=effort,
            thinking_budget=thinking_budget,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            output_tries=output_tries,
            limits=limits,
            retries=retries,
            compaction=compaction,
            card=card,
            approve=approve,
        )
        environ = os.environ if environ is None else environ
        card = card or card_of(model)
        _check(instructions, engine, tools)
        sampling = {"temperature": temperature, "top_p": top_p, "seed": seed}
        self._plan = Plan(
            instructions=instructions,
            model=model,
            card=card,
            known=card.id in KNOWN,
            rates=rates_of(card),
            control=thinking_control(thinking, keep, thinking_budget),
            effort=checked_effort(effort, card),
            max_tokens=max_tokens,
            sampling={name: value for name, value in sampling.items() if value is not None},
            limits=limits or Limits(),
            retries=retries or Retries(),
            approve=approve,
            output_tries=output_tries,
            compaction=compaction or Compaction(),
            sleep=sleep,
            draws=draws or Random(),
        )
        if engine is not None and (base_url is not None or api_key is not None or dialect is not None):
            raise SettingsError("engine and base_url (with its api_key and dialect) are both given; choose one")
        formulas, uris, servers = _sorted(tools)
        self._equipment = Equipment(
            engine=engine,
            base_url=base_url or environ.get("MOONSHOT_BASE_URL") or LOCAL_BASE_URL,
            api_key=api_key or (environ.get("MOONSHOT_API_KEY") if engine is None else None),
            dialect=named_dialect(dialect) if dialect else None,
            formulas=formulas,
            uris=tuple(uri for uri in uris if not uri.startswith("$")),
            builtins=tuple(uri for uri in uris if uri.startswith("$")),
            servers=servers,
        )
        if engine is not None and self._equipment.builtins:
            raise SettingsError(
                f"{self._equipment.builtins[0]} is run by the server behind base_url, and an engine has none; name a "
                "formula such as moonshot/web-search:latest"
            )
        self._output = None if output is None else output_of(output)
        self._means = Lending(
            lambda: opened(self._equipment, self._plan), alone=_ENGINE_IN_USE if engine is not None else None
        )
        self._kept = AsyncExitStack()

    async def run(self, task: Task, *, session: Keeper | None = None) -> Result:
        """What the agent answers to `task`. The conversation of `session` goes before it, and grows with every step as
        soon as that is whole. Raises `AgentError`; cancelled, it stops the model and the tools at once."""
        return await self._run(task, session, _unheard)

    async def stream(self, task: Task, *, session: Keeper | None = None) -> AsyncGenerator[AgentEvent, None]:
        """The same as it happens: see `moonbase.agent.events`. A failure is a `Failed` event, the last. Closing this
        stops the model and the tools at once."""
        events: asyncio.Queue[AgentEvent | None] = asyncio.Queue()
        running = asyncio.create_task(self._told(task, session, events))
        running.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def run_sync(self, task: Task, *, session: Keeper | None = None) -> Result:
        """`run` for programs without an event loop. Where one runs in this thread (a notebook), the task runs in a
        thread of its own, and the loop waits."""
        return run_sync(lambda: self.run(task, session=session))

    async def __aenter__(self) -> Self:
        """Raises `AgentError` and `SettingsError`."""
        try:
            await self._kept.enter_async_context(self._means.borrowed())
        except ApiError as error:
            raise agent_error(error, Result()) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._kept.aclose()

    async def _told(self, task: Task, session: Keeper | None, events: asyncio.Queue[AgentEvent | None]) -> None:
        async def emit(event: AgentEvent) -> None:
            events.put_nowait(event)
            await asyncio.sleep(0)  # so that whoever listens hears it before the next is made

        try:
            await self._run(task, session, emit)
        except AgentError as error:
            events.put_nowait(Failed(error.error))

    async def _run(self, task: Task, session: Keeper | None, emit: Emit) -> Result:
        if isinstance(session, str | os.PathLike):
            raise SettingsError(f"session is {session!r}; expected a session that is open: moonbase.Session.open(...)")
        keeper = session or Session.in_memory(model=self._plan.model, instructions=self._plan.instructions)
        asked = _messages(task)
        if not asked and (not keeper.messages or _is_answered(keeper.messages[-1])):
            raise SettingsError(
                "there is nothing to do: give a task, or a session whose last message waits for an answer"
            )
        try:
            with keeper.turn():
                async with self._means.borrowed() as means:
                    return await Run(self._plan, means, keeper, emit, self._output).go(asked)
        except ApiError as error:
            raise agent_error(error, Result()) from error


async def _unheard(event: AgentEvent) -> None: ...


def _check(instructions: object, engine: object, tools: object) -> None:
    """What is easily mistaken for something else; raises `SettingsError`."""
    if not isinstance(instructions, str):
        raise SettingsError(f"instructions is {instructions!r}; expected text, the first argument; tools come after it")
    if isinstance(engine, str | os.PathLike | type):
        raise SettingsError(
            f"engine is {engine!r}; expected an engine, as moonbase.engines.opening.open_gguf(path) makes one"
        )
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        raise SettingsError(f"tools is {tools!r}; expected a list, also of one")


def _sorted(tools: Iterable[Tooling]) -> tuple[tuple[Formula, ...], tuple[str, ...], tuple[MCPServer, ...]]:
    """The formulas of this process, the URIs, and the MCP servers; raises `SettingsError` for what is no tool."""
    formulas: list[Formula] = []
    uris: list[str] = []
    servers: list[MCPServer] = []
    for tool in tools:
        if isinstance(tool, str):
            uris.append(tool)
        elif isinstance(tool, MCPServer):
            servers.append(tool)
        elif isinstance(tool, Formula):
            formulas.append(tool)
        elif callable(tool):
            formulas.append(formula_of(tool))
        else:
            raise SettingsError(
                f"tools has {cast('object', tool)!r}; expected a function, a formula's URI, a formula or an MCPServer"
            )
    # Nothing leaves the process that would have to be sealed.
    formulas = [replace(formula, protected=False) for formula in formulas]
    Toolset(formulas)  # what is wrong with them shows here, and not in the first run
    return tuple(formulas), tuple(uris), tuple(servers)


def _messages(task: Task) -> list[Message]:
    """Raises `SettingsError` for what is no task."""
    if task is None:
        return []
    message = task if isinstance(task, Message) else Message("user", cast("Any", task))
    try:
        return [msgspec.convert(msgspec.to_builtins(message, builtin_types=(bytes, bytearray)), Message)]
    except (msgspec.ValidationError, TypeError) as error:
        raise SettingsError(
            f"the task cannot be used: {error}; expected text, a moonbase.Message, or a list of parts such as "
            '{"type": "text", "text": "..."}; earlier messages belong into a session'
        ) from None


def _is_answered(last: Message) -> bool:
    return last.role == "assistant" and not last.calls and not last.partial
