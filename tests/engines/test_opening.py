"""Opening a GGUF file: its own chat template, its own marks, through a whole answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from moonbase.cli.compose import open_engine
from moonbase.contract.cards import CARDS
from moonbase.contract.errors import SettingsError
from moonbase.contract.fold import Fold
from moonbase.contract.formats import KIMI
from moonbase.contract.prompts import prompt_text
from moonbase.contract.request import ChatBody, ChatRequest, resolve
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.model import GgufModel, read_model
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.opening import bundled_model, chat_format, open_gguf
from moonbase.engines.rendered import RenderedEngine
from moonbase.prompt import kimi_k2
from moonbase.server.settings import EngineSettings
from tests.engines.gguf_fixture import write_chain

CARD = next(card for card in CARDS if card.id == "kimi-k2-thinking")
TEMPLATE = (
    "{% for m in messages %}<|im_user|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if tools %}{{ tools | tojson }} <tool_call></tool_call>{% endif %}"
    "{% if add_generation_prompt %}<|im_assistant|>{% endif %}{# <think> </think> #}"
)


def now() -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC)


def request(text: str = "Hi") -> ChatRequest:
    body = {"model": CARD.id, "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 40}
    return resolve(msgspec.convert(body, ChatBody), CARD)


def templated(path: Path, template: str | None) -> GgufModel:
    return msgspec.structs.replace(read_model(str(path)), chat_template=template)


def test_the_bundled_model_speaks_our_own_template() -> None:
    render, output = chat_format(read_model(str(bundled_model())), now)
    assert render is kimi_k2.render
    assert output is KIMI


def test_another_model_speaks_its_own(tmp_path: Path) -> None:
    model = templated(write_chain(tmp_path / "m.gguf", [["a", "b"]]), TEMPLATE)
    render, output = chat_format(model, now)
    assert prompt_text(render(request("Hi <|im_end|>")).prompt) == "<|im_user|>Hi <|im_end|><|im_end|><|im_assistant|>"
    assert output.think is not None
    assert output.think.close == "</think>"
    assert output.calls is not None
    assert output.calls.open == "<tool_call>"


async def test_its_thinking_and_its_answer_are_told_apart(tmp_path: Path) -> None:
    """A model that was made to say `<think>no</think>yes` after the assistant mark."""
    chain = ["<|im_assistant|>", "<think>", "n", "o", "</think>", "y", "e", "s", "[EOS]"]
    path = write_chain(tmp_path / "m.gguf", [chain])
    render, output = chat_format(templated(path, TEMPLATE), now)
    engine = RenderedEngine(LlamaEngine(LlamaSettings(model=str(path), threads=1)), render, output)
    await engine.start()
    try:
        fold = Fold()
        async for event in engine.stream(request()):
            fold.add(event)
        assert fold.prompt is not None
        assert await engine.count(request()) == fold.prompt.prompt_tokens
    finally:
        await engine.close()
    answer = fold.completion(id="", created=0, model="")
    assert answer.choices[0].message.reasoning_content == "no"
    assert answer.choices[0].message.content == "yes"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2


def test_a_model_without_a_template_is_refused(tmp_path: Path) -> None:
    model = templated(write_chain(tmp_path / "m.gguf", [["a", "b"]]), None)
    with pytest.raises(SettingsError, match="no chat template"):
        chat_format(model, now)


def test_a_template_that_does_not_compile_is_refused(tmp_path: Path) -> None:
    model = templated(write_chain(tmp_path / "m.gguf", [["a", "b"]]), "{% for %}")
    with pytest.raises(SettingsError, match="does not compile"):
        chat_format(model, now)


def test_a_missing_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.gguf"):
        open_gguf(tmp_path / "missing.gguf")


async def test_its_limits_come_from_the_settings() -> None:
    engine = open_engine("small", EngineSettings(kind="bundled", threads=1, cache_mb=1))
    await engine.start()
    try:
        assert engine.context_length == 512, "the least that a cache has, for 1 MiB holds 409 tokens"
    finally:
        await engine.close()


@pytest.mark.parametrize("limit", ["context", "slots", "threads", "batch"])
def test_a_limit_out_of_range_is_named(limit: str) -> None:
    with pytest.raises(SettingsError, match=f"The engine setting {limit} is 20000000; expected "):
        open_engine("small", msgspec.convert({"kind": "bundled", limit: 20_000_000}, EngineSettings))
