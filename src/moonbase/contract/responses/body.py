"""The body of `POST /v1/responses`, and the chat request that it comes to.

The hosted API documents this route at /docs/api/responses for kimi-k3: stateless, so each request brings the whole
conversation, with thoughts in clear.
"""

from __future__ import annotations

from typing import Any

import msgspec

from moonbase.contract.cards import ModelCard
from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.messages import Message
from moonbase.contract.request import ChatBody
from moonbase.contract.responses.conversation import ResponsesItem, conversation
from moonbase.contract.responses.tools import WEB_SEARCH, Called, ResponsesTool, called_by, declared
from moonbase.contract.thinking import ThinkingControl
from moonbase.contract.tools import Tool

SOURCES = "web_search_call.action.sources"
_INCLUDED = ("web_search_call.results", SOURCES, "reasoning.encrypted_content")
"""The last is what Codex asks for."""
_STATE = ("previous_response_id", "conversation")


class ResponsesReasoning(msgspec.Struct, frozen=True):
    effort: str | None = None
    """How hard to think: low, high or max, for models with that choice; `none` does not think, where a model has the
    choice."""


class ResponsesFormat(msgspec.Struct, frozen=True):
    type: str
    """`json_schema`: the text is JSON that fits `schema`; or `text`."""
    name: str | None = None
    schema: dict[str, Any] | None = None
    """A JSON schema (Moonshot flavored) of an object."""
    strict: bool | None = None


class ResponsesText(msgspec.Struct, frozen=True):
    format: ResponsesFormat | None = None


class CacheOptions(msgspec.Struct, frozen=True):
    """Prompts are cached by themselves, so nothing here changes what is done."""

    mode: str = "implicit"
    ttl: str = "5m"


class ResponsesBody(msgspec.Struct, frozen=True):
    """The body of `POST /v1/responses`. Unknown members are ignored."""

    model: str
    """A name out of `GET /v1/models`."""
    input: str | list[ResponsesItem]
    """What the user says; or the conversation, oldest item first."""
    instructions: str | None = None
    """What the model is told before the conversation."""
    stream: bool | None = None
    """Whether the answer comes in events, as it is made."""
    max_output_tokens: int | None = None
    """The most tokens to generate, thinking and text together."""
    reasoning: ResponsesReasoning | None = None
    text: ResponsesText | None = None
    """What form the text takes."""
    tools: list[ResponsesTool] | None = None
    """What the model may call."""
    tool_choice: str | dict[str, Any] | None = None
    """`auto`; anything else only where the model takes it in chat completions."""
    include: list[str] | None = None
    """What else the answer should have: `web_search_call.action.sources`, the pages that a search has found. Of the
    others nothing comes: thoughts are in clear anyway, and pictures are not searched for."""
    prompt_cache_key: str | None = None
    """A session or task, whose requests find each other's cached prompt."""
    prompt_cache_options: CacheOptions | None = None
    safety_identifier: str | None = None
    """A hashed name of the end user. Accepted, and not used."""
    temperature: float | None = None
    """Locked by most models, as in chat completions."""
    top_p: float | None = None
    """Locked by most models, as in chat completions."""
    previous_response_id: str | None = None
    """Nothing is kept: send the whole conversation as `input`."""
    conversation: Any = None
    """As `previous_response_id`."""
    background: bool | None = None
    """True is refused: there would be nowhere to fetch the answer from."""

    def names(self) -> dict[str, Called]:
        """What is called, by the name that the model knows it by."""
        return called_by(self._tools)

    @property
    def tells_sources(self) -> bool:
        """Whether the pages that a search has found are wanted."""
        return SOURCES in (self.include or ())

    @property
    def domains(self) -> list[str]:
        """Where to search alone; none where everywhere."""
        filters = [tool.filters for tool in self._tools if tool.type == WEB_SEARCH and tool.filters is not None]
        return (filters[-1].allowed_domains or []) if filters else []

    @property
    def _tools(self) -> list[ResponsesTool]:
        return [*(self.tools or ()), *(tool for item in self.items for tool in item.tools or ())]

    @property
    def items(self) -> list[ResponsesItem]:
        """The conversation, as items."""
        return [ResponsesItem(role="user", content=self.input)] if isinstance(self.input, str) else self.input


def chat_body(body: ResponsesBody, card: ModelCard) -> ChatBody:
    """The chat request that asks `card`'s model for the same; raises `InvalidRequest`."""
    _check(body)
    messages = [] if body.instructions is None else [Message("system", body.instructions)]
    effort = body.reasoning.effort if body.reasoning is not None else None
    return ChatBody(
        model=body.model,
        messages=[*messages, *conversation(body.items)],
        max_completion_tokens=body.max_output_tokens,
        stream=body.stream,
        tools=list[Tool](declared(body.tools, "tools")) if body.tools else None,
        tool_choice=_choice(body.tool_choice),
        thinking=_thinking(effort, card),
        reasoning_effort=effort if card.efforts is not None else None,
        response_format=_format(body.text),
        temperature=body.temperature,
        top_p=body.top_p,
        prompt_cache_key=body.prompt_cache_key,
        safety_identifier=body.safety_identifier,
    )


def _check(body: ResponsesBody) -> None:
    for name in _STATE:
        if getattr(body, name) is not None:
            raise InvalidRequest(
                f"Invalid request: {name} must be null: no response is kept here; send the whole conversation as input "
                "instead, with the output items of earlier answers"
            )
    if body.background:
        raise InvalidRequest("Invalid request: background must be false: no response is kept here")
    if not body.items:
        raise InvalidRequest("Invalid request: input must not be empty")
    for index, name in enumerate(body.include or ()):
        if name not in _INCLUDED:
            raise InvalidRequest(
                f"Invalid request: include[{index}] is {name!r}; expected {' or '.join(_INCLUDED[:2])}"
            )
    options = body.prompt_cache_options or CacheOptions()
    if options.mode != "implicit":
        raise InvalidRequest(f"Invalid request: prompt_cache_options.mode must be implicit, got {options.mode!r}")
    if options.ttl not in ("5m", "1h"):
        raise InvalidRequest(f"Invalid request: prompt_cache_options.ttl must be 5m or 1h, got {options.ttl!r}")


def _thinking(effort: str | None, card: ModelCard) -> ThinkingControl | None:
    """Where a model has no efforts, one says only whether to think."""
    if card.efforts is not None or effort is None:
        return None
    return ThinkingControl(type="disabled" if effort == "none" else "enabled")


def _format(text: ResponsesText | None) -> dict[str, Any] | None:
    wanted = None if text is None else text.format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type != "json_schema":
        raise InvalidRequest(f"Invalid request: text.format.type must be json_schema or text, got {wanted.type!r}")
    if wanted.schema is None:
        raise missing_field("text.format.schema")
    schema: dict[str, Any] = {"name": wanted.name or "output", "schema": wanted.schema}
    return {
        "type": "json_schema",
        "json_schema": schema if wanted.strict is None else {**schema, "strict": wanted.strict},
    }


def _choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """As chat completions have it: there a named function stands inside an object of its own."""
    if isinstance(choice, dict) and choice.get("type") == "function" and "function" not in choice:
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice
