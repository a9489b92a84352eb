"""How every command ends: the exit codes, and the one place that turns a failure into a line on standard error.

    0    done
    1    the task failed: an answer broke off, a tool failed, a check did not hold, a file could not be written
    2    the command line or the configuration is wrong (click's own code)
    3    the server cannot be reached or used: nobody answers there, the key is refused, the model is unknown
    130  Ctrl-C

Commands raise; `main` ends them. A command that has a code of its own raises `Failure` (or calls `sys.exit`).
This module is loaded by `moonbase --help`, so it loads nothing heavy.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, cast

import click

from moonbase.contract.errors import (
    ApiError,
    InvalidAuthentication,
    MissingApiKey,
    MoonbaseError,
    NotFound,
    PermissionDenied,
    SettingsError,
)

DONE = 0
FAILED = 1
USAGE = 2
UNUSABLE = 3
INTERRUPTED = 130


class Failure(MoonbaseError):
    """A command cannot do what it was asked; the message is the line that the user reads."""

    code: ClassVar[int] = FAILED


class Unusable(Failure):
    """The server cannot be reached or used; the message names it, and says what to do."""

    code = UNUSABLE


class Ending(NamedTuple):
    """What a failed command says on standard error, and its exit code."""

    line: str
    code: int


def ending(error: BaseException) -> Ending | None:
    """How `error` ends a command; None for what only a bug raises, whose traceback is wanted."""
    error = _innermost(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Ending("stopped", INTERRUPTED)
    if isinstance(error, Failure):
        return Ending(_line(error), error.code)
    if isinstance(error, SettingsError):
        return Ending(_line(error), USAGE)
    if isinstance(error, ApiError):
        return _refusal(error)
    if isinstance(error, MoonbaseError):
        inner = getattr(error, "error", None)  # what an agent failed of
        return _refusal(inner) if isinstance(inner, ApiError) else Ending(_line(error), FAILED)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("moonbase"):
        return Ending(f"this needs {error.name}, which is not installed; run: pip install 'moonbase[serve]'", FAILED)
    if isinstance(error, UnicodeEncodeError) and _is_no_text(error):
        return Ending(f"{error.object!a} is no text in UTF-8, so it cannot be sent", USAGE)
    if isinstance(error, OSError):
        return _of_the_system(error)
    return None


def _innermost(error: BaseException) -> BaseException:
    """A group of one failure is that failure."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _is_no_text(error: UnicodeEncodeError) -> bool:
    """Whether it is of bytes on the command line, which Python keeps as surrogates (PEP 383)."""
    return all("\udc80" <= sign <= "\udcff" for sign in error.object[error.start : error.end])


def _refusal(error: ApiError) -> Ending:
    """What a server said, as the user of a command can act on it (contract.md 4.2)."""
    if isinstance(error, InvalidAuthentication | MissingApiKey | PermissionDenied):
        return Ending(f"the server does not accept the API key: {_line(error)}; set MOONSHOT_API_KEY", UNUSABLE)
    if isinstance(error, NotFound):
        lists = "moonbase tools list" if "formula" in _line(error) else "moonbase models"
        return Ending(f"{_line(error)}; `{lists}` lists what the server has", UNUSABLE)
    return Ending(f"{_line(error)} ({error.type})", FAILED)


def _of_the_system(error: OSError) -> Ending | None:
    if isinstance(error, BrokenPipeError):
        return None  # click ends quietly when nobody reads the output
    said = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ConnectionError):
        return Ending(f"the connection failed: {said}", UNUSABLE)
    return Ending(f"{error.filename}: {said}" if error.filename else said, FAILED)


def _line(error: BaseException) -> str:
    """The message as one line."""
    return " ".join(str(error).split()) or type(error).__name__
