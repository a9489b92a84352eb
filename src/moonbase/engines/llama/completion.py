"""The body of a completion request to llama.cpp."""

from __future__ import annotations

import msgspec

from moonbase.contract.request import Sampling
from moonbase.engines.llama.tokenizer import Tokens

_RANDOM_SEED = 0xFFFFFFFF
"""llama.cpp draws a fresh seed for this value."""


_LLGUIDANCE = "%llguidance {}\n"
"""Anything else is taken for GBNF, which can crash the process."""


class _Completion(msgspec.Struct, omit_defaults=False):
    """The body of a completion request: temperature and top_p, and nothing else that bends the distribution.

    The order of the samplers is that of the hosted APIs: penalties, temperature, then top_p.
    https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    """

    prompt: msgspec.Raw
    n_predict: int
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    repeat_last_n: int
    seed: int
    samplers: list[str]
    preserved_tokens: list[str]
    n_probs: int
    grammar: str
    stream: bool = True
    return_progress: bool = True
    verbose: bool = True
    cache_prompt: bool = True
    repeat_penalty: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    sse_ping_interval: int = -1


def completion_body(
    prompt: Tokens,
    sampling: Sampling,
    max_tokens: int,
    shown: list[str],
    context: int,
    logprobs: int | None = None,
    lark: str | None = None,
) -> bytes:
    """The request in JSON. `shown`: texts of special tokens that must come as text; `context`: reach of penalties;
    `logprobs` as in `TextRequest`: llama.cpp gives the chosen token's only together with one alternative at least;
    `lark`: the grammar that the answer fits."""
    penalised = bool(sampling.presence_penalty or sampling.frequency_penalty)
    samplers = ["penalties"] * penalised + ["temperature"] + ["top_p"] * (sampling.top_p < 1)
    completion = _Completion(
        prompt=msgspec.Raw(b"[" + prompt.json + b"]"),
        n_predict=max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repeat_last_n=context if penalised else 0,
        seed=_RANDOM_SEED if sampling.seed is None else sampling.seed % _RANDOM_SEED,
        samplers=samplers,
        preserved_tokens=shown,
        n_probs=0 if logprobs is None else max(1, logprobs),
        grammar="" if lark is None else f"{_LLGUIDANCE}{lark}",
    )
    return msgspec.json.encode(completion)
