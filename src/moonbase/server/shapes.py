"""What some fields of a request may hold, said as types for the documentation (contract.md 1.1, 1.3, 1.4, 1.5, 7.3).

The types that decode these fields are wider, so that what is wrong can be refused in the hosted API's words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moonbase.contract.anthropic.body import (
    AnthropicMessage,
    AnthropicThinking,
    AnthropicTool,
    CountBody,
    MessagesBody,
    OutputConfig,
)
from moonbase.contract.anthropic.reply import TextBlock, ThinkingBlock, ToolUseBlock
from moonbase.contract.batches import MOST_KEY, MOST_METADATA, MOST_VALUE, BatchBody
from moonbase.contract.files import UploadPurpose
from moonbase.contract.messages import MediaUrl, Message, ToolCall
from moonbase.contract.request import LEAST_STEPS, MAX_STOP_BYTES, MAX_STOPS, MOST_STEPS, ChatBody
from moonbase.contract.response import AssistantMessage
from moonbase.contract.responses.body import CacheOptions, ResponsesBody, ResponsesFormat
from moonbase.contract.responses.reply import SummaryText
from moonbase.contract.responses.tools import ResponsesTool, ToolGrammar
from moonbase.contract.thinking import ThinkingControl
from moonbase.contract.tools import Function, Tool, ToolChoice

Effort = Literal["low", "high", "max"]
Positive = Annotated[int, Meta(ge=1)]
StopWord = Annotated[str, Meta(max_length=MAX_STOP_BYTES)]
ToolKind = Literal["function", "builtin_function"]
FUNCTION_NAME = r"^\$?[A-Za-z_][A-Za-z0-9_-]{0,255}$"


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Text."""

    text: Annotated[str, Meta(min_length=1)]


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """A picture, for models that can see."""

    image_url: MediaUrl | str


class VideoPart(msgspec.Struct, frozen=True, tag_field="type", tag="video_url"):
    """A video, for models that can see."""

    video_url: MediaUrl | str


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Free text: the default."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object"):
    """The content is a JSON object."""


class NamedSchema(msgspec.Struct, frozen=True):
    """A schema that the content obeys."""

    name: Annotated[str, Meta(min_length=1)]
    schema: dict[str, Any]
    """Moonshot flavored JSON schema."""
    strict: bool | None = None
    """With false the content is only promised to be a JSON object. True unless told otherwise."""


class JsonSchemaFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema"):
    """The content is JSON that obeys a schema."""

    json_schema: NamedSchema


class ChatShape(msgspec.Struct, frozen=True, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    stop: StopWord | Annotated[list[StopWord], Meta(max_length=MAX_STOPS)] | None = None
    tool_choice: ToolChoice | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    reasoning_effort: Effort | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=5)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_steps: Annotated[int, Meta(ge=LEAST_STEPS, le=MOST_STEPS)] | None = None


class ThinkingShape(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["enabled", "disabled"]
    keep: Literal["all"] | None = None
    effort: Effort | None = None


class MessageShape(msgspec.Struct, frozen=True, kw_only=True):
    content: str | list[TextPart | ImagePart | VideoPart] | None = None


class ToolCallShape(msgspec.Struct, frozen=True, kw_only=True):
    type: ToolKind = "function"


class ToolShape(msgspec.Struct, frozen=True, kw_only=True):
    type: ToolKind = "function"
    function: Function


class FunctionShape(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=FUNCTION_NAME)]


