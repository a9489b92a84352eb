"""From a body to a checked request: sampling, budget, stops and the rest (contract.md 1.1, 1.2, 4.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve

MODELS = {card.id: card for card in CARDS}
LOCKED = ["kimi-k2.7-code", "kimi-k2.7-code-highspeed", "kimi-k2.6", "kimi-k2.5"]
FREE = ["kimi-k2-thinking", "kimi-k2-thinking-turbo"]
SWITCHED = ["kimi-k2.6", "kimi-k2.5"]
OFF = {"type": "disabled"}


def resolved(model: str = "kimi-k2.6", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), MODELS[model])


def refusal(model: str = "kimi-k2.6", **fields: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        resolved(model, **fields)
    return caught.value.message


@pytest.mark.parametrize("model", LOCKED)
@pytest.mark.parametrize(
    ("name", "wrong", "only"),
    [
        *[("temperature", wrong, "1") for wrong in (0, 0.3, 0.5, 0.6, 1.1, 1.5, 2, -0.1)],
        ("top_p", 0.8, "0.95"),
        ("top_p", 1, "0.95"),
        ("n", 2, "1"),
        ("n", 0, "1"),
        ("presence_penalty", 0.5, "0"),
        ("frequency_penalty", 0.5, "0"),
    ],
)
def test_locked_sampling_while_thinking(model: str, name: str, wrong: float, only: str) -> None:
    """contract.md 1.2 (with the probes of its last line) and 4.3."""
    assert refusal(model, **{name: wrong}) == f"invalid {name}: only {only} is allowed for this model"


@pytest.mark.parametrize("model", SWITCHED)
@pytest.mark.parametrize(
    ("name", "wrong", "only"),
    [("temperature", 1, "0.6"), ("top_p", 1, "0.95"), ("n", 2, "1"), ("presence_penalty", 1, "0")],
)
def test_locked_sampling_while_not_thinking(model: str, name: str, wrong: float, only: str) -> None:
    """contract.md 1.2: the pin holds in both modes; only the number changes."""
    assert refusal(model, thinking=OFF, **{name: wrong}) == f"invalid {name}: only {only} is allowed for this model"


@pytest.mark.parametrize(
    ("model", "thinking", "temperature"),
    [(model, None, 1.0) for model in LOCKED] + [(model, OFF, 0.6) for model in SWITCHED],
)
def test_exactly_the_locked_value_is_accepted_and_is_the_default(
    model: str, thinking: dict[str, str] | None, temperature: float
) -> None:
    """contract.md 1.2."""
    exact = resolved(
        model,
        thinking=thinking,
        temperature=temperature,
        top_p=0.95,
        n=1,
        presence_penalty=0,
        frequency_penalty=0.0,
    )
    default = resolved(model, thinking=thinking)
    assert exact.sampling == default.sampling
    assert (default.sampling.temperature, default.sampling.top_p, default.n) == (temperature, 0.95, 1)


@pytest.mark.parametrize("model", FREE)
@pytest.mark.parametrize(
    ("name", "good"),
    [("temperature", 1.0), ("temperature", 0), ("top_p", 0.5), ("presence_penalty", -2), ("frequency_penalty", 2)],
)
def test_free_sampling(model: str, name: str, good: float) -> None:
    """contract.md 1.2, among it seed B's own temperature 1.0."""
    assert getattr(resolved(model, **{name: good}).sampling, name) == good


@pytest.mark.parametrize("model", FREE)
@pytest.mark.parametrize(
    ("name", "wrong", "bounds"),
    [
        ("temperature", 1.1, "0 and 1"),
        ("temperature", -0.1, "0 and 1"),
        ("top_p", 2, "0 and 1"),
        ("n", 6, "1 and 5"),
        ("n", 0, "1 and 5"),
        ("presence_penalty", 2.5, "-2 and 2"),
        ("frequency_penalty", -3, "-2 and 2"),
    ],
)
def test_free_sampling_has_bounds(model: str, name: str, wrong: float, bounds: str) -> None:
    assert f"invalid {name}: must be between {bounds}, got " in refusal(model, **{name: wrong})


def test_several_choices_only_away_from_temperature_zero() -> None:
    """contract.md 1.2."""
    assert resolved("kimi-k2-thinking", n=5).n == 5
    assert "n must be 1 when temperature is close to 0" in refusal("kimi-k2-thinking", n=2, temperature=0)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 32768),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 10**9}, 262144),
    ],
)
def test_the_budget(fields: dict[str, Any], tokens: int) -> None:
    """contract.md 1.1: `max_completion_tokens` wins over its deprecated alias."""
    assert resolved(**fields).max_tokens == tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_budget_of_nothing_is_refused_by_name(name: str, value: int) -> None:
    assert refusal("kimi-k2.6", **{name: value}) == f"Invalid request: {name} must be at least 1, got {value}"


