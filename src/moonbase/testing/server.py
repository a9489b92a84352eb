"""The server of a test: what it is to answer, what came in, and where it is."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, get_args

from msgspec.structs import replace

from moonbase.accounts.keys import read_key_file
from moonbase.cli.compose import compose
from moonbase.contract.compact import compact_json
from moonbase.contract.errors import SettingsError
from moonbase.contract.events import FinishReason
from moonbase.engines.script import Call, Refusal, Reply, Script, refusal
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.app import CHAT
from moonbase.server.messages import MESSAGES
from moonbase.server.platform import Platform, Served
from moonbase.server.responses import RESPONSES
from moonbase.server.settings import EngineSettings, MissingReasoning, Settings, read_settings
from moonbase.testing.accounts import RenewedKeys
from moonbase.testing.connection import hang_up
from moonbase.testing.requests import Request
from moonbase.testing.thread import HOST, ServerThread

_MODEL_ROUTES = (CHAT, MESSAGES, RESPONSES)


class ScriptError(AssertionError):
    """A reply could not have been given to the request that took it, or none took it."""


class Server:
    """The platform's server on a free port of this machine, in this process, over a test double of the models.

    A context manager, `with` or `async with`; it forgets everything at its end. What `reply` and `fail` say is taken by
    the requests to models in the order of their arrival. A request for which nothing is left is answered from the
    directions in its text (`moonbase.engines.scripted`).

    `missing_reasoning` is what happens to requests that lack `reasoning_content`: "restore", "strict" (the hosted API's
    400) or "ignore". `pace` seconds pass before each token; `context` is how many tokens the models can read and write.
    `settings` are tables of a configuration file, as `moonbase serve --config` takes it, without engines and models;
    where it listens, where it keeps its data and how it leaves are the test's own affair.
    """

    def __init__(
        self,
        *,
        missing_reasoning: MissingReasoning | None = None,
        pace: float = 0.0,
        context: int = 262_144,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = _settings_of(settings or {}, missing_reasoning)
        self._script = Script(hang_up=hang_up)
        self._engine = ScriptedEngine(pace=pace, context=context, script=self._script)
        self._keys: RenewedKeys | None = None
        self._traffic: list[Request] = []
        self._thread: ServerThread | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._url = ""

    def reply(
        self,
        content: str | Mapping[str, Any] | Sequence[Any] = "",
        *,
        reasoning: str | None = None,
        calls: Iterable[tuple[str, Mapping[str, Any] | str]] = (),
        finish_reason: FinishReason | None = None,
        cut: bool = False,
        pace: float | None = None,
        to: str | None = None,
    ) -> None:
        """Answer the next request for which nothing has been said yet.

        `content` that is no text becomes its JSON text. `reasoning` is thought before, and a line of the double's own
        where it is left out and the request thinks. `calls` are names of functions with their arguments, an object or
        JSON text. `finish_reason` is "length" or "content_filter", or how an answer breaks after its first byte, such
        as "server_interrupted"; one that is not streamed then fails with the error that goes with it. With `cut` the
        connection is broken off where the answer would end. `pace` seconds pass before each token of this answer. With
        `to` it is kept for a request whose messages hold this text, of a program that asks several things at once.
        """
        if finish_reason is not None and finish_reason not in get_args(FinishReason):
            raise ValueError(f"finish_reason is {finish_reason!r}; expected one of {', '.join(get_args(FinishReason))}")
        text = content if isinstance(content, str) else compact_json(content)
        called = tuple(_call(call) for call in calls)
        natural = "tool_calls" if called else "stop"
        if finish_reason in ("stop", "tool_calls") and finish_reason != natural:
            raise ValueError(f"finish_reason is {finish_reason!r}; this reply ends with {natural!r}")
        self._script.add(
            Reply(
                content=text, reasoning=reasoning, calls=called, finish_reason=finish_reason, cut=cut, pace=pace, to=to
            )
        )

    def fail(
        self,
        status: int,
        *,
        type: str | None = None,
        message: str | None = None,
        retry_after: float | None = None,
        to: str | None = None,
    ) -> None:
        """Refuse the next request for which nothing has been said yet.

        `status` is that of one of the platform's errors, and `type` says which, such as "engine_overloaded_error" of
        429; `message` is its text, if not the platform's own. `retry_after` is sent as `Retry-After`, in seconds.
        `to` is as for `reply`. Raises `ValueError` for an error that the platform does not have.
        """
        self._script.add(refusal(status, type=type, message=message, retry_after=retry_after, to=to))

    @property
    def requests(self) -> list[Request]:
        """The requests to models that came in, oldest first: of chat completions, and in the two other formats."""
        return [request for request in self._traffic if request.path in _MODEL_ROUTES]

    @property
    def traffic(self) -> list[Request]:
        """All requests that came in, those for files, formulas and lists of models too."""
        return list(self._traffic)

    @property
    def unused(self) -> tuple[Reply | Refusal, ...]:
        """What no request has taken yet."""
        return self._script.waiting

    def assert_all_used(self) -> None:
        """Raises `ScriptError` where something has been said that no request has taken."""
        if left := self.unused:
            came = len(self.requests)
            raise ScriptError(f"no request has taken {', '.join(map(repr, left))}; {came} came in")

    def check(self) -> None:
        """Raises `ScriptError` where a reply could not have been given to the request that took it. A program may have
        swallowed the error that came of it; its test must not pass. The end of a `with` does the same."""
        if misfits := self._script.misfits:
            raise ScriptError("\n".join(misfits))

    def reset(self) -> None:
        """Forget everything, as if it had just been started: what was said, what came in, and every account. Only
        `/metrics` counts on."""
        self._script.clear()
        self._traffic.clear()
        self._engine.forget()
        if self._keys is not None:
            self._keys.renew()

    @property
    def serving(self) -> bool:
        """Whether requests can come in."""
        return bool(self._url)

    @property
    def url(self) -> str:
        """Where it is, without a path. Raises `RuntimeError` where it does not serve."""
        if not self._url:
            raise RuntimeError("the server does not serve; use it in a with statement, or start it")
        return self._url

    @property
    def base_url(self) -> str:
        """What clients of the OpenAI format are given."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What clients of Anthropic's format are given."""
        return f"{self.url}/anthropic"

    @property
    def api_key(self) -> str:
        """A key that the server takes; without keys in the settings it takes any."""
        return next(iter(_keys(self._settings)), "test-key")

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find a server and its key: those of OpenAI, Anthropic and the platform; and
        those that keep a proxy of this environment out of the way."""
        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        direct = f"{direct},{HOST}" if direct else HOST
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": self.api_key,
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": self.api_key,
            "MOONSHOT_BASE_URL": self.base_url,
            "MOONSHOT_API_KEY": self.api_key,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }

    def start(self) -> None:
        """Serve, until `stop`. Raises `SettingsError` for settings that cannot work."""
        if self._thread is not None:
            raise RuntimeError("the server has been started already")
        self._folder = TemporaryDirectory(prefix="moonbase-testing-")
        self._thread = ServerThread(self._compose, self._traffic.append)
        try:
            self._url = self._thread.begin()
        except BaseException:
            self._folder.cleanup()
            raise

    def stop(self) -> None:
        """Leave, with nothing left behind. A second call changes nothing."""
        if self._url and self._thread is not None and self._folder is not None:
            self._url = ""
            try:
                self._thread.end()
            finally:
                self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._end(error)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        try:
            self.check()
        except ScriptError as misfits:
            if error is None:
                raise
            error.add_note(str(misfits))

    def _compose(self) -> Platform:
        assert self._folder is not None
        server = replace(self._settings.server, data_dir=str(Path(self._folder.name)))
        platform = compose(replace(self._settings, server=server))
        models = {name: Served(served.card, self._engine) for name, served in platform.models.items()}
        self._keys = RenewedKeys(platform.keys)
        return dataclasses.replace(platform, models=models, keys=self._keys)


def _settings_of(tables: Mapping[str, Any], missing_reasoning: MissingReasoning | None) -> Settings:
    """The settings of a server over the double. Raises `SettingsError`."""
    chosen = {} if missing_reasoning is None else {"missing_reasoning": missing_reasoning}
    settings = read_settings({**tables, "server": {**tables.get("server", {}), **chosen, "drain_s": 0.0}})
    if settings.engines or settings.models:
        raise SettingsError("the server of a test has an engine of its own; leave engines and models out of settings")
    return replace(settings, engines={"scripted": EngineSettings(kind="scripted")})


def _keys(settings: Settings) -> Sequence[str]:
    file = settings.server.key_file
    return settings.server.api_keys or (read_key_file(Path(file)) if file else ())


def _call(call: tuple[str, Mapping[str, Any] | str]) -> Call:
    match call:
        case (str(name), str(arguments)):
            return Call(name, arguments)
        case (str(name), Mapping() as arguments):
            return Call(name, compact_json(dict(arguments)))
        case _:
            raise TypeError(f"calls has {call!r}; expected pairs of a name and its arguments, an object or JSON text")
