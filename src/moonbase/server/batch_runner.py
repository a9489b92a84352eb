"""Batches, answered in the background by the path of chat completions (contract.md 5.5).

Each batch is run by one process, which has a claim on it, from status to status; what came of a request is in the index
before anybody is told and before it is charged. So a process that ends, in whatever way, leaves a batch that another
start takes up where it stood: what was under way is asked again, and nothing is answered or charged twice.

Requests of all batches share a few places, which the batches take in turn, a few of each key. One begins when no caller
waits for an answer, or when it has waited long enough for such a moment.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from moonbase.accounts.batch_index import Outcome, Record, Result
from moonbase.accounts.batches import Claim
from moonbase.accounts.money import BATCH_PERCENT
from moonbase.contract.batches import (
    ENDED,
    LineError,
    LineResponse,
    RequestLine,
    ResultLine,
    Unanswered,
    check_batched,
    check_lines,
    request_lines,
    unanswered,
)
from moonbase.contract.cards import Price
from moonbase.contract.errors import (
    ApiError,
    ClientClosed,
    EngineOverloaded,
    RateLimited,
    ServerError,
    Unavailable,
)
from moonbase.contract.events import Usage
from moonbase.server.batch_exchange import BatchExchange
from moonbase.server.batch_steps import checked, ended, finalizing
from moonbase.server.chat import ChatCompletions
from moonbase.server.journal import Entry
from moonbase.server.metrics import BATCH, Metrics
from moonbase.server.platform import Platform
from moonbase.server.traffic import Traffic
from moonbase.server.wire import too_large

logger = logging.getLogger("moonbase.server")

T = TypeVar("T")

LOOK = 5.0
"""Seconds between two looks at what other processes have left or asked for."""
MOST_RUNS = 2
"""Batches of one key that are under way at once; further ones stay as they are until one of them has ended."""
_REST = 60.0
_RESTING = 4
"""Requests of a batch that wait to be asked again while others are asked; with more of them its engine is away."""
_AT_ONCE = 1000
"""Results that are written in one go."""
_AGAIN = (EngineOverloaded, RateLimited, Unavailable)
"""Failures that have nothing to do with the request."""


class _Run(NamedTuple):
    owner: str
    task: asyncio.Task[None]
    stop: asyncio.Event
    """Set when the batch is to be cancelled."""


class _Place:
    """One of the places of `places`, taken already. Releasing it twice is once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True

    async def take(self) -> None:
        await self._places.acquire()
        self._held = True

    def release(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


class BatchRunner:
    """Runs the batches of `platform`; `look` when there is a new one, or one is to be cancelled."""

    def __init__(self, platform: Platform, chat: ChatCompletions, traffic: Traffic, metrics: Metrics) -> None:
        self._platform, self._store, self._chat, self._traffic = platform, platform.batches, chat, traffic
        self._metrics = metrics
        self._pace = platform.batch_pace
        self._places = asyncio.Semaphore(self._pace.at_once)
        self._again = asyncio.Lock()
        """Who is asked again is so alone: one that brings its engine down takes no other's last try with it."""
        self._files = asyncio.Lock()
        """Whole files are read and written one after the other: requests need threads too."""
        self._runs: dict[str, _Run] = {}
        self._looking = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Go on with what has not ended. Everything else must be ready."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Leave batches as they are, for the next start."""
        tasks = [run.task for run in self._runs.values()]
        if self._watching is not None:
            tasks.append(self._watching)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def look(self) -> None:
        """There is something new in the store."""
        self._looking.set()

    async def _watch(self) -> None:
        while True:
            self._looking.clear()
            try:
                await self._look_through()
            except ServerError:
                pass  # the store has said why; it is asked again soon
            except Exception:
                logger.exception("batches cannot be looked through")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._looking.wait()

    async def _look_through(self) -> None:
        for record in await self._store.under_way():
            batch = record.batch
            run = self._runs.get(batch.id)
            if run is not None:
                if batch.status == "cancelling":
                    run.stop.set()
            elif self._may_begin(record) and (claim := self._store.claim(batch.id)) is not None:
                stop = asyncio.Event()
                task = asyncio.create_task(self._run(batch.id, stop, claim))
                self._runs[batch.id] = _Run(record.owner, task, stop)

    def _may_begin(self, record: Record) -> bool:
        """What is left to do for a batch that is cancelled or has expired is always done; beyond that its key must be
        one that could ask now."""
        batch, owner = record.batch, record.owner
        if batch.status == "cancelling" or (batch.expires_at or 0) <= self._platform.clock():
            return True
        return self._platform.keys.knows(owner) and sum(r.owner == owner for r in self._runs.values()) < MOST_RUNS

    async def _run(self, batch_id: str, stop: asyncio.Event, claim: Claim) -> None:
        """One batch, to its end. Where the disk fails it stays as it is, and is taken up again."""
        try:
            record = await self._store.read(batch_id)
            while record.batch.status not in ENDED:
                record = await self._step(record, stop)
            self.look()  # another may begin
        except Exception:
            logger.exception("batch %s stands still, and is tried again in a minute", batch_id)
            await asyncio.sleep(_REST)
        finally:
            claim.release()
            del self._runs[batch_id]

    async def _step(self, record: Record, stop: asyncio.Event) -> Record:
        match record.batch.status:
            case "validating":
                return await self._validate(record)
            case "in_progress":
                return await self._answer(record, stop)
            case _:
                return await self._finish(record)

    async def _validate(self, record: Record) -> Record:
        async with self._files:
            total, errors = await asyncio.to_thread(self._check, record.batch.id)
        return await self._store.change(record.batch.id, partial(checked, total, errors, self._now()))

    def _check(self, batch_id: str) -> tuple[int, list[LineError]]:
        with self._store.open_input(batch_id) as file:
            return check_lines(file, self._check_model)

    def _check_model(self, model: str) -> None:
        self._platform.model(model)
        check_batched(model)

    async def _answer(self, record: Record, stop: asyncio.Event) -> Record:
        """Every request that has no result; or until the batch expires or is cancelled."""
        expires_at = record.batch.expires_at or 0
        left = expires_at - self._platform.clock()
        answering = asyncio.create_task(self._answer_lines(record))
        stopping = asyncio.create_task(stop.wait())
        try:
            if left > 0:
                await asyncio.wait((answering, stopping), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, stopping):
                task.cancel()
            await asyncio.wait((answering,))
        outcome: Outcome = "expired"
        if not answering.cancelled():
            answering.result()
            outcome = "completed"
        return await self._store.change(record.batch.id, partial(finalizing, outcome, self._now()))

    async def _answer_lines(self, record: Record) -> None:
        answered = await asyncio.to_thread(self._store.answered, record.batch.id)
        with await self._opened(record.batch.id) as file:
            lines = request_lines(file)
            begun = asyncio.Semaphore(self._pace.at_once + _RESTING)
            async with asyncio.TaskGroup() as group:
                while (line := await asyncio.to_thread(_next, lines, answered)) is not None:
                    await begun.acquire()
                    await self._places.acquire()
                    place = _Place(self._places)
                    task = group.create_task(self._answer_line(record, line, place))
                    # Not in the task itself: one that is cancelled before it begins never comes to its end.
                    task.add_done_callback(lambda _, place=place: (place.release(), begun.release()))

    async def _opened(self, batch_id: str) -> BinaryIO:
        """The input; closed again where whoever waits for it is cancelled meanwhile."""
        opening = asyncio.ensure_future(asyncio.to_thread(self._store.open_input, batch_id))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise

    async def _answer_line(self, record: Record, line: RequestLine, place: _Place) -> None:
        charges: list[Callable[[], None]] = []
        pauses = self._pace.pauses
        result = await self._asked(record, line, charges, last=not pauses)
        for number, pause in enumerate(pauses, 1):
            if result is not None:
                break
            place.release()
            await asyncio.sleep(pause)
            async with self._again:
                await place.take()
                result = await self._asked(record, line, charges, last=number == len(pauses))
        if result is not None:
            await _whole(asyncio.to_thread(self._keep, record.batch.id, result, charges))

    async def _asked(
        self, record: Record, line: RequestLine, charges: list[Callable[[], None]], *, last: bool
    ) -> Result | None:
        """None where the engine cannot answer now; the `last` time that is a result too."""
        await self._turn()

        def charge(owner: str, model: str, price: Price, usage: Usage, *, searches: int = 0) -> None:
            ledger = self._platform.ledger
            charges.append(partial(ledger.charge, owner, model, price, usage, searches=searches, percent=BATCH_PERCENT))

        exchange = BatchExchange()
        entry = Entry("BATCH", f"{record.batch.id}/{line.number}", record.owner)
        try:
            if len(line.body) > self._platform.max_body:
                raise too_large()
            await self._chat.in_background(line.body, exchange, owner=record.owner, entry=entry, charge=charge)
        except asyncio.CancelledError:
            entry.status, entry.error = ClientClosed.status, ClientClosed.type
            raise
        except ApiError as error:
            charges.clear()
            entry.status, entry.error = error.status, error.type
            if isinstance(error, _AGAIN):
                await self._stay()  # it may be this server that cannot
                if not last:
                    return None
                error = type(error)(f"{error.message} (asked {len(self._pace.pauses) + 1} times)")
            exchange.respond(error.status, error.encode(), [])
        except Exception as error:
            charges.clear()
            logger.error("a request of a batch failed unexpectedly", exc_info=error)
            failure = ServerError("the server failed unexpectedly; its log has the request id of this answer")
            entry.status, entry.error = failure.status, failure.type
            exchange.respond(failure.status, failure.encode(), [])
        finally:
            entry.write()
            self._metrics.note(entry, BATCH)
        response = LineResponse(status_code=exchange.status, request_id=entry.trace_id, body=msgspec.Raw(exchange.body))
        return Result(line.number, exchange.status != 200, _written(line.custom_id, response=response))

    async def _turn(self) -> None:
        """Wait until nobody else does."""
        await self._traffic.quiet(self._pace.patience)
        await self._stay()

    async def _stay(self) -> None:
        """Once the server leaves, do no more until it closes, which cancels who waits here."""
        if self._platform.drain.draining:
            await asyncio.Event().wait()

    def _keep(self, batch_id: str, result: Result, charges: list[Callable[[], None]]) -> None:
        """On a thread. What is not charged where the process is killed in between, was the server's to lose."""
        if self._store.add_results(batch_id, [result]):
            for charge in charges:
                charge()

    async def _finish(self, record: Record) -> Record:
        """Write the files of a batch, of which nothing is under way any more."""
        batch = record.batch
        output = errors = False
        if batch.in_progress_at is not None:
            async with self._files:
                await _whole(asyncio.to_thread(self._give_up, record))
                output = await self._write(record, record.output_id, "output", failed=False)
                errors = await self._write(record, record.error_id, "error", failed=True)
        return await self._store.change(batch.id, partial(ended, output, errors, self._now()))

    async def _write(self, record: Record, file_id: str, name: str, *, failed: bool) -> bool:
        """Whether there is something in the file."""
        batch_id = record.batch.id
        lines = self._store.results(batch_id, failed=failed)
        name = f"{batch_id}_{name}.jsonl"
        return await _whole(
            self._platform.files.write(record.owner, file_id, lines, filename=name, purpose="batch_output")
        )

    def _give_up(self, record: Record) -> None:
        """On a thread: requests that have no result yet get none any more."""
        batch_id = record.batch.id
        why = unanswered("batch_cancelled" if record.batch.status == "cancelling" else "batch_expired")
        answered = self._store.answered(batch_id)
        with self._store.open_input(batch_id) as file:
            lines = request_lines(file)
            while some := list(islice(iter(partial(_next, lines, answered), None), _AT_ONCE)):
                results = [Result(line.number, True, _written(line.custom_id, error=why)) for line in some]
                self._store.add_results(batch_id, results)

    def _now(self) -> int:
        return int(self._platform.clock())


async def _whole(work: Awaitable[T]) -> T:
    """What `work` gives; it comes to its end also where whoever waits for it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _close(opened: asyncio.Future[BinaryIO]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _next(lines: Iterator[RequestLine], answered: set[int]) -> RequestLine | None:
    return next((line for line in lines if line.number not in answered), None)


def _written(custom_id: str, *, response: LineResponse | None = None, error: Unanswered | None = None) -> bytes:
    line = ResultLine(id=f"batch_req_{secrets.token_hex(12)}", custom_id=custom_id, response=response, error=error)
    return msgspec.json.encode(line) + b"\n"