@pytest.mark.parametrize(
    ("sent", "stop"),
    [(None, ()), ("END", ("END",)), (["a", "b"], ("a", "b")), ("", ()), (["", "x"], ("x",)), (["x" * 32], ("x" * 32,))],
)
def test_stops(sent: object, stop: tuple[str, ...]) -> None:
    assert resolved(stop=sent).stop == stop


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (list("abcdef"), "maximum length 5"),
        ("x" * 33, "must not be longer than 32"),
        (["ok", "é" * 17], "must not be longer than 32"),
    ],
)
def test_too_many_or_too_long_stops(sent: object, text: str) -> None:
    """contract.md 1.1 (bytes, not characters) and 4.3."""
    assert text in refusal(stop=sent)


@pytest.mark.parametrize("kind", ["image_url", "video_url"])
def test_a_picture_is_refused_rather_than_not_looked_at(kind: str) -> None:
    content = [{"type": "text", "text": "what is it"}, {"type": kind, kind: {"url": "data:image/png;base64,AA=="}}]
    text = refusal(messages=[{"role": "user", "content": content}])
    assert text.startswith(f"Invalid request: messages[0].content[1] is of type '{kind}', but the model that serves")


def test_the_conversation_and_the_tools_are_checked() -> None:
    assert refusal(messages=[]) == "Invalid request: messages must not be empty"
    tools = [{"type": "function", "function": {"name": "f"}}] * 2
    assert refusal(tools=tools) == "Invalid request: function name f is duplicated"
    assert refusal(tools=tools[:1], tool_choice="required").startswith("tool_choice 'required' is incompatible")
    assert resolved(tools=tools[:1], tool_choice="required", thinking=OFF).tool_choice == "required"


def test_a_history_without_reasoning_depends_on_the_switch() -> None:
    """contract.md 3."""
    calls = [{"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "f:0", "content": "done"},
    ]
    assert refusal(messages=messages).endswith("reasoning_content is missing in assistant tool call message at index 1")
    assert resolved(messages=messages, thinking=OFF).calls_made == 1


def test_seed_and_cache_key_are_handed_on() -> None:
    request = resolved(seed=7, prompt_cache_key="session")
    assert (request.sampling.seed, request.cache_key) == (7, "session")
    assert resolved().sampling.seed is None


class TestLogprobs:
    """contract.md 1.1, 4.3 and 11.1."""

    @pytest.mark.parametrize("model", [card.id for card in CARDS if card.logprobs])
    def test_they_are_resolved_to_the_number_of_alternatives(self, model: str) -> None:
        assert resolved(model).logprobs is None
        assert resolved(model, logprobs=False).logprobs is None
        assert resolved(model, logprobs=True).logprobs == 0
        assert [resolved(model, logprobs=True, top_logprobs=top).logprobs for top in (0, 1, 20)] == [0, 1, 20]

    @pytest.mark.parametrize("top", [-1, 21, 1000])
    def test_too_many_alternatives(self, top: int) -> None:
        expected = f"Invalid request: top_logprobs must be between 0 and 20, got {top}"
        assert refusal(logprobs=True, top_logprobs=top) == expected

    @pytest.mark.parametrize("fields", [{}, {"logprobs": False}, {"logprobs": None}])
    @pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k3"])
    def test_alternatives_alone(self, model: str, fields: dict[str, Any]) -> None:
        expected = "Invalid request: logprobs must be set to true if top_logprobs is used"
        assert refusal(model, top_logprobs=3, **fields) == expected

    def test_k3_refuses_as_the_hosted_one_does(self) -> None:
        assert refusal("kimi-k3", logprobs=True) == "invalid logprobs: only false is allowed for this model"
        assert resolved("kimi-k3", logprobs=False).logprobs is None

    def test_a_card_that_allows_them(self) -> None:
        card = replace(MODELS["kimi-k3"], logprobs=True)
        body = decode_chat_body(b'{"model":"kimi-k3","messages":[{"role":"user","content":"x"}],"logprobs":true}')
        assert resolve(body, card).logprobs == 0


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, False),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, False),
        ({"stream": True, "stream_options": {"include_internal_content": False}}, False),
        ({"stream": True, "stream_options": {"include_internal_content": True}}, True),
        ({"stream_options": {"include_internal_content": True}}, False),
    ],
)
def test_token_ids_are_for_streams_that_ask(fields: dict[str, Any], wanted: bool) -> None:
    """contract.md 2.5."""
    assert resolved(**fields).token_ids is wanted


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64, 10**30, -(10**30)])
def test_a_seed_of_any_size_is_one_of_64_bits(seed: int) -> None:
    """Engines take no longer ones; equal seeds stay equal."""
    chosen = resolved(seed=seed).sampling.seed
    assert chosen is not None
    assert 0 <= chosen < 2**63
    assert resolved(seed=seed).sampling.seed == chosen
