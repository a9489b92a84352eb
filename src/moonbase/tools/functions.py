"""A Python function with type hints as a formula: `@tool`.

    @tool
    def add(a: int, b: int = 1) -> int:
        \"\"\"Add two numbers.\"\"\"
        return a + b

The schema comes from the signature, the words from the docstring. The function stays what it was; what it becomes is
worked out when a server starts, so that hints may name what its module defines further down.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, overload

import msgspec

from moonbase.contract.errors import SettingsError
from moonbase.contract.tools import Function, is_function_name
from moonbase.tools.docstrings import described
from moonbase.tools.parameters import Parameters
from moonbase.tools.threads import Threads
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__moonbase_tool__"


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the decorator was told."""

    uri: str | None = None
    name: str | None = None
    description: str | None = None
    protected: bool = False


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *, uri: str | None = None, name: str | None = None, description: str | None = None, protected: bool = False
) -> Callable[[F], F]: ...
def tool(
    function: F | None = None,
    /,
    *,
    uri: str | None = None,
    name: str | None = None,
    description: str | None = None,
    protected: bool = False,
) -> F | Callable[[F], F]:
    """Mark a function for `moonbase serve --tools`; the function itself is returned, unchanged.

    `uri` is `local/<name>:latest` and `name` the function's own unless they are given; the output of a `protected` one
    leaves the server sealed.
    """

    def mark(marked: F) -> F:
        if not _is_function(marked):
            raise TypeError(f"@tool is for functions written with def or async def, not for {marked!r}")
        setattr(marked, _MARK, _Mark(uri, name, description, protected))
        return marked

    return mark(function) if function is not None else mark


def _is_function(value: object) -> bool:
    return inspect.isfunction(value)


def is_tool(value: object) -> bool:
    """Whether `value` is a function that `@tool` marked."""
    return inspect.isfunction(value) and isinstance(getattr(value, _MARK, None), _Mark)


def formula_of(*functions: Callable[..., Any], uri: str | None = None, protected: bool = False) -> Formula:
    """One function as a formula, or several under one `uri`; raises `SettingsError` that names a parameter at fault.

    Those of several need no `@tool`, which would offer each under a URI of its own too.
    """
    if uri is None:
        if len(functions) != 1:
            raise TypeError("formula_of needs a uri for several functions, as in uri='acme/weather:latest'")
        mark = _mark(functions[0])
        uri = mark.uri or f"local/{_name(functions[0])}:latest"
        protected = protected or mark.protected
    made = [_FunctionTool(function) for function in functions]
    by_name = {each.declared.name: each for each in made}
    if len(by_name) < len(made):
        raise SettingsError(f"formula {uri}: two of its functions have the same name; rename one of them")

    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        return await by_name[name].run(context, arguments)

    return Formula(uri, tuple(each.declared for each in made), run, protected=protected)


class _FunctionTool:
    """One function: its declaration, and how it is called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        mark = _mark(function)
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise SettingsError(
                f"tool {function.__qualname__!r} of {function.__module__} is a generator; return one value"
            )
        self._function = function
        self._parameters = Parameters(function)
        self._threads = None if inspect.iscoroutinefunction(function) else Threads()
        self.declared = Function(
            name=_name(function),
            description=mark.description or described(function.__doc__).summary or None,
            parameters=self._parameters.schema,
        )

    async def run(self, context: CallContext, arguments: Arguments) -> str:
        call = partial(self._function, **self._parameters.arguments(context, arguments))
        value: Any = await self._threads.run(call) if self._threads else call()
        # A plain function may return a coroutine, as one that wraps an `async def` does.
        return _text(await value if inspect.isawaitable(value) else value)


def _mark(function: Callable[..., Any]) -> _Mark:
    return getattr(function, _MARK, None) or _Mark()


def _name(function: Callable[..., Any]) -> str:
    """What the model calls it. Raises `SettingsError` for what has no name, or one that no model can call."""
    own: Any = getattr(function, "__name__", None)
    if not isinstance(own, str):
        raise SettingsError(f"{function!r} has no name for a model to call; write a function around it with def")
    name = _mark(function).name or own
    if not is_function_name(name):
        raise SettingsError(
            f"tool {function.__qualname__!r} of {function.__module__}: a model cannot call a function {name[:80]!r}: "
            "its name must start with a letter and have letters, digits, underscores and dashes alone (256 at most); "
            "give it one with @tool(name=...)"
        )
    return name


def _text(value: object) -> str:
    """What the model reads: text as it is, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=_encode).decode()
    except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError):
        raise ToolError(
            f"the tool returned a value that is no text and has no JSON form ({type(value).__name__})"
        ) from None


def _encode(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError
