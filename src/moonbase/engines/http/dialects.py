"""The dialects, one value each. Versions say which release a fact was seen in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from moonbase.contract.formats import KIMI, OutputFormat, ThinkMarks
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.dialect import Counting, Dialect, DialectName, Members, Room, no_budget

_EFFORT = "reasoning_effort"
_USAGE: Members = {"include_usage": True}
_EVERY_FRAME: Members = {"include_usage": True, "continuous_usage_stats": True}
_THINK = ThinkMarks("<think>", "</think>")
_ESTIMATE = Counting(
    "/tokenizers/estimate-token-count",
    ("model", "messages", "tools", "thinking", "reasoning_effort"),
    ("data", "total_tokens"),
)


def _platform(request: ChatRequest) -> Members:
    """The platform's own controls (contract.md 1.3), left out where the model leaves no choice."""
    thinking, card = request.thinking, request.card
    if card.efforts is not None:
        return {"reasoning_effort": thinking.effort}
    if card.thinking == "only":
        return {}
    control: Members = {"type": "enabled" if thinking.enabled else "disabled"}
    if card.keep == "optional" and thinking.keep_all:
        control["keep"] = "all"
    return {"thinking": control}


def _kimi(request: ChatRequest) -> Members:
    no_budget(request)
    return _platform(request)


def _moonbase(request: ChatRequest) -> Members:
    members = _platform(request)
    if request.thinking.budget is not None:
        control = {"type": "enabled", **members.get("thinking", {})}
        members["thinking"] = {**control, "budget_tokens": request.thinking.budget}
    return members


def _template(request: ChatRequest) -> Members:
    """Arguments of the chat template (contract.md 13). Kimi's templates read `thinking` and `preserve_thinking`; those
    of Qwen, GLM and others `enable_thinking`. A template passes over what it does not know."""
    no_budget(request)
    thinking = request.thinking
    arguments: Members = {"thinking": thinking.enabled, "enable_thinking": thinking.enabled}
    if thinking.keep_all:
        arguments["preserve_thinking"] = True
    effort: Members = {} if thinking.effort is None else {"reasoning_effort": _plain_effort(thinking.effort)}
    return {"chat_template_kwargs": arguments, **effort}


def _template_and_budget(request: ChatRequest) -> Members:
    bare = replace(request, thinking=replace(request.thinking, budget=None))
    budget = request.thinking.budget
    return _template(bare) if budget is None else {**_template(bare), "thinking_token_budget": budget}


def _effort_alone(request: ChatRequest) -> Members:
    no_budget(request)
    effort = request.thinking.effort
    return {} if effort is None else {"reasoning_effort": _plain_effort(effort)}


def _plain_effort(effort: str) -> str:
    """ "max" is Kimi's word; others know no more than "high"."""
    return "high" if effort == "max" else effort


_ROOMS = (
    # vLLM to 0.8: "This model's maximum context length is 2048 tokens. However, you requested 3005 tokens (2005 in the
    # messages, 1000 in the completion)."; SGLang 0.5: "... maximum context length of 4096 tokens. You requested a total
    # of 5000 tokens: 4000 tokens from the input messages and 1000 tokens for the completion."
    r"maximum context length (?:is|of) (?P<limit>\d+).*?(?P<prompt>\d+) (?:in the|tokens from the input) messages",
    # vLLM from 0.9: "... is too large: 2000. This model's maximum context length is 4096 tokens and your request has
    # 2104 input tokens"; later also "... your prompt contains at least 2104 input tokens".
    r"maximum context length is (?P<limit>\d+) .*?(?:has|contains) (?:at least )?(?P<prompt>\d+) input tokens",
    # SGLang 0.5, where the prompt alone is too long.
    r"input \((?P<prompt>\d+) tokens\) is longer than the model's context length \((?P<limit>\d+) tokens\)",
    # llama.cpp since the end of 2025: "request (5000 tokens) exceeds the available context size (4096 tokens), ...".
    r"request \((?P<prompt>\d+) tokens\) exceeds the available context size \((?P<limit>\d+) tokens\)",
    # LM Studio 0.3 and 0.4: "Trying to keep the first 9000 tokens when context the overflows. However, the model is
    # loaded with context length of only 4096 tokens", "... greater than the context length (n_keep: 13055>= n_ctx:
    # 4096)", "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)".
    r"keep the first (?P<prompt>\d+) tokens .*context length of only (?P<limit>\d+) tokens",
    r"n_keep[: (]+(?P<prompt>\d+)\)? ?>= n_ctx[: (]+(?P<limit>\d+)",
    # TGI 3: "`inputs` must have less than 4095 tokens. Given: 5000".
    r"must have less than (?P<limit>\d+) tokens\. Given: (?P<prompt>\d+)",
)


