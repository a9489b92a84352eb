"""What the server's routes take and answer, as data: `openapi` writes it out, a test holds it against the routes."""

from __future__ import annotations

from typing import Any, get_args

from moonbase.contract.anthropic.body import CountBody, MessagesBody
from moonbase.contract.anthropic.reply import ErrorReply, MessageReply, StreamEvent, TokensCounted
from moonbase.contract.batches import Batch, BatchBody
from moonbase.contract.files import FileObject, Purpose
from moonbase.contract.frames import Chunk
from moonbase.contract.request import ChatBody
from moonbase.contract.response import Completion
from moonbase.contract.responses.body import ResponsesBody
from moonbase.contract.responses.reply import ResponseEvent, ResponseReply
from moonbase.server.account import BalanceReply
from moonbase.server.batches import LIMIT, MOST, BatchList
from moonbase.server.files import FileDeleted, FileList
from moonbase.server.health import Health
from moonbase.server.mcp import McpMessage, McpReply
from moonbase.server.models import ModelList, ModelRow
from moonbase.server.operation import EVENTS, FORM, JSON, TEXT, Answer, Operation
from moonbase.server.shapes import UploadForm
from moonbase.server.signatures import SignatureReply, Signed
from moonbase.server.tokens import TokenCountReply
from moonbase.server.web_tools import FetchBody, FetchReply, SearchBody, SearchProBody, SearchProReply, SearchReply
from moonbase.tools.formula import Fiber, FiberRequest, FormulaList, ToolList

