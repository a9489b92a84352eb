"""Ids and log probabilities out of llama.cpp's chunks: as the test writes them, and as a real worker gives them."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moonbase.contract.engine import TextDelta, TextDone
from moonbase.contract.logprobs import LOWEST, Alternative, TokenLogprob
from moonbase.contract.request import Sampling
from moonbase.engines.llama.answer import Answer
from moonbase.engines.llama.details import Chance, Details
from moonbase.engines.llama.wire import DetailedDelta, Done
from tests.engines import gguf_fixture
from tests.engines.llama_help import asking, hear, running

MOON = [gguf_fixture.byte_alphabet()[byte] for byte in "🌙".encode()]
MARKS = ("<think>", "</think>")
ENDS = ("<|im_end|>",)
TEXTS, _, _ = gguf_fixture.vocabulary(gguf_fixture.SMALLEST.vocabulary)
ID = {text: index for index, text in enumerate(TEXTS)}
THINK, END, HIDDEN = 7, 8, 50


def code_points(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def answer(*, ids: bool = True, top: int | None = None) -> Answer:
    details = Details(code_points if ids else None, top, {HIDDEN: "<|hidden|>"})
    return Answer(1, marks={THINK: "<think>"}, ends={END: "<|im_end|>"}, details=details)


def chunk(text: str, id: int, count: int, logprobs: Any = None) -> bytes:
    verbose = {"content": text, "tokens": [id], "tokens_predicted": count, "stop": False}
    choice = {"text": text, "finish_reason": None, "logprobs": logprobs}
    return json.dumps({"choices": [choice], "__verbose": verbose}).encode()


def last(reason: str, count: int) -> bytes:
    verbose = {"content": "", "tokens_predicted": count}
    return json.dumps({"choices": [{"finish_reason": reason}], "__verbose": verbose}).encode()


class TestIds:
    def test_of_text_and_marks(self) -> None:
        subject = answer()
        assert subject.feed(chunk("a", 3, 1)) == [DetailedDelta(1, "a", 1, False, (3,), ())]
        assert subject.feed(chunk("<think>", THINK, 2)) == [DetailedDelta(1, "<think>", 1, True, (THINK,), ())]

    def test_of_a_hidden_token_with_what_follows_or_at_the_end(self) -> None:
        subject = answer()
        assert subject.feed(chunk("", HIDDEN, 1)) == []
        assert subject.feed(chunk("a", 3, 2)) == [DetailedDelta(1, "a", 2, False, (HIDDEN, 3), ())]
        assert subject.feed(chunk("", 99, 3)) == []
        assert subject.feed(last("stop", 3)) == [Done(1, "stop", 1, (99,))]

    def test_of_an_end_mark(self) -> None:
        assert answer().feed(chunk("<|im_end|>", END, 1)) == [Done(1, "stop", 1, (END,))]

    def test_of_a_character_of_several_tokens_are_found_again(self) -> None:
        subject = answer()
        assert subject.feed(chunk("🌙", 99, 4)) == [DetailedDelta(1, "🌙", 4, False, (ord("🌙"),), ())]

    def test_of_bytes_that_are_no_character_are_lost_but_for_the_known_one(self) -> None:
        subject = answer()
        assert subject.feed(chunk("\ufffd<think>", THINK, 3)) == [
            DetailedDelta(1, "<think>", 3, True, (THINK,), ()),
        ]
        assert subject.feed(chunk("\ufffda", 3, 5)) == [DetailedDelta(1, "a", 2, False, (3,), ())]

    def test_go_on_over_a_pause(self) -> None:
        subject = answer()
        subject.feed(chunk("a", 3, 1))
        subject.feed(chunk("", HIDDEN, 2))
        subject.resume()
        assert subject.feed(chunk("b", 4, 1)) == [DetailedDelta(1, "b", 2, False, (HIDDEN, 4), ())]


def chance(id: int, token: str, logprob: float, *others: Any) -> Any:
    return {"id": id, "token": token, "bytes": list(token.encode()), "logprob": logprob, "top_logprobs": list(others)}


GIVEN = {"content": [chance(3, "a", -0.5, chance(3, "a", -0.5), chance(HIDDEN, "", -3.4e38))]}


class TestLogprobs:
    @pytest.mark.parametrize("top", [0, 1, 2])
    def test_of_text(self, top: int) -> None:
        """An impossible token has the lowest number, a special one its name."""
        alternatives = (Alternative("a", -0.5, (97,)), Alternative("<|hidden|>", LOWEST, tuple(b"<|hidden|>")))[:top]
        token = TokenLogprob("a", -0.5, (97,), alternatives)
        subject = answer(ids=False, top=top)
        assert subject.feed(chunk("a", 3, 1, GIVEN)) == [DetailedDelta(1, "a", 1, False, (), (token,))]

    def test_of_hidden_tokens_and_marks_are_not_listed(self) -> None:
        subject = answer(ids=False, top=0)
        assert subject.feed(chunk("", HIDDEN, 1, GIVEN)) == []
        assert subject.feed(chunk("<think>", THINK, 2, GIVEN)) == [DetailedDelta(1, "<think>", 2, True, (), ())]

    def test_nothing_given_is_nothing_listed(self) -> None:
        details = Details(None, 2, {})
        details.token(3, "a", 1, ())
        details.token(3, "b", 1, (Chance(),))
        assert details.take() == ((), (TokenLogprob("b", LOWEST, (98,)),))
        assert details.take() == ((), ())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    thought = ["a", "<think>", "b", *MOON, "c", "</think>", "<|hidden|>", "d", "<note>", "e", "<|im_end|>"]
    gguf_fixture.write_chain(folder / "chain.gguf", [thought, ["2", "[EOS]"]])
    gguf_fixture.write_flat(folder / "flat.gguf")
    gguf_fixture.write_random(folder / "random.gguf", ends=False)
    return folder


async def test_a_worker_says_every_id(models: Path) -> None:
    """Also of a character in four tokens, a hidden token, marks and the end."""
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("a", tokens=40, marks=MARKS, end_marks=ENDS, token_ids=True))
        plain = await hear(engine, asking("a", tokens=40, marks=MARKS, end_marks=ENDS))
        ended = await hear(engine, asking("2", token_ids=True))
    thought = ["<think>", "b", *MOON, "c", "</think>", "<|hidden|>", "d", "<note>", "e", "<|im_end|>"]
    ids = [id for event in heard.events if isinstance(event, TextDelta | TextDone) for id in event.token_ids]
    assert ids == [ID[text] for text in thought]
    assert [len(delta.token_ids) == delta.tokens for delta in heard.deltas] == [True] * 8
    assert [(delta.text, delta.tokens, delta.mark) for delta in heard.deltas] == [
        (delta.text, delta.tokens, delta.mark) for delta in plain.deltas
    ]
    assert not any(delta.token_ids or delta.logprobs for delta in plain.deltas)
    assert ended.done == TextDone("stop", 1, (ID["[EOS]"],))


async def test_ids_and_logprobs_of_requests_that_are_paused(models: Path) -> None:
    """Four answers of 300 tokens in 640 cells: some are paused, and no token's details are lost or come twice."""
    async with running(models / "chain.gguf", context=640, slots=4) as engine:
        request = asking("A", tokens=300, token_ids=True, logprobs=1)
        answers = await asyncio.gather(*(hear(engine, request) for _ in range(4)))
    for heard in answers:
        assert [id for delta in heard.deltas for id in delta.token_ids] == [ID[letter] for letter in heard.text]
        assert [entry.token for delta in heard.deltas for entry in delta.logprobs] == list(heard.text)
        assert heard.tokens == len(heard.text) == 300


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0])
async def test_logprobs_are_the_softmax_of_the_logits_before_temperature(models: Path, temperature: float) -> None:
    """The flat model gives every token but the marks the logit 0, and the marks one too low to count."""
    sampling = Sampling(temperature=temperature, top_p=0.5, seed=5)
    async with running(models / "flat.gguf") as engine:
        heard = await hear(engine, asking("a", tokens=8, sampling=sampling, logprobs=20))
    marks = len(gguf_fixture.CONTROL) + len(gguf_fixture.USER_DEFINED)
    expected = -math.log(gguf_fixture.SMALLEST.vocabulary - marks)
    entries = [entry for delta in heard.deltas for entry in delta.logprobs]
    assert entries
    for entry in entries:
        assert entry.logprob == pytest.approx(expected, abs=1e-4)
        assert [other.logprob for other in entry.top_logprobs] == pytest.approx([expected] * 20, abs=1e-4)