def without_effort(dialect: Dialect) -> Dialect:
    """For a server whose model has no effort of reasoning, and refuses the member."""

    def controls(request: ChatRequest) -> Members:
        members = dialect.controls(request)
        return {name: value for name, value in members.items() if name != _EFFORT}

    return replace(dialect, controls=controls)


def read_room(text: str) -> Room | None:
    """What a refusal by one of the published engines says of its context."""
    for pattern in _ROOMS:
        if found := re.search(pattern, text, re.DOTALL):
            return Room(int(found["limit"]), int(found["prompt"]))
    return None


MOONBASE = Dialect(
    name="moonbase",
    controls=_moonbase,
    platform=True,
    options=_EVERY_FRAME,
    ids={"stream_options": {**_EVERY_FRAME, "include_internal_content": True}},
    partial={},
    faithful=True,
    enforces=True,
    counting=_ESTIMATE,
)
KIMI_HOSTED = Dialect(
    name="kimi",
    controls=_kimi,
    platform=True,
    traced=False,
    options=_USAGE,
    partial={},
    enforces=True,
    counting=_ESTIMATE,
)
# Reads `reasoning` and drops `reasoning_content` without a word (0.32), older ones (to 0.10) the other way round.
VLLM = Dialect(
    name="vllm",
    controls=_template,
    reasoning=("reasoning", "reasoning_content"),
    thread_ids=True,
    options=_EVERY_FRAME,
    ids={"return_token_ids": True},
    partial={"add_generation_prompt": False, "continue_final_message": True},
    text=OutputFormat(think=_THINK, calls=KIMI.calls),
    counting=Counting("/tokenize", ("model", "messages", "tools", "chat_template_kwargs"), ("count",), root=True),
    room=read_room,
)
# For servers newer than 0.18 that know the marks of the reasoning (`--reasoning-config`, or a parser that says them:
# kimi_k2 of 0.32 does not); others answer 400, and older ones pass the member over without a word.
VLLM_WITH_BUDGETS = replace(VLLM, controls=_template_and_budget)
SGLANG = Dialect(
    name="sglang",
    controls=_template,
    thread_ids=True,
    options=_EVERY_FRAME,
    partial={"continue_final_message": True},
    text=OutputFormat(think=_THINK, calls=KIMI.calls),
    room=read_room,
)
LLAMACPP = Dialect(
    name="llamacpp",
    controls=_template,
    budget="max_tokens",
    options=_USAGE,
    partial={},
    # Without it the answer comes as it was generated, `<think>` and all.
    extras={"reasoning_format": "deepseek", "cache_prompt": True},
    text=OutputFormat(think=_THINK),
    room=read_room,
)
OPENAI = Dialect(
    name="openai",
    controls=_effort_alone,
    switches=False,
    budget="max_tokens",
    options=_USAGE,
    text=OutputFormat(think=_THINK, calls=KIMI.calls),
    room=read_room,
)

DIALECTS: Mapping[DialectName, Dialect] = MappingProxyType(
    {each.name: each for each in (MOONBASE, KIMI_HOSTED, VLLM, SGLANG, LLAMACPP, OPENAI)}
)