_BODY_ERRORS = (400, 401, 404, 413, 500, 503)
_FILE = {"file_id": "file_0123456789abcdef0123456789abcdef"}
_BATCH = {"batch_id": "batch_0123456789abcdef0123456789abcdef"}
_FORMULA = {"uri": "moonshot/date:latest"}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/v1/chat/completions",
        id="createChatCompletion",
        summary="Answer a conversation",
        description="Streamed (`stream`) or whole. Members that are not described here are accepted and ignored.",
        body=ChatBody,
        example={"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Hello there."}], "stream": False},
        answers={
            200: Answer(
                "The whole answer; or, with `stream`, its frames as server-sent events: `data: ` and a chunk as JSON, "
                "at the end `data: [DONE]`. A stream that fails after its first frame ends with a finish reason of "
                "the extended set, and without `[DONE]`.",
                {JSON: Completion, EVENTS: Chunk},
                ("X-Msh-Usage-Prompt-Tokens", "X-Msh-Usage-Cached-Tokens"),
            )
        },
        errors=(*_BODY_ERRORS, 429),
    ),
    Operation(
        method="POST",
        path="/v1/responses",
        id="createResponse",
        summary="Answer a conversation, in the form of the Responses API",
        description="The same models and the same answers as of chat completions, for clients of that API. Nothing is "
        "kept: each request brings its whole conversation. Members that are not described here are ignored.",
        body=ResponsesBody,
        example={"model": "kimi-k3", "input": "Hello there."},
        answers={
            200: Answer(
                "The whole response; or, with `stream`, its events as server-sent events. A stream that fails after "
                "its first event ends with `response.failed`.",
                {JSON: ResponseReply, EVENTS: ResponseEvent},
                ("X-Msh-Usage-Prompt-Tokens", "X-Msh-Usage-Cached-Tokens"),
            )
        },
        errors=(*_BODY_ERRORS, 429),
    ),
    Operation(
        method="POST",
        path="/anthropic/v1/messages",
        id="createMessage",
        summary="Answer a conversation, in the form of Anthropic's Messages API",
        description="The same models and the same answers as of chat completions, for clients of that API. The key may "
        "come as `x-api-key` too. Members that are not described here are accepted and ignored.",
        body=MessagesBody,
        example={"model": "kimi-k2.6", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello there."}]},
        answers={
            200: Answer(
                "The whole answer; or, with `stream`, its events as server-sent events. A stream that fails after its "
                "first event ends with an `error`.",
                {JSON: MessageReply, EVENTS: StreamEvent},
                ("X-Msh-Usage-Prompt-Tokens", "X-Msh-Usage-Cached-Tokens", "Request-Id"),
            )
        },
        errors=(*_BODY_ERRORS, 429),
        error=ErrorReply,
    ),
    Operation(
        method="POST",
        path="/anthropic/v1/messages/count_tokens",
        id="countMessageTokens",
        summary="Count the tokens of a prompt, in the form of Anthropic's Messages API",
        description="Takes the body of a request for a message, and counts what its prompt would come to.",
        body=CountBody,
        example={"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Hello there."}]},
        answers={200: Answer("The count.", {JSON: TokensCounted}, ("Request-Id",))},
        errors=_BODY_ERRORS,
        error=ErrorReply,
    ),
    Operation(
        method="POST",
        path="/v1/tools/search",
        id="searchWeb",
        summary="Search the web",
        description="One search, without a model, of whatever this server is set to search.",
        body=SearchBody,
        example={"text_query": "moon", "limit": 5},
        answers={200: Answer("The results.", {JSON: SearchReply}, ("X-Msh-Track-Id", "X-Msh-Chat-Id"))},
        errors=(400, 401, 413, 502, 504),
    ),
    Operation(
        method="POST",
        path="/v1/tools/search_pro",
        id="searchWebPro",
        summary="Search some sites, or some days",
        description="As `/v1/tools/search`, of some sites alone and within some days.",
        body=SearchProBody,
        example={"text_query": "moon", "sites": ["example.org"], "time_window": {"start": "2026"}},
        answers={200: Answer("The results.", {JSON: SearchProReply}, ("X-Msh-Track-Id", "X-Msh-Chat-Id"))},
        errors=(400, 401, 413, 502, 504),
    ),
    Operation(
        method="POST",
        path="/v1/tools/fetch",
        id="fetchPage",
        summary="Read a page of the web",
        description="The page as Markdown. Only what is on the public internet is read.",
        body=FetchBody,
        example={"url": "https://example.org/"},
        answers={200: Answer("The page.", {JSON: FetchReply}, ("X-Msh-Track-Id", "X-Msh-Chat-Id"))},
        errors=(400, 401, 403, 404, 413, 502, 504),
    ),
    Operation(
        method="POST",
        path="/v1/signatures/verify",
        id="verifySignature",
        summary="Check the signature of a request",
        description="Says whether this server has taken a request for the model at that time: one that brought the "
        "nonce as `X-Msh-Request-Nonce`. Nothing is kept, so the same values are valid again.",
        body=Signed,
        example={
            "nonce": "7d929748-0ae6-41c2-ab5d-a186498ad721",
            "timestamp": 1786338000123,
            "model": "kimi-k2.6",
            "signature": "reqsigv1_AQ",
        },
        answers={200: Answer("Whether it is.", {JSON: SignatureReply})},
        errors=(400, 401, 413),
    ),
    Operation(
        method="GET",
        path="/v1/users/me/balance",
        id="getBalance",
        summary="What is left to spend",
        answers={200: Answer("The balance, in US dollars.", {JSON: BalanceReply})},
        errors=(401,),
    ),
    Operation(
        method="GET",
        path="/v1/models",
        id="listModels",
        summary="List the models",
        answers={200: Answer("The models that can be asked for.", {JSON: ModelList})},
        errors=(401,),
    ),
    Operation(
        method="GET",
        path="/v1/models/{model}",
        id="getModel",
        summary="Describe a model",
        parameters={"model": "kimi-k2.6"},
        answers={200: Answer("The model.", {JSON: ModelRow})},
        errors=(401, 404),
    ),
    Operation(
        method="POST",
        path="/v1/tokenizers/estimate-token-count",
        id="estimateTokenCount",
        summary="Count the tokens of a prompt",
        description="Takes the body of a chat request, and counts what its prompt would come to.",
        body=ChatBody,
        example={"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Hello there."}]},
        answers={200: Answer("The count.", {JSON: TokenCountReply})},
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/files",
        id="uploadFile",
        summary="Upload a file",
        description="`image` and `video`: shown to a model as `ms://<id>` in the url of a part. `file-extract`: its "
        "text is read from it now, and can be had from then on. `batch`: lines of requests.",
        body=UploadForm,
        body_media=FORM,
        example={"file": "Some text.", "purpose": "file-extract"},
        answers={200: Answer("The file.", {JSON: FileObject})},
        errors=(400, 401, 500),
    ),
    Operation(
        method="GET",
        path="/v1/files",
        id="listFiles",
        summary="List the files",
        query={
            "purpose": {"type": "string", "enum": list(get_args(Purpose))},
            "order": {"type": "string", "enum": ["asc", "desc"]},
            "after": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
        },
        answers={
            200: Answer("The files of the caller's key, the newest first unless told otherwise.", {JSON: FileList})
        },
        errors=(400, 401, 500),
    ),
    Operation(
        method="GET",
        path="/v1/files/{file_id}",
        id="getFile",
        summary="Describe a file",
        parameters=_FILE,
        answers={200: Answer("The file.", {JSON: FileObject})},
        errors=(401, 404, 500),
    ),
    Operation(
        method="DELETE",
        path="/v1/files/{file_id}",
        id="deleteFile",
        summary="Delete a file",
        parameters=_FILE,
        answers={200: Answer("The file is gone.", {JSON: FileDeleted})},
        errors=(401, 404, 500),
    ),
    Operation(
        method="GET",
        path="/v1/files/{file_id}/content",
        id="getFileContent",
        summary="The text of a file",
        description="Of files with the purpose `file-extract`, and of the output and error files of batches "
        "(`batch_output`): lines of JSON.",
        parameters=_FILE,
        answers={200: Answer("The text.", {TEXT: str})},
        errors=(400, 401, 404, 500),
    ),
    Operation(
        method="POST",
        path="/v1/batches",
        id="createBatch",
        summary="Have a file of requests answered in the background",
        description="Each line of the file is a request: `custom_id`, `method` (`POST`), `url` "
        "(`/v1/chat/completions`) and `body`. The lines are checked first; what is wrong with them is in the batch's "
        "`errors`.",
        body=BatchBody,
        example={
            "input_file_id": "file_0123456789abcdef0123456789abcdef",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
        answers={200: Answer("The batch.", {JSON: Batch})},
        errors=(400, 401, 413, 500),
    ),
    Operation(
        method="GET",
        path="/v1/batches",
        id="listBatches",
        summary="List the batches",
        query={
            "after": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        },
        answers={200: Answer("Batches of the caller's key, the newest first.", {JSON: BatchList})},
        errors=(400, 401, 500),
    ),
    Operation(
        method="GET",
        path="/v1/batches/{batch_id}",
        id="getBatch",
        summary="Describe a batch",
        parameters=_BATCH,
        answers={200: Answer("The batch.", {JSON: Batch})},
        errors=(401, 404, 500),
    ),
    Operation(
        method="POST",
        path="/v1/batches/{batch_id}/cancel",
        id="cancelBatch",
        summary="Cancel a batch",
        description="What has been answered is in the output file once the status is `cancelled`.",
        parameters=_BATCH,
        answers={200: Answer("The batch.", {JSON: Batch})},
        errors=(400, 401, 404, 500),
    ),
    Operation(
        method="GET",
        path="/v1/formulas",
        id="listFormulas",
        summary="List the formulas of this server",
        description="An extension: the hosted API has no such list. Each entry has the formula's functions in it.",
        answers={200: Answer("The formulas.", {JSON: FormulaList})},
        errors=(401,),
    ),
    Operation(
        method="GET",
        path="/v1/formulas/{uri}/tools",
        id="listFormulaTools",
        summary="List the functions of a formula",
        description="`uri` is a formula's name, as in `moonshot/date:latest`; its slash and colon may stand unescaped.",
        parameters=_FORMULA,
        answers={200: Answer("The functions, as `tools` of a chat request takes them.", {JSON: ToolList})},
        errors=(401, 404),
    ),
    Operation(
        method="POST",
        path="/v1/formulas/{uri}/fibers",
        id="runFormula",
        summary="Run a function of a formula",
        description="A function that fails is a fiber too: its status says so. `uri` as for listing the functions.",
        parameters=_FORMULA,
        body=FiberRequest,
        example={"name": "date", "arguments": '{"operation":"time","zone":"UTC"}'},
        answers={200: Answer("The run, finished.", {JSON: Fiber})},
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="POST",
        path="/mcp",
        id="mcp",
        summary="The tools, for clients of the Model Context Protocol",
        description="Streamable HTTP without sessions and without a stream of the server's own: each request is "
        "answered with one JSON object. The methods are `initialize`, `ping`, `tools/list` and `tools/call`.",
        body=McpMessage,
        example={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        answers={
            200: Answer("The reply: a result, or a JSON-RPC error.", {JSON: McpReply}),
            202: Answer("A notification or a response was taken; there is no body."),
            400: Answer("The message is none of JSON-RPC 2.0; a JSON-RPC error without an id.", {JSON: McpReply}),
        },
        errors=(401, 403, 404, 413, 500),
    ),
    Operation(
        method="GET",
        path="/health",
        id="health",
        summary="Whether requests are taken",
        answers={
            200: Answer("Requests are taken.", {JSON: Health}),
            503: Answer("The server is leaving.", {JSON: Health}),
        },
        public=True,
    ),
    Operation(
        method="GET",
        path="/metrics",
        id="metrics",
        summary="How the server does, for Prometheus",
        description="Without API keys anybody on this machine may read it; with them, whoever has the key that is set "
        "for it alone. OpenMetrics where it is accepted.",
        answers={200: Answer("The metrics.", {TEXT: str})},
        errors=(401, 403),
        public=True,
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="openapi",
        summary="This document",
        answers={200: Answer("This document.", {JSON: dict[str, Any]})},
        public=True,
    ),
)