async def test_greedy_tokens_are_the_likeliest_and_the_numbers_are_those_of_the_weights(models: Path) -> None:
    """Worked out again from the file's weights: the chain model has no attention, so a token's logits depend on it."""
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("A", tokens=12, logprobs=20))
    logits = chain_logits(models / "chain.gguf")
    before = "A"
    for delta in heard.deltas:
        (entry,) = delta.logprobs
        expected = log_softmax(logits[ID[before]])
        assert (entry.token, bytes(entry.bytes)) == (delta.text, delta.text.encode())
        assert entry.logprob == pytest.approx(expected[ID[delta.text]], abs=0.02)
        top = [other.logprob for other in entry.top_logprobs]
        assert top == sorted(top, reverse=True)
        assert top == pytest.approx(sorted(expected, reverse=True)[:20], abs=0.02)
        assert sum(map(math.exp, top)) <= 1.0001
        assert entry.top_logprobs[0].token == entry.token
        before = delta.text
    assert len(heard.deltas) == 12


def log_softmax(logits: gguf_fixture.Array) -> list[float]:
    shifted = logits - logits.max()
    return list((shifted - np.log(np.exp(shifted).sum())).astype(float))


def chain_logits(path: Path) -> gguf_fixture.Array:
    """The logits that follow each token: the output weights times its embedding, normed."""
    tensors = {tensor.name: tensor for tensor in gguf_fixture.gguf.GGUFReader(path).tensors}
    embedding = np.asarray(tensors["token_embd.weight"].data, np.float32)
    output = np.asarray(tensors["output.weight"].data, np.float32)
    normed = embedding / np.sqrt((embedding**2).mean(axis=1, keepdims=True) + 1e-5)
    return (normed @ output.T).astype(np.float32)


async def test_the_tokens_join_to_the_text(models: Path) -> None:
    """A character of several tokens is one entry; marks and hidden tokens are none."""
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("a", tokens=40, marks=MARKS, end_marks=ENDS, logprobs=0))
    for delta in heard.deltas:
        assert "".join(entry.token for entry in delta.logprobs) == ("" if delta.mark else delta.text)
        assert all(entry.top_logprobs == () for entry in delta.logprobs)
    assert [delta.text for delta in heard.deltas if delta.logprobs] == ["b", "🌙", "c", "d", "<note>", "e"]
