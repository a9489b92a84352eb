"""The scripted engine: a test double that obeys directions instead of running a model.

It says what it is, and nothing serves it unless it is asked for by name. Its answers go through the real prompt, the
real parser and a real (if simple) count of tokens, so everything above it behaves as with a model.

Where it has a `Script`, each request takes the next step of it; where that has none left, the directions count. They
stand in the user messages since the last assistant message:

    Call the tool `NAME` with these JSON arguments: {…}

makes it think and call that tool, once for each such direction. A direction that begins with "Then call the tool" waits
for the results of those before it, so that an agent's loop can be as long as a test wants. When tool results are the
newest messages and no direction is left, it answers with the last result's exact text. Otherwise it thinks, then
answers from the user's text. It sees: what it was shown it describes from the bytes, "You showed: image/png 2x3, 75
bytes". A forced call without a direction gets the smallest arguments that its schema allows.

Its tokens are words, single signs and runs of blank space. The id of a text token is 256 plus the CRC-32 of its UTF-8
bytes; that of a mark is its place among the marks of the Kimi format, from 1. A token's log probability is 0 and it has
no alternative but itself: what this engine says, it always says.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from msgspec.structs import replace

from moonbase.contract.compact import compact_json
from moonbase.contract.errors import ApiError, InvalidRequest, Unavailable, context_exceeded
from moonbase.contract.events import Event, Failed, Finished, PromptRead
from moonbase.contract.formats import KIMI
from moonbase.contract.logprobs import Alternative, TokenLogprob
from moonbase.contract.media import Media
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.messages import Message
from moonbase.contract.prompts import Piece, prompt_text
from moonbase.contract.request import ChatRequest
from moonbase.contract.schema import minimal_value
from moonbase.contract.tools import NamedChoice
from moonbase.engines.rendered import new_parser
from moonbase.engines.script import Call, Reply, Script
from moonbase.parse.pipeline import AnswerParser
from moonbase.prompt.kimi_k2 import (
    CALL,
    CALL_ARGUMENTS,
    CALL_END,
    SECTION,
    SECTION_END,
    THINK,
    THINK_END,
    render,
)

_DIRECTION = re.compile(r"(?:C|(?P<later>Then c))all the tool `(?P<name>[^`]+)`.*?JSON arguments:\s*(?=\{)", re.DOTALL)
_TOKEN = re.compile(r"<\|?/?[a-z_]+\|?>|\s*\w{1,8}|\s*[^\w\s]|\s+")
_OUT_OF_BUDGET = Reply(finish_reason="length")
_CACHE_THRESHOLD = 256
"""A prefix shorter than this is never a cache hit (contract.md 2.2)."""


class ScriptedEngine:
    """`pace` seconds pass before each token, so that a test can watch a stream. `context` is in tokens."""

    def __init__(
        self, *, pace: float = 0.0, context: int = 262_144, remembered: int = 64, script: Script | None = None
    ) -> None:
        self._script = script or Script()
        self._pace = pace
        self._context = context
        self._prompts: deque[list[str]] = deque(maxlen=remembered)
        self.generated = 0
        """Tokens generated since the start; a test sees by it that a cancelled stream has stopped."""
        self.began = asyncio.Event()
        """Set with the first token."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def forget(self) -> None:
        """Remember none of the prompts any more: nothing is cached."""
        self._prompts.clear()

    @property
    def context_length(self) -> int | None:
        return self._context

    @property
    def sees(self) -> frozenset[MediaKind]:
        return frozenset({"image", "video"})

    @property
    def gives_logprobs(self) -> bool:
        return True

    @property
    def enforces(self) -> bool:
        return True  # It writes what it is told to write, and who directs it may want what does not fit.

    async def count(self, request: ChatRequest) -> int:
        return len(_tokens(prompt_text(render(request).prompt)))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        rendered = render(request)
        prompt = _tokens(prompt_text(rendered.prompt))
        if len(prompt) >= self._context:
            yield Failed(context_exceeded(self._context, len(prompt)))
            return
        try:
            reply = self._script.take(request) or _obeyed(request)
        except ApiError as error:
            yield Failed(error)
            return
        except ValueError as error:
            yield Failed(InvalidRequest(f"Invalid request: the answer's schema cannot be met: {error}"))
            return
        read = PromptRead(len(prompt), self._remember(prompt))
        yield read
        answer = _answer_tokens(_written(request, reply, opened=rendered.opening == "thinking"))
        budget = min(request.max_tokens, self._context - len(prompt))
        pace = self._pace if reply.pace is None else reply.pace
        for choice in range(request.n):
            parser = new_parser(request.card, request, rendered, KIMI, choice)
            for token, mark in answer[:budget]:
                # Also at no pace: a client that has gone away must be able to cancel.
                await asyncio.sleep(pace)
                self.generated += 1
                self.began.set()
                for event in _fed(parser, request, token, mark=mark):
                    yield event
                if parser.stopped:
                    break
            end = Reply() if parser.stopped else reply if len(answer) <= budget else _OUT_OF_BUDGET
            for event in _closed(parser, read, end):
                yield event
            if end.cut:
                yield await self._hung_up()
            if end.cut or end.failure:
                return

    async def _hung_up(self) -> Failed:
        """Break the connection off, which ends the task that asked; what to say where there is none."""
        await asyncio.sleep(0)  # what there is of the answer leaves first
        if self._script.hang_up():
            await asyncio.Event().wait()
        return Failed(Unavailable("the connection was broken off"), "server_interrupted")

    def _remember(self, prompt: list[str]) -> int:
        """The longest prefix that an earlier prompt shares, if it is long enough to count as cached."""
        shared = max((_shared_prefix(prompt, earlier) for earlier in self._prompts), default=0)
        self._prompts.append(prompt)
        return shared if shared > _CACHE_THRESHOLD else 0