class AssistantShape(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["assistant"]
    content: str
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Base64Source(msgspec.Struct, frozen=True, tag_field="type", tag="base64"):
    """An image in the request."""

    media_type: str
    data: str


class UrlSource(msgspec.Struct, frozen=True, tag_field="type", tag="url"):
    """An uploaded image."""

    url: Annotated[str, Meta(pattern="^ms://")]


class ImageBlock(msgspec.Struct, frozen=True, tag_field="type", tag="image"):
    """A picture, for models that can see."""

    source: Base64Source | UrlSource


class ToolResultBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_result"):
    """What a call came to, in a user's message."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | None = None


class AnthropicMessageShape(msgspec.Struct, frozen=True, kw_only=True):
    content: str | list[TextBlock | ImageBlock | ToolResultBlock | ThinkingBlock | ToolUseBlock]


class AnthropicThinkingShape(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["enabled", "adaptive", "disabled"]


class OutputConfigShape(msgspec.Struct, frozen=True, kw_only=True):
    effort: Effort | None = None


class AnthropicToolShape(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=FUNCTION_NAME)]
    type: Literal["custom"] | None = None


class MessagesShape(msgspec.Struct, frozen=True, kw_only=True):
    messages: Annotated[list[AnthropicMessage], Meta(min_length=1)]
    max_tokens: Positive
    system: str | list[TextBlock] | None = None
    stop_sequences: Annotated[list[StopWord], Meta(max_length=MAX_STOPS)] | None = None


class CountShape(msgspec.Struct, frozen=True, kw_only=True):
    messages: Annotated[list[AnthropicMessage], Meta(min_length=1)]
    max_tokens: Positive | None = None
    system: str | list[TextBlock] | None = None
    stop_sequences: Annotated[list[StopWord], Meta(max_length=MAX_STOPS)] | None = None


class InputTextPart(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    text: str


class InputImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="input_image"):
    """A picture, for models that can see."""

    image_url: Annotated[str, Meta(pattern="^(data:image/|ms://)")]


class OutputTextPart(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """What the model said, sent back."""

    text: str


InputContent = str | list[InputTextPart | InputImagePart | OutputTextPart]


class MessageInput(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """What somebody said. The type may be left out."""

    role: Literal["user", "assistant", "developer", "system"]
    content: InputContent


class ReasoningInput(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    """What the model thought, sent back as it was answered."""

    summary: list[SummaryText] = []


class FunctionCallInput(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call of the model, sent back as it was answered."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class FunctionOutputInput(msgspec.Struct, frozen=True, tag_field="type", tag="function_call_output"):
    """What a call came to."""

    call_id: str
    output: InputContent


class CustomCallInput(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    """A call of `apply_patch`, sent back as it was answered."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class CustomOutputInput(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    """What a call of `apply_patch` came to."""

    call_id: str
    output: InputContent


class SearchCallInput(msgspec.Struct, frozen=True, tag_field="type", tag="web_search_call"):
    """A search of the server, sent back. It is not looked at."""


class ToolsInput(msgspec.Struct, frozen=True, tag_field="type", tag="additional_tools"):
    """Tools that may be called from here on, for models that take them there."""

    role: Literal["developer"]
    tools: list[ResponsesTool]


class FunctionTool(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """A function that the client runs."""

    name: Annotated[str, Meta(pattern=FUNCTION_NAME)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class PatchTool(msgspec.Struct, frozen=True, tag_field="type", tag="custom"):
    """`apply_patch`, which takes free text."""

    name: Literal["apply_patch"]
    format: ToolGrammar
    description: str | None = None


class NamespaceTool(msgspec.Struct, frozen=True, tag_field="type", tag="namespace"):
    """Tools that belong together."""

    name: str
    tools: list[FunctionTool | PatchTool]
    description: str | None = None


class SearchTool(msgspec.Struct, frozen=True, tag_field="type", tag="web_search"):
    """A search of the web, which the server runs."""

    search_content_types: list[Literal["text"]] | None = None


class ResponsesShape(msgspec.Struct, frozen=True, kw_only=True):
    input: (
        str
        | Annotated[
            list[
                MessageInput
                | ReasoningInput
                | FunctionCallInput
                | FunctionOutputInput
                | CustomCallInput
                | CustomOutputInput
                | SearchCallInput
                | ToolsInput
            ],
            Meta(min_length=1),
        ]
    )
    max_output_tokens: Positive | None = None
    tools: list[FunctionTool | PatchTool | NamespaceTool | SearchTool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    include: (
        list[Literal["web_search_call.results", "web_search_call.action.sources", "reasoning.encrypted_content"]] | None
    ) = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    previous_response_id: None = None
    conversation: None = None
    background: Literal[False] | None = None


class ResponsesFormatShape(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["json_schema", "text"]


class CacheOptionsShape(msgspec.Struct, frozen=True, kw_only=True):
    mode: Literal["implicit"] = "implicit"
    ttl: Literal["5m", "1h"] = "5m"


class UploadForm(msgspec.Struct, frozen=True, kw_only=True):
    """A file and what it is for."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    """The file, with its name."""
    purpose: UploadPurpose


class BatchShape(msgspec.Struct, frozen=True, kw_only=True):
    completion_window: Annotated[str, Meta(pattern="^[1-9][0-9]{0,3}[hd]$")]
    metadata: (
        Annotated[
            dict[Annotated[str, Meta(max_length=MOST_KEY)], Annotated[str, Meta(max_length=MOST_VALUE)]],
            Meta(max_length=MOST_METADATA),
        ]
        | None
    ) = None


SHAPES: dict[type, type] = {
    ChatBody: ChatShape,
    ThinkingControl: ThinkingShape,
    Message: MessageShape,
    ToolCall: ToolCallShape,
    Tool: ToolShape,
    Function: FunctionShape,
    AssistantMessage: AssistantShape,
    MessagesBody: MessagesShape,
    CountBody: CountShape,
    AnthropicMessage: AnthropicMessageShape,
    AnthropicThinking: AnthropicThinkingShape,
    AnthropicTool: AnthropicToolShape,
    OutputConfig: OutputConfigShape,
    BatchBody: BatchShape,
    ResponsesBody: ResponsesShape,
    ResponsesFormat: ResponsesFormatShape,
    CacheOptions: CacheOptionsShape,
}
"""For a type that is wider than the API: its fields as the API has them. Those without a default are required."""
