"""The embedded engine over real models, tiny ones: what it yields is what the protocol promises."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from moonbase.contract.engine import TextDelta, TextDone, TextEngine, TextRequest
from moonbase.contract.errors import InvalidRequest, Unavailable
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.prompts import Piece
from moonbase.contract.request import Sampling
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
from tests.engines import gguf_fixture
from tests.engines.llama_help import GREEDY, asking, hear, hear_some, running, until_idle

MOON = [gguf_fixture.byte_alphabet()[byte] for byte in "🌙".encode()]
BROKEN = MOON[:2]
MARKS = ("<think>", "</think>")
ENDS = ("<|im_end|>",)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`chain`: after "a" a thought with a moon in it; "0" leads into a broken character. `random`: real attention."""
    folder = tmp_path_factory.mktemp("models")
    thought = ["a", "<think>", "b", *MOON, "c", "</think>", "<|hidden|>", "d", "<note>", "e", "<|im_end|>"]
    broken = ["0", "Â", "<|im_user|>", "1", "Ã", "<|im_system|>"]
    gguf_fixture.write_chain(folder / "chain.gguf", [thought, broken, ["2", "[EOS]"]])
    gguf_fixture.write_random(folder / "random.gguf", ends=False)
    gguf_fixture.write_random(folder / "small.gguf", gguf_fixture.Shape(context=256), ends=False)
    return folder


async def test_it_is_a_text_engine(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        text_engine: TextEngine = engine
        assert text_engine.context_length == 4096
        assert engine.model.chat_template == gguf_fixture.TEMPLATE


async def test_an_answer_with_marks_a_split_character_and_a_hidden_token(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("a", tokens=40, marks=MARKS, end_marks=ENDS))
    assert heard.events == [
        PromptRead(1, 0),
        TextDelta("<think>", 1, True),
        TextDelta("b", 1, False),
        TextDelta("🌙", 4, False),
        TextDelta("c", 1, False),
        TextDelta("</think>", 1, True),
        TextDelta("d", 2, False),
        TextDelta("<note>", 1, False),
        TextDelta("e", 1, False),
        TextDone("stop", 1),
    ]


async def test_marks_not_asked_for_stay_hidden_and_are_counted(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("a", tokens=40, end_marks=ENDS))
    assert heard.text == "b🌙cd<note>e"
    assert heard.tokens == 13


async def test_a_mark_behind_a_broken_character_is_still_a_mark(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("0", tokens=20, marks=("<|im_user|>",), end_marks=("<|im_system|>",)))
    assert [(delta.text, delta.mark) for delta in heard.deltas][:2] == [("<|im_user|>", True), ("1", False)]
    assert (heard.done.reason, heard.tokens) == ("stop", 5)


async def test_the_models_own_end_ends(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("2"))
    assert heard.events == [PromptRead(1, 0), TextDone("stop", 1)]


@pytest.mark.parametrize("tokens", [1, 7])
async def test_the_budget_ends(models: Path, tokens: int) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("A", tokens=tokens))
    assert heard.text == "BCDEFGH"[:tokens]
    assert (heard.done.reason, heard.tokens) == ("length", tokens)


async def test_the_context_ends(models: Path) -> None:
    async with running(models / "small.gguf") as engine:
        heard = await hear(engine, asking("x" * 200, tokens=10_000))
    assert (heard.read.prompt_tokens, heard.done.reason, heard.tokens) == (200, "length", 56)


@pytest.mark.parametrize("length", [256, 5_000, 2_000_000])
async def test_a_prompt_too_long_fails_before_anything_else(models: Path, length: int) -> None:
    async with running(models / "small.gguf") as engine:
        heard = await hear(engine, asking("x" * length))
        assert len(heard.events) == 1
        assert isinstance(heard.failed.error, InvalidRequest)
        assert "exceeded model token limit: 256 (requested: " in heard.failed.error.message
        assert (await hear(engine, asking("x", tokens=1))).tokens == 1


async def test_what_counts_is_what_is_read(models: Path) -> None:
    prompt = (Piece("<|im_user|>", True), Piece("the moon 🌙 <think> <note>", False), Piece("<|im_end|>", True))
    async with running(models / "random.gguf") as engine:
        counted = await engine.count(prompt)
        heard = await hear(engine, TextRequest(prompt, GREEDY, 1))
        empty = await engine.count(())
    assert counted == heard.read.prompt_tokens
    assert empty == 0


async def test_marks_in_content_are_letters_and_marks_in_structure_are_one_token(models: Path) -> None:
    marks = [*gguf_fixture.CONTROL, *gguf_fixture.USER_DEFINED]
    async with running(models / "random.gguf") as engine:
        for mark in marks:
            assert await engine.count((Piece(mark, True),)) == 1, mark
            assert await engine.count((Piece(mark, False),)) > 1, mark
        plain = await engine.count((Piece(" the moon keeps the log", False),))
        assert await engine.count((Piece(" the moon", False), Piece(" keeps the log", False))) == plain


async def test_the_next_turn_reads_only_what_is_new(models: Path) -> None:
    async with running(models / "random.gguf") as engine:
        turn = "a conversation about the moon. " * 60
        first = await hear(engine, asking(turn))
        second = await hear(engine, asking(turn, first.text, "and then?"))
    assert first.read.cached_tokens == 0
    assert second.read.cached_tokens >= first.read.prompt_tokens - 1