def _closed(parser: AnswerParser, read: PromptRead, reply: Reply) -> list[Event]:
    """The last events of an answer that ends as `reply` says."""
    *rest, finished = parser.close("stop" if reply.natural else "length", read)
    if reply.cut:
        return rest
    if reply.failure is not None:
        return [*rest, reply.failure]
    if reply.finish_reason == "content_filter" and isinstance(finished, Finished):
        finished = replace(finished, finish_reason="content_filter")
    return [*rest, finished]


def _fed(parser: AnswerParser, request: ChatRequest, token: str, *, mark: bool) -> list[Event]:
    ids = (_token_id(token, mark=mark),) if request.token_ids else ()
    logprobs = (_certain(token, request.logprobs),) if request.logprobs is not None else ()
    return parser.feed(token, tokens=1, mark=mark, token_ids=ids, logprobs=logprobs)


def _token_id(token: str, *, mark: bool) -> int:
    return 1 + KIMI.marks().index(token) if mark else 256 + zlib.crc32(token.encode(errors="replace"))


def _certain(token: str, top: int) -> TokenLogprob:
    data = tuple(token.encode(errors="replace"))
    return TokenLogprob(token, 0.0, data, (Alternative(token, 0.0, data),) if top else ())


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _answer_tokens(answer: list[Piece]) -> list[Piece]:
    """One piece a token; text that looks like a mark stays text."""
    tokens: list[Piece] = []
    for piece in answer:
        tokens += [piece] if piece.special else [Piece(token, False) for token in _tokens(piece.text)]
    return tokens


def _shared_prefix(left: list[str], right: list[str]) -> int:
    shared = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _obeyed(request: ChatRequest) -> Reply:
    """What the directions ask for. Raises `ValueError` where a schema has no value."""
    calls = _directed_calls(request) or _forced_calls(request)
    return Reply(calls=tuple(calls)) if calls else Reply(content=_answer(request))


