"""What a dialect is: how one kind of server wants its requests and what must be mended of its answers, as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.formats import OutputFormat
from moonbase.contract.request import ChatRequest

DialectName = Literal["moonbase", "kimi", "vllm", "sglang", "llamacpp", "openai"]
Members = dict[str, Any]
"""Members of a request's body."""


class Room(msgspec.Struct, frozen=True):
    """What an upstream's refusal says of its context, in tokens: the limit, and what was in the prompt."""

    limit: int
    prompt: int


class Counting(msgspec.Struct, frozen=True):
    """A route that counts the tokens of a prompt. `members`: which of a chat request's members it takes. `path`: where
    the count stands in its reply. `root`: the route stands beside the API's path, not below it."""

    route: str
    members: tuple[str, ...]
    path: tuple[str, ...]
    root: bool = False


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one kind of server.

    `platform`: it speaks the platform's own API. It has the card's locks itself, so locked parameters are left out; it
    drops reasoning that is not kept; its `stop` means content alone; the ids of its calls are right. For others all of
    that is done here.

    Of requests. `controls`: the members that switch thinking; raises `InvalidRequest` for what cannot be asked for.
    `switches`: whether they can switch it off.
    `reasoning`: under which names earlier reasoning is sent. `thread_ids`: calls of the conversation get the ids of the
    Kimi prompt format. `budget`: the name of the budget's member. `options`: what `stream_options` asks for. `ids`: the
    members that ask for token ids. `partial`: those that make the answer continue the last message; None where nothing
    does. `extras`: members that every request has. `traced`: it is told of a request's trace.

    Of answers. `faithful`: they obey the contract, and nothing is mended. `enforces`: they are held to their schemas.
    `text`: marks that may stand in the content and are no content. `logprobs`: whether it gives them.

    Of the rest. `counting`: how to count tokens; None: by asking for an answer of one token. `room`: what the text of a
    refusal says of the context, None where it speaks of something else.
    """

    name: DialectName
    controls: Callable[[ChatRequest], Members]
    switches: bool = True
    platform: bool = False
    reasoning: tuple[str, ...] = ("reasoning_content",)
    thread_ids: bool = False
    budget: str = "max_completion_tokens"
    options: Members = {}
    ids: Members = {}
    partial: Members | None = None
    extras: Members = {}
    traced: bool = True
    faithful: bool = False
    enforces: bool = False
    text: OutputFormat = OutputFormat()
    logprobs: bool = True
    counting: Counting | None = None
    room: Callable[[str], Room | None] = lambda _: None


def no_budget(request: ChatRequest) -> None:
    """Refuse a budget of the reasoning, for which the server has no member; raises `InvalidRequest`."""
    if request.thinking.budget is not None:
        raise InvalidRequest(
            f"invalid thinking: budget_tokens cannot be honoured by the engine that serves '{request.model}'; leave it "
            "out"
        )