async def test_conversations_that_take_turns_keep_their_caches(models: Path) -> None:
    async with running(models / "random.gguf", slots=3) as engine:
        histories = [f"{name} talks of other things entirely, at length. " * 8 for name in ("Ada", "Bo", "Cy")]
        for turn in range(3):
            for index, history in enumerate(histories):
                heard = await hear(engine, asking(history, tokens=5))
                assert turn == 0 or heard.read.cached_tokens > 0.9 * heard.read.prompt_tokens - 40
                histories[index] += heard.text + " Go on."


async def test_more_conversations_than_slots_keep_their_caches_in_main_memory(models: Path) -> None:
    async with running(models / "random.gguf", slots=1) as engine:
        histories = [f"{name} talks of other things entirely, at length. " * 8 for name in ("Ada", "Bo")]
        for history in histories:
            await hear(engine, asking(history, tokens=3))
        heard = [await hear(engine, asking(history, tokens=3)) for history in histories]
    assert all(each.read.cached_tokens >= each.read.prompt_tokens - 1 for each in heard)


async def test_more_requests_than_slots_are_all_served(models: Path) -> None:
    async with running(models / "chain.gguf", slots=2) as engine:
        heard = await asyncio.gather(*(hear(engine, asking(letter, tokens=5)) for letter in "ABCDEFGH"))
        assert [each.text for each in heard] == [
            "".join(chr(ord(letter) + step) for step in range(1, 6)) for letter in "ABCDEFGH"
        ]
        await until_idle(engine)


async def test_long_answers_together_exceed_the_cache_and_all_come_through(models: Path) -> None:
    """Four answers of 300 tokens in 640 cells: some are paused and taken up again, none is lost or changed."""
    async with running(models / "chain.gguf", slots=4, context=640) as engine:
        alone = [await hear(engine, asking(letter, tokens=300)) for letter in "ABCD"]
        heard = await asyncio.gather(*(hear(engine, asking(letter, tokens=300)) for letter in "ABCD"))
    assert [each.text for each in heard] == [each.text for each in alone]
    assert [(each.done.reason, each.tokens) for each in heard] == [("length", 300)] * 4


async def test_a_seed_repeats_and_its_absence_does_not(models: Path) -> None:
    async with running(models / "random.gguf") as engine:
        seeded = [await hear(engine, asking("x", sampling=Sampling(seed=11))) for _ in range(2)]
        fresh = [await hear(engine, asking("x", sampling=Sampling())) for _ in range(2)]
    assert seeded[0].text == seeded[1].text
    assert fresh[0].text != fresh[1].text


async def test_sampling_draws_from_the_whole_vocabulary(tmp_path: Path) -> None:
    """A flat model at temperature 1 must not be cut to llama.cpp's default of 40 candidates."""
    flat = gguf_fixture.write_flat(tmp_path / "flat.gguf")
    async with running(flat) as engine:
        wide = await hear(engine, asking("x", tokens=600, sampling=Sampling(seed=5)))
        narrow = await hear(engine, asking("x", tokens=600, sampling=Sampling(seed=5, top_p=0.05)))
    assert len({delta.text for delta in wide.deltas}) > 150
    assert len({delta.text for delta in narrow.deltas}) < 80


async def test_a_presence_penalty_holds_over_the_whole_answer(models: Path) -> None:
    """The model goes round in circles of some 85 letters, longer than the 64 that llama.cpp looks back by default."""
    strong = Sampling(temperature=0, frequency_penalty=2.0)
    async with running(models / "chain.gguf") as engine:
        plain = (await hear(engine, asking("A", tokens=1500))).text
        penalised = (await hear(engine, asking("A", tokens=1500, sampling=strong))).text
    circle = plain.index("A") + 1
    assert circle > 64
    assert plain == (plain[:circle] * 30)[:1500]
    assert penalised[:circle] == plain[:circle]
    assert penalised != plain


async def test_text_that_is_no_text_fails(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        heard = await hear(engine, asking("\ud800"))
        assert isinstance(heard.failed.error, InvalidRequest)
        with pytest.raises(InvalidRequest):
            await engine.count((Piece("\ud800", False),))


async def test_an_engine_that_is_not_running_says_so(models: Path) -> None:
    engine = LlamaEngine(LlamaSettings(model=str(models / "chain.gguf")))
    (event,) = [event async for event in engine.generate(asking("a"))]
    assert isinstance(event, Failed)
    assert isinstance(event.error, Unavailable)
    with pytest.raises(Unavailable):
        await engine.count(())
    await engine.close()


def test_the_server_process_never_imports_llama_cpp() -> None:
    heavy = "{'xllamacpp', 'numpy', 'gguf'}"
    code = f"import sys, moonbase.engines.llama.engine; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_events_come_one_by_one(models: Path) -> None:
    async with running(models / "chain.gguf") as engine:
        stream = engine.generate(asking("A", tokens=4000))
        events = await hear_some(stream, 3)
        await stream.aclose()
    assert events == [PromptRead(1, 0), TextDelta("B", 1, False), TextDelta("C", 1, False)]