def _written(request: ChatRequest, reply: Reply, *, opened: bool) -> list[Piece]:
    """`reply` in the Kimi output format, as a model would continue the prompt."""
    said = [Piece(reply.content, False)] if reply.content else []
    said += _section(request, reply) if reply.calls else []
    if not request.thinking.enabled:
        return said
    plan = f"I call {', '.join(call.name for call in reply.calls)}." if reply.calls else "I read this and answer."
    reasoning = _tokens(f"I am the scripted engine. {plan}" if reply.reasoning is None else reply.reasoning)
    thought = [*([] if opened else [THINK]), Piece("".join(reasoning[: request.thinking.budget]), False)]
    return [*thought, THINK_END, *said] if said or reply.natural else thought


def _section(request: ChatRequest, reply: Reply) -> list[Piece]:
    section = [SECTION]
    for index, call in enumerate(reply.calls, start=request.calls_made):
        call_id = Piece(f"functions.{call.name}:{index}", False)
        section += [CALL, call_id, CALL_ARGUMENTS, Piece(call.arguments, False), CALL_END]
    return [*section, SECTION_END] if reply.natural else section[:-1]


def _directed_calls(request: ChatRequest) -> list[Call]:
    """The calls of the first step of the user's directions that has not been made."""
    if request.tool_choice == "none":
        return []
    asked, made = _asked(request)
    steps: list[list[Call]] = []
    for message in asked:
        if message.role == "user":
            _add_steps(steps, message.text)
    return steps[made] if made < len(steps) else []


def _asked(request: ChatRequest) -> tuple[list[Message], int]:
    """What came since the last assistant message, or before the loop of calls whose results are newest; and how many
    times that loop has called."""
    messages, made = list(request.messages), 0
    while messages and messages[-1].role == "tool":
        while messages and messages[-1].role == "tool":
            messages.pop()
        messages.pop()
        made += 1
    asked: list[Message] = []
    while messages and messages[-1].role != "assistant":
        asked.append(messages.pop())
    return asked[::-1], made


def _add_steps(steps: list[list[Call]], text: str) -> None:
    """Add the directions in `text`; those of one step are called at once."""
    for found in _DIRECTION.finditer(text):
        try:
            arguments, _ = json.JSONDecoder().raw_decode(text, found.end())
        except (ValueError, RecursionError):
            continue
        call = Call(found.group("name"), compact_json(arguments))
        if steps and not found.group("later"):
            steps[-1].append(call)
        else:
            steps.append([call])


def _forced_calls(request: ChatRequest) -> list[Call]:
    choice = request.tool_choice
    if choice != "required" and not isinstance(choice, NamedChoice):
        return []
    for tool in request.declared:
        function = tool.function
        if function and (not isinstance(choice, NamedChoice) or function.name == choice.function.name):
            return [Call(function.name, compact_json(minimal_value(function.parameters)))]
    return []


def _answer(request: ChatRequest) -> str:
    newest = request.messages[-1]
    if newest.role == "tool":
        return _joined(newest.text, _shown(request, 1))
    wanted = request.response_format
    if wanted is not None and wanted.type != "text":
        schema: Any = (wanted.json_schema or {}).get("schema")
        return compact_json(minimal_value(schema))
    new, _ = _asked(request)
    asked = " ".join(message.text for message in new if message.role == "user")
    return _joined(f"You said: {asked}" if asked else "", _shown(request, len(new))) or "You said nothing yet."


def _joined(*texts: str) -> str:
    return " ".join(filter(None, texts))


def _shown(request: ChatRequest, newest: int) -> str:
    """What the `newest` last messages show."""
    since = len(request.messages) - newest
    seen = [_described(media) for media in request.media if media.message >= since]
    return f"You showed: {'; '.join(seen)}" if seen else ""


def _described(media: Media) -> str:
    size = f" {media.width}x{media.height}" if media.width else ""
    return f"{media.type}{size}, {len(media.data)} bytes"
