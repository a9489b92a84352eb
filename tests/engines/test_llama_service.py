"""The worker's service over a llama.cpp that the test plays."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Piece
from moonbase.contract.request import Sampling
from moonbase.engines.llama.model import SpecialToken
from moonbase.engines.llama.outbox import Outbox
from moonbase.engines.llama.service import Service
from moonbase.engines.llama.wire import (
    Activity,
    Broke,
    Cancel,
    Count,
    Counted,
    Crowded,
    Delta,
    DetailedDelta,
    Done,
    Frames,
    FromWorker,
    Generate,
    Inspect,
    Load,
    Read,
    TooLong,
)

WAIT = 20
LOAD = Load(
    model="none",
    context=100,
    limit=100,
    slots=2,
    threads=1,
    batch=64,
    saved_prompts_bytes=0,
    special_tokens=(SpecialToken(900, "<think>", "control"),),
    bos_id=None,
    space_prefix=False,
    longest_token_bytes=4,
)


class Run:
    """One completion: its request, and the chunks that the test hands to it."""

    def __init__(self, body: bytes) -> None:
        self.body: dict[str, Any] = json.loads(body)
        self.chunks: queue.Queue[bytes | Exception | None] = queue.Queue()
        self.stopped = threading.Event()
        self._count = 0

    def read(self, cached: int = 0) -> None:
        total = len(self.body["prompt"])
        self._put({"prompt_progress": {"total": total, "cache": cached}})

    def say(self, text: str) -> None:
        """Letters of one byte are one token, and others as many as they have bytes."""
        for letter in text:
            self._count += len(letter.encode())
            verbose = {"content": letter, "tokens": [ord(letter)], "tokens_predicted": self._count}
            self._put({"choices": [{"finish_reason": None}], "__verbose": verbose})

    def finish(self, reason: str) -> None:
        verbose = {"content": "", "tokens_predicted": self._count}
        self._put({"choices": [{"finish_reason": reason}], "__verbose": verbose})

    def _put(self, chunk: object) -> None:
        self.chunks.put(msgspec.json.encode(chunk))


class Played:
    """A llama.cpp whose ids are code points. `runs`: the completions as they begin."""

    def __init__(self) -> None:
        self.runs: queue.Queue[Run] = queue.Queue()

    def tokenize(self, texts: list[str], special: bool) -> list[list[int]]:
        return [[900] if text == "<think>" and special else list(map(ord, text)) for text in texts]

    def complete(self, body: bytes, feed: Callable[[bytes], bool]) -> None:
        run = Run(body)
        self.runs.put(run)
        while (chunk := run.chunks.get(timeout=WAIT)) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            if feed(chunk):
                run.stopped.set()
                return

    def busy_slots(self) -> int:
        return 0


class Stage:
    """A service, its llama.cpp, and what it says."""

    def __init__(self) -> None:
        self.server = Played()
        self.said: queue.Queue[FromWorker] = queue.Queue()
        self.service = Service(LOAD, self.server, Outbox(self._hear))

    def _hear(self, data: bytes) -> None:
        for payload in Frames().feed(data):
            for message in msgspec.msgpack.decode(payload, type=list[FromWorker]):
                self.said.put(message)

    def ask(self, id: int, text: str = "hi", tokens: int = 50, **more: Any) -> None:
        marks, ends = more.get("marks", ()), more.get("ends", ())
        request = Generate(
            id,
            (Piece(text, False),),
            Sampling(),
            tokens,
            marks,
            ends,
            token_ids=more.get("token_ids", False),
            logprobs=more.get("logprobs"),
            grammar=more.get("grammar"),
            background=more.get("background", False),
        )
        self.service.take(request)

    def run(self) -> Run:
        return self.server.runs.get(timeout=WAIT)

    def hear(self, count: int) -> list[FromWorker]:
        return [self.said.get(timeout=WAIT) for _ in range(count)]

    def activity(self) -> tuple[int, int]:
        self.service.take(Inspect(99))
        message = self.said.get(timeout=WAIT)
        assert isinstance(message, Activity), message
        return message.active, message.queued


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.service.close()


def test_an_answer_from_prompt_to_end(stage: Stage) -> None:
    stage.ask(1, "hi<think>", marks=("<think>",))
    run = stage.run()
    run.read(cached=2)
    run.say("ab")
    run.finish("stop")
    assert stage.hear(4) == [Read(1, 9, 2), Delta(1, "a", 1, False), Delta(1, "b", 1, False), Done(1, "stop", 0)]
    assert run.body["prompt"] == [ord(letter) for letter in "hi<think>"]
    assert run.body["preserved_tokens"] == ["<think>"]
    assert run.body["n_predict"] == 50
    assert (run.body["top_k"], run.body["min_p"], run.body["samplers"]) == (0, 0.0, ["temperature"])
    run.chunks.put(None)


@pytest.mark.parametrize(("logprobs", "asked"), [(None, 0), (0, 1), (1, 1), (20, 20)])
def test_llama_cpp_is_asked_for_probabilities_only_when_the_request_is(
    stage: Stage, logprobs: int | None, asked: int
) -> None:
    stage.ask(1, logprobs=logprobs)
    run = stage.run()
    assert run.body["n_probs"] == asked
    run.chunks.put(None)


def test_the_ids_of_a_character_in_several_tokens_come_from_the_tokenizer(stage: Stage) -> None:
    stage.ask(1, token_ids=True)
    run = stage.run()
    run.say("a🌙")
    run.finish("stop")
    assert stage.hear(3) == [
        DetailedDelta(1, "a", 1, False, (ord("a"),), ()),
        DetailedDelta(1, "🌙", 4, False, (ord("🌙"),), ()),
        Done(1, "stop", 0),
    ]


def test_the_budget_is_what_the_context_leaves(stage: Stage) -> None:
    stage.ask(1, "x" * 90, tokens=1000)
    run = stage.run()
    assert run.body["n_predict"] == 10
    run.chunks.put(None)


@pytest.mark.parametrize(("length", "said"), [(100, 100), (101, 101), (4000, 1000)])
def test_a_prompt_too_long_never_reaches_llama_cpp(stage: Stage, length: int, said: int) -> None:
    stage.ask(1, "x" * length)
    assert stage.hear(1) == [TooLong(1, 100, said)]
    assert stage.server.runs.empty()


def test_a_third_request_waits_for_a_slot(stage: Stage) -> None:
    for id in (1, 2, 3):
        stage.ask(id)
    runs = [stage.run(), stage.run()]
    assert stage.activity() == (2, 1)
    runs[0].finish("stop")
    stage.hear(1)
    third = stage.run()
    for run in (runs[1], third):
        run.chunks.put(None)


def test_a_cancelled_run_stops_at_its_next_chunk(stage: Stage) -> None:
    stage.ask(1)
    run = stage.run()
    stage.service.take(Cancel(1))
    run.read()
    assert run.stopped.wait(WAIT)
    stage.ask(2)
    stage.run().chunks.put(None)
    assert stage.hear(1) == [Broke(2, "llama.cpp ended the answer without a reason")]


def test_a_cancelled_request_leaves_the_line(stage: Stage) -> None:
    runs: list[Run] = []
    for id in (1, 2):  # one after the other: requests are prepared by several threads
        stage.ask(id)
        runs.append(stage.run())
    stage.ask(3)
    while stage.activity() != (2, 1):
        pass
    stage.service.take(Cancel(3))
    assert stage.activity() == (2, 0)
    stage.service.take(Cancel(3))
    for run in runs:
        run.chunks.put(None)


def test_a_paused_request_comes_back_with_what_it_had_said(stage: Stage) -> None:
    stage.ask(1, "x" * 40, tokens=60)
    first = stage.run()
    stage.ask(2, "y" * 20, tokens=60)
    second = stage.run()
    second.read()
    second.say("abc")
    assert stage.hear(4) == [Read(2, 20, 0), *(Delta(2, letter, 1, False) for letter in "abc")]
    first.say("m" * 30)
    stage.hear(30)
    second.say("d")
    assert second.stopped.wait(WAIT), "93 cells of 100 are taken: the newer one makes room"
    first.finish("length")
    assert stage.hear(1) == [Done(1, "length", 0)]
    again = stage.run()
    assert again.body["prompt"] == [ord(letter) for letter in "y" * 20 + "abc"]
    assert again.body["n_predict"] == 57
    again.read()
    again.say("d")
    again.finish("stop")
    assert stage.hear(2) == [Delta(2, "d", 1, False), Done(2, "stop", 0)]


def test_a_request_in_the_background_gives_its_slot_away_and_comes_back(stage: Stage) -> None:
    stage.ask(1, "x" * 10, tokens=30, background=True)
    behind = stage.run()
    stage.ask(2, "y" * 10)
    first = stage.run()
    behind.read()
    behind.say("abc")
    assert stage.hear(4)[-1] == Delta(1, "c", 1, False)
    stage.ask(3, "z" * 10)
    while stage.activity() != (2, 1):
        pass
    behind.say("d")
    assert behind.stopped.wait(WAIT), "who waits for an answer goes first"
    second = stage.run()
    assert second.body["prompt"] == [ord("z")] * 10
    first.finish("stop")
    assert stage.hear(1) == [Done(2, "stop", 0)]
    again = stage.run()
    assert again.body["prompt"] == [ord(letter) for letter in "x" * 10 + "abc"]
    assert again.body["n_predict"] == 27
    again.read()
    again.say("d")
    again.finish("stop")
    assert stage.hear(2) == [Delta(1, "d", 1, False), Done(1, "stop", 0)]
    second.chunks.put(None)


GRAMMAR = Grammar("begin: thinking\nthinking: until_0 answer\nanswer: free", ("<think>",), {"": "thinking"})


def test_a_grammar_goes_along_with_the_ids_of_its_marks(stage: Stage) -> None:
    stage.ask(1, grammar=GRAMMAR)
    run = stage.run()
    assert run.body["grammar"].startswith("%llguidance {}\nstart: begin\nbegin: thinking\n")
    assert "mark_0: <[900]>" in run.body["grammar"]
    run.finish("stop")
    stage.ask(2)
    run = stage.run()
    assert run.body["grammar"] == ""
    run.finish("stop")


def crowd(stage: Stage, grammar: Grammar) -> Run:
    """Two requests in one grammar; the first grows until the second, which has said "abc", must make room."""
    stage.ask(1, "x" * 40, tokens=60, grammar=grammar)
    first = stage.run()
    stage.ask(2, "y" * 20, tokens=60, grammar=grammar)
    second = stage.run()
    second.say("abc")
    stage.hear(3)
    first.say("m" * 30)
    stage.hear(30)
    second.say("d")
    assert second.stopped.wait(WAIT)
    return first


def test_a_paused_request_goes_on_in_its_grammar(stage: Stage) -> None:
    crowd(stage, GRAMMAR).finish("length")
    assert stage.hear(1) == [Done(1, "length", 0)]
    again = stage.run()
    assert again.body["grammar"].startswith("%llguidance {}\nstart: thinking\n")
    again.finish("stop")


def test_what_is_forced_cannot_be_taken_up_again(stage: Stage) -> None:
    first = crowd(stage, Grammar("begin: %json {}"))
    assert stage.hear(1) == [Crowded(2)]
    first.finish("stop")


def test_another_makes_room_for_what_is_forced(stage: Stage) -> None:
    """Not the newest, if that is in the middle of JSON."""
    stage.ask(1, "x" * 40, tokens=60)
    first = stage.run()
    stage.ask(2, "y" * 20, tokens=60, grammar=Grammar("begin: %json {}"))
    second = stage.run()
    second.say("[" * 25)
    stage.hear(25)
    first.say("m" * 10)
    assert first.stopped.wait(WAIT)
    second.finish("stop")
    stage.run().finish("stop")


def test_a_failure_inside_fails_one_request_and_frees_its_slot(stage: Stage) -> None:
    stage.ask(1)
    stage.run().chunks.put(ValueError("no"))
    assert stage.hear(1) == [Broke(1, "ValueError: no")]
    stage.ask(2)
    stage.run().chunks.put(b"no JSON")
    (broke,) = stage.hear(1)
    assert isinstance(broke, Broke)
    stage.ask(3)
    stage.run().chunks.put(None)


def test_an_error_that_llama_cpp_reports(stage: Stage) -> None:
    stage.ask(1)
    stage.run().chunks.put(b'{"error":{"code":500,"message":"Compute error."}}')
    assert stage.hear(1) == [Broke(1, "Compute error.")]


def test_counting(stage: Stage) -> None:
    stage.service.take(Count(5, (Piece("<think>", True), Piece("hello", False))))
    assert stage.hear(1) == [Counted(5, 6)]
