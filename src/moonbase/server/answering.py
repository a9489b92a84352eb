"""One conversation's answer on its way to the client, in the form that its route gives it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from moonbase.contract.cards import Price
from moonbase.contract.engine import at_once
from moonbase.contract.errors import ClientClosed, InvalidRequest, UnexpectedOutput
from moonbase.contract.events import Event, Failed, Usage
from moonbase.contract.fold import Fold, unfinished
from moonbase.contract.loop import read_turns
from moonbase.contract.request import ChatRequest
from moonbase.contract.tools import WEB_SEARCH
from moonbase.server.account import check_balance
from moonbase.server.admission import Admission, admit
from moonbase.server.exchange import Exchange
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform, Served
from moonbase.server.preparing import Prepared
from moonbase.server.stream import Take, each, together
from moonbase.server.wire import AT_ONCE, EVENT_STREAM, JSON, NO_CACHE, Headers, off_loop
from moonbase.tools.calls import Calls
from moonbase.tools.loop import ToolLoop
from moonbase.tools.searched import answers_as_asked
from moonbase.tools.tool import CallContext


class Writer(Protocol):
    """Writes the events of one stream."""

    @property
    def fold(self) -> Fold:
        """The answer so far."""
        ...

    def write(self, event: Event) -> list[bytes]:
        """What `event` becomes on the wire, for `Form.frames`."""
        ...


class Form(Protocol):
    """How one answer is written."""

    def whole(self, fold: Fold) -> bytes:
        """The body of an answer that is not streamed; raises `UnexpectedOutput` where it is not whole."""
        ...

    def writer(self) -> Writer:
        """Of the stream; asked for once."""
        ...

    def frames(self, written: list[bytes]) -> bytes:
        """What the writer has written, as it leaves."""
        ...

    def last(self, written: list[bytes]) -> bytes:
        """As `frames`, of a stream that is whole; with what ends it."""
        ...


class Charge(Protocol):
    """Takes what an answer has cost: `Ledger.charge`, or whoever puts it off."""

    def __call__(self, owner: str, model: str, price: Price, usage: Usage, *, searches: int = 0) -> None: ...


async def answer(
    platform: Platform,
    prepared: Prepared,
    form: Form,
    exchange: Exchange,
    *,
    owner: str,
    entry: Entry,
    background: Charge | None = None,
) -> None:
    """Answer one request; raises `ApiError` for whatever fails before the first byte. `background`: nobody waits for
    it, so it stands behind others and counts towards no limit of its key; and this takes what it costs."""
    quotas, charge = platform.quotas, platform.ledger.charge
    if background is not None:
        quotas, charge = None, background
        prepared = prepared._replace(request=replace(prepared.request, background=True))
    _check_engine(prepared.served, prepared.request)
    await check_balance(platform.ledger, owner)
    admission = await admit(quotas, owner, prepared.request, entry)
    answer = _Answer(platform, prepared, owner, entry, exchange, admission, form, charge)
    try:
        await (answer.stream() if prepared.streams else answer.whole())
    except (ClientClosed, asyncio.CancelledError):
        answer.charge()
        raise
    finally:
        answer.leave()


class _Answer:
    """One answer on its way out."""

    def __init__(
        self,
        platform: Platform,
        prepared: Prepared,
        owner: str,
        entry: Entry,
        exchange: Exchange,
        admission: Admission | None,
        form: Form,
        charge: Charge,
    ) -> None:
        self._platform, self._served, self._request = platform, prepared.served, prepared.request
        self._plan = prepared.plan
        self._owner, self._entry, self._exchange, self._admission = owner, entry, exchange, admission
        self._form, self._charge = form, charge
        self._fold = Fold()
        self._charged = False

    async def whole(self) -> None:
        fold = self._fold
        try:
            failed = await self._all(fold.add)
        finally:
            self._log()
        if failed is not None:
            raise failed.error
        body = self._form.whole(fold)
        await self._remember(fold)
        self._entry.status = 200
        self._exchange.respond(200, body, [JSON, *self._headers(fold)])

    async def _all(self, take: Take) -> Failed | None:
        """`take` the events, however the engine gives them; nobody reads them as they come."""
        asked = at_once(self._served.engine, self._request) if self._plan is None else None
        if asked is None:
            return await each(self._events(), self._platform.drain, self._exchange, take)
        return await together(asked, self._platform.drain, self._exchange, take)

    async def stream(self) -> None:
        form = self._form
        writer = form.writer()
        fold = self._fold = writer.fold
        choices, waiting = self._request.n, list[bytes]()

        def take(event: Event) -> None:
            waiting.extend(writer.write(event))

        def pause() -> None:
            # What ends the answer waits: nothing follows, so it leaves in one write with `[DONE]`.
            if waiting and fold.finished < choices:
                if not self._entry.status:
                    self._begin(fold)
                self._exchange.write(form.frames(waiting))
                waiting.clear()

        try:
            failed = await each(self._events(), self._platform.drain, self._exchange, take, pause)
        finally:
            self._log()
        if not (waiting or self._entry.status):
            raise failed.error if failed else UnexpectedOutput("invalid state transition: the engine answered nothing")
        whole = fold.finished == self._request.n
        if failed is None and not whole:
            failed = Failed(unfinished())
        if failed is not None:
            take(failed)
        if whole or fold.steps:
            # Before the client can know that the answer is whole, and come back with it.
            await self._remember(fold)
        self.charge()
        self._begin(fold)
        self._exchange.finish(form.frames(waiting) if failed else form.last(waiting))
        await self._exchange.drain()

    def _begin(self, fold: Fold) -> None:
        """Send the head once there is something of the answer; until then a failure can still be an error of its own,
        with a status."""
        if not self._entry.status:
            self._entry.status = 200
            self._entry.first = time.perf_counter()
            self._entry.reasked = fold.reasked
            self._exchange.start(200, [EVENT_STREAM, NO_CACHE, AT_ONCE, *self._headers(fold)])

    def _log(self) -> None:
        """What the events came to, however they end: whole, failed, or cut by the client."""
        self._entry.usage = self._fold.usage() if self._fold.began else None
        self._entry.steps = len(self._fold.charges()) if self._plan is not None else 0
        self._entry.reasked = self._fold.reasked

    def _events(self) -> AsyncGenerator[Event, None]:
        """The engine's, or those of the whole loop."""
        platform, engine, plan = self._platform, self._served.engine, self._plan
        if plan is None:
            return engine.stream(self._request)
        context = CallContext(key_id=self._owner, data_dir=platform.data_dir)
        calls = Calls(platform.fibers, platform.sealer, plan.functions, context)
        runs = plan.functions if plan.shared else None
        return ToolLoop(engine, calls, steps=plan.steps, runs=runs).stream(self._request)

    async def _remember(self, fold: Fold) -> None:
        """Once every choice is whole: keep what the next turn may ask for."""
        if fold.finished == self._request.n:
            self.charge()
            # Thousands of answers that nobody goes on from would push out those of conversations.
            turns = () if self._request.background else read_turns(fold, self._request.messages)
            for messages, answers in turns:
                asked = answers_as_asked(self._platform.sealer, answers, owner=self._owner)
                remember = self._platform.recall.remember
                if shown := self._request.media:
                    note = partial(remember, self._owner, messages, asked)
                    await off_loop(note, size=sum(len(media.data) for media in shown))
                else:
                    remember(self._owner, messages, asked)
            self.leave()
            await self._platform.recall.remembered()
            if self._admission is not None:
                await self._admission.ended()

    def charge(self) -> None:
        """Charge once for what has been generated: for a whole answer before it leaves, and else for what there was
        when the client left or the stream broke. A request that is answered with an error costs nothing."""
        charges = self._fold.charges()
        if not self._charged and charges:
            self._charged = True
            card = self._served.card
            charge = self._charge
            for usage in charges[:-1]:
                charge(self._owner, card.id, card.price, usage)
            charge(self._owner, card.id, card.price, charges[-1], searches=self._fold.handed_out(WEB_SEARCH))

    def leave(self) -> None:
        """There is room for another request of this key. A second call changes nothing."""
        if self._admission is not None:
            self._admission.leave(self._fold.charges() if self._charged else ())

    def _headers(self, fold: Fold) -> Headers:
        headers = self._entry.headers()
        if fold.prompt is not None or fold.steps:
            usage = fold.usage()
            headers.append((b"x-msh-usage-prompt-tokens", b"%d" % usage.prompt_tokens))
            headers.append((b"x-msh-usage-cached-tokens", b"%d" % usage.cached_tokens))
        return headers


def _check_engine(served: Served, request: ChatRequest) -> None:
    if request.logprobs is not None and not served.engine.gives_logprobs:
        raise InvalidRequest(
            f"Invalid request: the engine that serves '{request.model}' gives no logprobs; leave logprobs out, or send "
            "false"
        )
