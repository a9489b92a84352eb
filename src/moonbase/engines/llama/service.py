"""The worker's side of the engine: requests into completions, on threads, and chunks into messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from moonbase.contract.prompts import Prompt
from moonbase.engines.llama.answer import Answer
from moonbase.engines.llama.completion import completion_body
from moonbase.engines.llama.details import Details
from moonbase.engines.llama.lark import lark
from moonbase.engines.llama.outbox import Outbox
from moonbase.engines.llama.place import Place
from moonbase.engines.llama.schedule import Schedule
from moonbase.engines.llama.tokenizer import Tokenizer, Tokens, join, pack
from moonbase.engines.llama.wire import (
    Activity,
    Broke,
    Cancel,
    Count,
    Counted,
    Crowded,
    Generate,
    Inspect,
    Load,
    TooLong,
    ToWorker,
)


class CompletionServer(Protocol):
    """What is asked of llama.cpp (`native.LlamaServer`)."""

    def tokenize(self, texts: list[str], special: bool) -> list[list[int]]: ...

    def complete(self, body: bytes, feed: Callable[[bytes], bool]) -> None: ...

    def busy_slots(self) -> int: ...


class Job:
    """A request on its way: its prompt in tokens, its answer so far, and whether it is to stop."""

    def __init__(self, request: Generate, answer: Answer) -> None:
        self.request = request
        self.answer = answer
        self.prompt = pack([])
        self.budget = request.max_tokens
        self.cancelled = False
        self.pausing = False

    @property
    def can_resume(self) -> bool:
        """Whether the answer could be paused now and taken up again later."""
        return self.answer.place is None or self.answer.place.rule is not None


class Service:
    """Serves the messages of one engine with one llama.cpp server; answers leave through `outbox`."""

    def __init__(self, load: Load, server: CompletionServer, outbox: Outbox) -> None:
        self._load = load
        self._server = server
        self._outbox = outbox
        self._tokenizer = Tokenizer(
            server.tokenize, load.special_tokens, bos_id=load.bos_id, space_prefix=load.space_prefix
        )
        self._special = {token.text: token for token in load.special_tokens}
        self._texts = {token.id: token.text for token in load.special_tokens}
        self._schedule = Schedule(load.slots, load.context)
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._preparing = ThreadPoolExecutor(2, "prepare")
        self._running = ThreadPoolExecutor(load.slots, "slot")

    def take(self, message: ToWorker) -> None:
        """Begin to serve one message; the answers leave through the outbox."""
        match message:
            case Generate():
                job = Job(message, self._answer(message))
                with self._lock:
                    self._jobs[message.id] = job
                self._preparing.submit(self._guarded, message.id, self._prepare, job)
            case Cancel():
                self._cancel(message.id)
            case Count():
                self._preparing.submit(self._guarded, message.id, self._count, message)
            case Inspect():
                self._preparing.submit(self._guarded, message.id, self._inspect, message)
            case Load():
                pass

    def close(self) -> None:
        """Wait for what is under way; nothing new is taken."""
        self._preparing.shutdown()
        self._running.shutdown()

    def _answer(self, request: Generate) -> Answer:
        spelled = any(text not in self._special for text in request.marks)
        place = None if request.grammar is None else Place(request.grammar, spelled=spelled)
        marks, ends = self._named(request.marks), self._named(request.end_marks)
        return Answer(request.id, marks, ends, self._details(request), place=place, spelled=spelled)

    def _named(self, texts: tuple[str, ...]) -> dict[int, str]:
        return {self._special[text].id: text for text in texts if text in self._special}

    def _details(self, message: Generate) -> Details | None:
        if not message.token_ids and message.logprobs is None:
            return None
        return Details(self._tokenizer.continuing if message.token_ids else None, message.logprobs, self._texts)

    def _guarded(self, id: int, work: Callable[..., None], argument: object) -> None:
        """Run `work`; a defect of ours or of the engine's fails the one request and nothing else."""
        try:
            work(argument)
        except Exception as error:
            self._outbox.send(Broke(id, f"{type(error).__name__}: {error}"))
            self._leave(id)

    def _prepare(self, job: Job) -> None:
        request = job.request
        size = self._measure(request.prompt)
        if size is None:
            job.prompt = self._tokenizer.encode(request.prompt)
            size = job.prompt.length
        if size >= self._load.limit:
            self._outbox.send(TooLong(request.id, self._load.limit, size))
            self._leave(request.id)
            return
        job.budget = min(request.max_tokens, self._load.limit - size)
        with self._lock:
            if job.cancelled:
                del self._jobs[request.id]
            else:
                self._schedule.add(request.id, size, background=request.background)
        self._admit()

    def _measure(self, prompt: Prompt) -> int | None:
        """A lower bound on the tokens of a prompt that is too long by far; None where it must be tokenised to know."""
        least = sum(len(piece.text) for piece in prompt) // self._load.longest_token_bytes
        return least if least > self._load.limit else None

    def _admit(self) -> None:
        with self._lock:
            jobs = [self._jobs[id] for id in self._schedule.admit()]
            self._make_room()
        for job in jobs:
            self._running.submit(self._guarded, job.request.id, self._run, job)

    def _run(self, job: Job) -> None:
        request = job.request
        body = self._server_body(job)
        if not job.cancelled:
            self._server.complete(body, lambda chunk: self._feed(job, chunk))
        if job.pausing and not (job.answer.over or job.cancelled):
            if job.can_resume:
                return self._pause(job)
            self._outbox.send(Crowded(request.id))
            return self._leave(request.id)
        if not (job.answer.over or job.cancelled):
            self._outbox.send(Broke(request.id, "llama.cpp ended the answer without a reason"))
        return self._leave(request.id)

    def _server_body(self, job: Job) -> bytes:
        request = job.request
        shown = [text for text in (*request.marks, *request.end_marks) if text in self._special]
        context, logprobs = self._load.context, request.logprobs
        return completion_body(job.prompt, request.sampling, job.budget, shown, context, logprobs, self._lark(job))

    def _lark(self, job: Job) -> str | None:
        """The grammar of what is still to come."""
        grammar, place = job.request.grammar, job.answer.place
        if grammar is None or place is None or place.rule is None:
            return None
        ends = {*self._load.end_ids, *self._named(job.request.end_marks)}
        return lark(grammar, self._special, tuple(sorted(ends)), place.rule)

    def _feed(self, job: Job, chunk: bytes) -> bool:
        """One chunk from llama.cpp, on the slot's thread; True stops the generation."""
        if job.cancelled or job.pausing:
            return True
        answer = job.answer
        before = answer.seen
        if messages := answer.feed(chunk):
            self._outbox.send(*messages)
        if grown := answer.seen - before:
            self._grow(job, grown)
        return answer.over

    def _grow(self, job: Job, tokens: int) -> None:
        id = job.request.id
        with self._lock:
            self._schedule.hold(id, not job.can_resume)
            paused = self._schedule.grow(id, tokens)
            if paused is not None:
                self._jobs[paused].pausing = True
            self._make_room()  # who could not be paused before may be now

    def _make_room(self) -> None:
        """The lock is held."""
        for id in self._schedule.make_room():
            self._jobs[id].pausing = True

    def _pause(self, job: Job) -> None:
        """Back into the line, with what has been generated as part of the prompt."""
        job.prompt = join([job.prompt, *self._tokens_of(job.answer.generated)])
        job.budget -= job.answer.resume()
        job.pausing = False
        with self._lock:
            self._schedule.requeue(job.request.id)
        self._admit()

    def _tokens_of(self, generated: list[tuple[int | None, str]]) -> Iterator[Tokens]:
        for id, text in generated:
            yield pack([id] if id is not None else self._tokenizer.continuing(text))

    def _cancel(self, id: int) -> None:
        with self._lock:
            job = self._jobs.get(id)
            if job is None:
                return
            job.cancelled = True
            if self._schedule.withdraw(id):
                del self._jobs[id]

    def _leave(self, id: int) -> None:
        with self._lock:
            self._jobs.pop(id, None)
            self._schedule.withdraw(id)
            self._schedule.leave(id)
        self._admit()

    def _count(self, message: Count) -> None:
        self._outbox.send(Counted(message.id, self._tokenizer.encode(message.prompt).length))

    def _inspect(self, message: Inspect) -> None:
        busy = self._server.busy_slots()
        with self._lock:
            active, known = self._schedule.active, len(self._jobs)
        self._outbox.send(Activity(message.id, busy, active, known - active))
