"""Every snippet of the two documents, run through the real `openai` package and curl."""

from __future__ import annotations

import json
import shutil
from typing import Any

import openai
import pytest

from tests.documents.live import KEY, Live, run_snippet

START, END = "=============Start Reasoning=============\n", "\n=============End Reasoning=============\n"


@pytest.mark.parametrize("name", ["k2_7_code_stream.py", "k2_6_stream.py"])
def test_reasoning_is_printed_before_the_answer(live: Live, name: str) -> None:
    """Seed A, the two streaming examples: they tell reasoning from answer by `hasattr`."""
    printed = run_snippet(live, name)
    assert printed.count(START) == 1
    assert printed.startswith(START)
    reasoning, _, answer = printed.removeprefix(START).partition(END)
    assert reasoning.strip()
    assert answer.strip()
    assert "None" not in reasoning


def test_thinking_disabled(live: Live) -> None:
    """Seed A: thinking off means no reasoning at all."""
    printed = run_snippet(live, "k2_6_thinking_disabled.py")
    assert START not in printed
    assert printed.strip()


def test_preserved_thinking_in_python(live: Live) -> None:
    run_snippet(live, "preserved_thinking.py")
    question = "Please continue the analysis and derive the next step."
    history: Any = [
        {"role": "user", "content": "First question..."},
        {"role": "assistant", "content": "An answer.", "reasoning_content": "A thought."},
        {"role": "user", "content": question},
    ]
    client = openai.Client(base_url=live.base_url, api_key=KEY)
    keep = {"thinking": {"type": "enabled", "keep": "all"}}
    answer = client.chat.completions.create(model="kimi-k2.6", messages=history, extra_body=keep)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.model_dump()["reasoning_content"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
@pytest.mark.parametrize(
    ("name", "model"),
    [("k2_thinking.sh", "kimi-k2-thinking"), ("k2_5.sh", "kimi-k2.5"), ("preserved_thinking.sh", "kimi-k2.6")],
)
def test_curl(live: Live, name: str, model: str) -> None:
    answer = json.loads(run_snippet(live, name))
    assert answer["model"] == model
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"]
    assert message["content"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
