"""How commands end: a line and a code for every failure (`cli/exits.py`)."""

from __future__ import annotations

import pytest

from moonbase.agent.errors import AgentError
from moonbase.agent.result import Result
from moonbase.agent.session import SessionError
from moonbase.cli.exits import FAILED, INTERRUPTED, UNUSABLE, USAGE, Failure, Unusable, ending
from moonbase.contract.errors import (
    ApiError,
    InvalidAuthentication,
    InvalidRequest,
    MissingApiKey,
    NotFound,
    PermissionDenied,
    ServerError,
    SettingsError,
    unknown_model,
)

CASES: list[tuple[BaseException, int, str]] = [
    (Failure("the tool failed"), FAILED, "the tool failed"),
    (Unusable("no server answers"), UNUSABLE, "no server answers"),
    (SettingsError("server.port is wrong"), USAGE, "server.port is wrong"),
    (InvalidAuthentication("Invalid Authentication"), UNUSABLE, "does not accept the API key: Invalid Authentication"),
    (MissingApiKey("Incorrect API key provided"), UNUSABLE, "set MOONSHOT_API_KEY"),
    (PermissionDenied("no"), UNUSABLE, "does not accept the API key"),
    (unknown_model("kimi-x"), UNUSABLE, "Not found the model kimi-x"),
    (NotFound("it does not have the formula a/b:c"), UNUSABLE, "; `moonbase tools list` lists what the server has"),
    (InvalidRequest("temperature is wrong"), FAILED, "temperature is wrong (invalid_request_error)"),
    (ServerError("it broke"), FAILED, "it broke (server_error)"),
    (AgentError(unknown_model("kimi-x"), Result()), UNUSABLE, "Not found the model kimi-x"),
    (AgentError(ServerError("it broke"), Result()), FAILED, "it broke (server_error)"),
    (SessionError("the session is damaged"), FAILED, "the session is damaged"),
    (ConnectionRefusedError(111, "Connection refused"), UNUSABLE, "Connection refused"),
    (FileNotFoundError(2, "No such file or directory", "a.md"), FAILED, "a.md: No such file or directory"),
    (OSError(28, "No space left on device"), FAILED, "No space left on device"),
    (ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn"), FAILED, "pip install 'moonbase[serve]'"),
    (
        UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"),
        USAGE,
        "'caf\\udce9' is no text in UTF-8",
    ),
    (KeyboardInterrupt(), INTERRUPTED, "stopped"),
    (ExceptionGroup("tasks", [Failure("inside")]), FAILED, "inside"),
]


@pytest.mark.parametrize(("error", "code", "words"), CASES, ids=lambda value: type(value).__name__)
def test_each_failure_has_one_line_and_a_code(error: BaseException, code: int, words: str) -> None:
    end = ending(error)
    assert end is not None
    assert end.code == code
    assert words in end.line
    assert "\n" not in end.line


def test_a_message_of_several_lines_is_told_in_one() -> None:
    end = ending(Failure("first\n  second\n"))
    assert end is not None
    assert end.line == "first second"


def test_every_api_error_has_an_ending() -> None:
    def all_of(kind: type[ApiError]) -> list[type[ApiError]]:
        return [kind, *(below for sub in kind.__subclasses__() for below in all_of(sub))]

    codes = {kind: end.code for kind in all_of(ApiError) if (end := ending(kind("words")))}
    unusable = {kind for kind, code in codes.items() if code == UNUSABLE}
    assert unusable == {InvalidAuthentication, MissingApiKey, PermissionDenied, NotFound}
    assert len(codes) > 10


def test_a_bug_keeps_its_traceback() -> None:
    assert ending(TypeError("a bug")) is None
    assert ending(UnicodeEncodeError("ascii", "\u6708", 0, 1, "not in range")) is None
    assert ending(ModuleNotFoundError("No module named 'moonbase.nowhere'", name="moonbase.nowhere")) is None
