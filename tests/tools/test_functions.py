"""Python functions as formulas: their schemas, what they are called with, what comes back."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

import msgspec
import pydantic
import pytest

from moonbase.contract.errors import SettingsError
from moonbase.contract.mfjs import check_schema
from moonbase.tools import CallContext, Formula, ToolError, formula_of, tool
from moonbase.tools.formula import FiberContext, FiberRequest
from moonbase.tools.functions import is_tool
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.threads import Threads
from moonbase.tools.toolset import Toolset


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(TypedDict):
    name: str
    zip: NotRequired[str]


@dataclass
class Point:
    x: int
    y: float = 0.5


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


class Order(pydantic.BaseModel):
    item: str
    count: int = 1
    note: str | None = None


class Basket(pydantic.BaseModel):
    orders: list[Order]


def schema(function: Any) -> dict[str, Any]:
    made = formula_of(function)
    parameters = made.functions[0].parameters
    assert parameters is not None
    Toolset([made])
    return parameters


async def ask(made: Formula, seconds: float = 5.0, **arguments: Any) -> FiberContext:
    runner = FiberRunner(Toolset([made]), limits=Limits(seconds=seconds))
    call = FiberRequest(made.functions[0].name, json.dumps(arguments))
    return (await runner.run(made.uri, call, CallContext("key-1"))).context


def test_the_words_come_from_the_docstring() -> None:
    @tool
    def weather(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
        """The weather in a city,
        for some days.

        More for people, not for the model.

        Args:
            city: Where. A name
                or a zip code: both work.
            days (int): How many days.

        Returns:
            unit: nothing of this is a parameter
        """
        return f"{city} {days} {unit}"

    made = formula_of(weather)
    assert made.uri == "local/weather:latest"
    (function,) = made.functions
    assert (function.name, function.description) == ("weather", "The weather in a city, for some days.")
    assert function.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where. A name or a zip code: both work."},
            "days": {"type": "integer", "description": "How many days.", "default": 1},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
    }
    assert weather("x") == "x 1 C"


HINTS: list[tuple[Any, Any, Any]] = [
    (str, "a", "a"),
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 2, 2.0),
    (bool, True, True),
    (list, [1, "a"], [1, "a"]),
    (dict, {"a": 1}, {"a": 1}),
    (list[int], [1, 2.0], [1, 2]),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (object, [1, None], [1, None]),
    (dict[str, object], {"a": [1]}, {"a": [1]}),
    (Optional[int], None, None),  # noqa: UP045
    (Union[int, str], "5", "5"),  # noqa: UP007
    (int | str | None, 5, 5),
    (Literal["a", "b"], "b", "b"),
    (Literal["a", 1], 1, 1),
    (Literal["a"] | None, None, None),
    (Color, "red", Color.RED),
    (Color | None, "blue", Color.BLUE),
    (Level, 2, Level.HIGH),
    (Place, {"name": "x"}, {"name": "x"}),
    (Point, {"x": 1}, Point(1)),
    (list[Point], [{"x": 1, "y": 2}], [Point(1, 2.0)]),
    (Point | None, {"x": 3}, Point(3)),
    (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", [Tree("b")])),
    (Order, {"item": "tea"}, Order(item="tea")),
    (list[Order], [{"item": "tea", "count": 2}], [Order(item="tea", count=2)]),
    (Basket, {"orders": [{"item": "tea"}]}, Basket(orders=[Order(item="tea")])),
    (Annotated[int, msgspec.Meta(ge=1, le=5, description="how many")], 5, 5),
    (set[str], ["a"], {"a"}),  # one element: the test's name has the set in it, and two may stand in either order
    (date, "2026-11-21", date(2026, 11, 21)),
    (Decimal, "1.10", Decimal("1.10")),
    (Any, {"x": [1]}, {"x": [1]}),
]


@pytest.mark.parametrize(("hint", "given", "expected"), HINTS, ids=lambda value: str(value)[:40])
async def test_arguments_come_as_the_types_that_are_hinted(hint: Any, given: Any, expected: Any) -> None:
    """Each schema passes the check of a chat request at the default level (contract.md 7.4)."""
    got: list[Any] = []

    def take(value: Any) -> str:
        got.append(value)
        return "ok"

    take.__annotations__["value"] = hint
    assert schema(take)["required"] == ["value"]
    done = await ask(formula_of(take), value=given)
    assert done.output == "ok", done
    assert got == [expected]
    assert type(got[0]) is type(expected)


@pytest.mark.parametrize("hint", [Literal["a", 1], Color | None, Point, Place, list[Tree], dict[str, int], str | None])
def test_plain_hints_pass_the_strictest_level_too(hint: Any) -> None:
    def take(value: Any) -> None: ...

    take.__annotations__["value"] = hint
    check_schema(schema(take), level="ultra")


@dataclass(frozen=True)
class Doc:
    documentation: str


def test_annotations_describe_a_parameter() -> None:
    def take(a: Annotated[int, "the first"], b: Annotated[str, Doc("the second")] = "x") -> None:
        """Args:
        a: not this
        """

    properties = schema(take)["properties"]
    assert properties["a"] == {"type": "integer", "description": "the first"}
    assert properties["b"] == {"type": "string", "description": "the second", "default": "x"}


async def test_the_context_is_given_and_not_declared() -> None:
    @tool
    async def who(context: CallContext) -> str:
        """Who asks."""
        return context.key_id

    assert schema(who) == {"type": "object", "properties": {}}
    assert (await ask(formula_of(who))).output == "key-1"


async def test_what_is_left_out_is_the_functions_own_default() -> None:
    @tool
    def lists(items: list[int] | None = None, start: int = 7) -> Any:
        return [items, start]

    assert (await ask(formula_of(lists))).output == "[null,7]"
    assert (await ask(formula_of(lists), items=[1])).output == "[[1],7]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        ({"ä": [1, 2.5, True]}, '{"ä":[1,2.5,true]}'),
        (Point(1), '{"x":1,"y":0.5}'),
        (Order(item="tea"), '{"item":"tea","count":1,"note":null}'),
        ([Color.RED], '["red"]'),
        (date(2026, 11, 21), '"2026-11-21"'),
        (10**30, "1" + "0" * 30),
    ],
)
async def test_what_it_returns_becomes_text(value: Any, text: str) -> None:
    async def give() -> Any:
        return value

    assert (await ask(formula_of(give))).output == text


async def test_what_has_no_json_form_is_a_failure() -> None:
    async def give() -> Any:
        return object()

    assert "no JSON form (object)" in str((await ask(formula_of(give))).error)


async def test_errors() -> None:
    def refuses(city: str) -> str:
        raise ToolError(f"{city} is unknown; ask for another")

    def breaks() -> str:
        raise StopIteration

    def exits() -> str:
        raise KeyboardInterrupt

    assert (await ask(formula_of(refuses), city="X")).error == "X is unknown; ask for another"
    assert "failed unexpectedly" in str((await ask(formula_of(breaks))).error)
    assert "failed unexpectedly" in str((await ask(formula_of(exits))).error)


async def test_a_value_that_the_schema_lets_through_and_its_type_does_not() -> None:
    def when(day: date) -> str:
        return str(day)

    def buy(order: Order) -> str:
        return order.item

    assert str((await ask(formula_of(when), day="tomorrow")).error).startswith("arguments.day: ")

    class Even(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def _even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("it is odd")
            return value

    buy.__annotations__["order"] = Even
    error = str((await ask(formula_of(buy), order={"number": 3})).error)
    assert error == "arguments.order: number: Value error, it is odd"


async def test_what_wraps_a_coroutine_function_is_awaited() -> None:
    async def double(number: int) -> int:
        """Double a number."""
        return number * 2

    @functools.wraps(double)
    def wrapped(number: int) -> Awaitable[int]:
        return double(number)

    assert (await ask(formula_of(wrapped), number=2)).output == "4"


def test_defaults_that_json_does_not_have_are_left_out() -> None:
    def wait(seconds: float = float("inf"), share: float = float("nan"), times: int = 1) -> str:
        return f"{seconds} {share} {times}"

    assert schema(wait)["properties"] == {
        "seconds": {"type": "number"},
        "share": {"type": "number"},
        "times": {"type": "integer", "default": 1},
    }


def test_a_name_may_begin_with_an_underscore() -> None:
    def _look(name: str) -> str:
        return name

    made = formula_of(_look)
    Toolset([made])
    assert (made.uri, made.functions[0].name) == ("local/_look:latest", "_look")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (
            functools.partial(int, base=2),
            r"functools.partial\(.* has no name for a model to call; write a function around",
        ),
        (max, "tool 'max' of builtins does not say what it takes; write a function around it with def"),
        (lambda: "", "tool '.*<lambda>' of .*: a model cannot call a function '<lambda>': .* @tool\\(name=...\\)"),
        (tool(name="weather report")(lambda: ""), "a model cannot call a function 'weather report'"),
    ],
)
def test_what_a_model_cannot_call_is_refused_by_name(function: Any, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        formula_of(function)


def test_a_class_that_json_does_not_have_is_refused_in_plain_words() -> None:
    def read(path: Path) -> str:
        return path.read_text()

    with pytest.raises(
        SettingsError, match=r"'path': Path cannot .*: JSON has nothing like pathlib.Path; take what it"
    ):
        formula_of(read)


async def test_blocking_functions_run_beside_each_other_and_off_the_loop() -> None:
    meeting = threading.Barrier(8, timeout=10)

    @tool
    def meet() -> str:
        meeting.wait()
        return threading.current_thread().name

    made = formula_of(meet)
    done = await asyncio.gather(*(ask(made) for _ in range(8)))
    assert {answer.output for answer in done} == {"moonbase-tool"}


async def test_fifty_calls_at_once() -> None:
    @tool
    def double(number: int) -> int:
        return number * 2

    made = formula_of(double)
    done = await asyncio.gather(*(ask(made, number=number) for number in range(50)))
    assert [answer.output for answer in done] == [str(number * 2) for number in range(50)]
    for thread in threading.enumerate():
        if thread.name == "moonbase-tool":
            thread.join(10)
            assert not thread.is_alive()


async def test_one_that_hangs_is_given_up_and_frees_its_place_when_it_ends() -> None:
    release = threading.Event()

    @tool
    def hang() -> str:
        release.wait(30)
        return "late"

    made = formula_of(hang)
    hung = await asyncio.gather(*(ask(made, seconds=0.3) for _ in range(40)))
    assert all("did not answer in time" in str(answer.error) for answer in hung)
    release.set()
    assert (await ask(made)).output == "late"


def test_one_that_hangs_does_not_keep_the_process_from_leaving() -> None:
    code = (
        "import asyncio, time\n"
        "from moonbase.tools.threads import Threads\n"
        "async def main():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.1): await Threads().run(lambda: time.sleep(600))\n"
        "    except TimeoutError: print('left')\n"
        "asyncio.run(main())\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "left\n"
    assert time.perf_counter() - began < 30


def unhinted(a) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore
def starred(*items: int) -> None: ...
def keywords(**items: int) -> None: ...
def positional(a: int, /) -> None: ...
def connected(sink: threading.Thread) -> None: ...
def paired(a: tuple[int, str]) -> None: ...
def twofold(a: Point | Place) -> None: ...
def forward(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037 # pyright: ignore


UNSUITABLE: list[tuple[Any, str]] = [
    (unhinted, "'unhinted' of tests.tools.test_functions, parameter 'a': it has no type hint"),
    (starred, "'starred' of .*parameter 'items': variadic positional"),
    (keywords, "'keywords' of .*parameter 'items': variadic keyword"),
    (positional, "'positional' of .*parameter 'a': positional-only"),
    (connected, "'connected' of .*parameter 'sink': Thread cannot be a JSON schema"),
    (paired, "'paired' of .*parameter 'a': its type hint makes a schema that is refused: .*items"),
    (twofold, "'twofold' of .*parameter 'a': .* cannot be a JSON schema: Type unions may not contain more"),
    (forward, "'forward' of .*its type hints cannot be read: name 'Nowhere' is not defined"),
]


@pytest.mark.parametrize(("function", "named"), UNSUITABLE)
def test_a_hint_that_is_no_schema_is_an_error_that_names_it(function: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        formula_of(function)


def test_generators_are_refused() -> None:
    def one_by_one() -> Any:
        yield 1

    with pytest.raises(SettingsError, match=r"one_by_one' of .* is a generator"):
        formula_of(one_by_one)


def test_only_functions_are_marked() -> None:
    with pytest.raises(TypeError, match="for functions written with def"):
        tool(Point)
    assert not is_tool(Point)


def test_several_functions_under_one_uri() -> None:
    def one(a: int) -> int:
        return a

    def two(b: int) -> int:
        return b

    made = formula_of(one, two, uri="acme/both:v1", protected=True)
    assert (made.uri, [function.name for function in made.functions], made.protected) == (
        "acme/both:v1",
        ["one", "two"],
        True,
    )
    with pytest.raises(SettingsError, match="two of its functions have the same name"):
        formula_of(one, one, uri="acme/both:v1")
    with pytest.raises(TypeError, match="needs a uri"):
        formula_of(one, two)


def test_what_the_decorator_is_told() -> None:
    @tool(name="search_notes", description="Find notes.", protected=True)
    def f(query: str) -> str:
        """Not this."""
        return query

    made = formula_of(f)
    assert (made.uri, made.protected) == ("local/search_notes:latest", True)
    assert made.functions[0].description == "Find notes."
    assert formula_of(tool(uri="acme/f:v2", name="f")(lambda: "x")).uri == "acme/f:v2"


@pytest.mark.parametrize(
    "imports",
    [
        "import moonbase.tools.tool; from moonbase.tools import tool",
        "from moonbase.tools.toolset import Toolset; from moonbase.tools import tool",
        "from moonbase.tools import tool; import moonbase.tools.tool; from moonbase.tools import tool",
    ],
)
def test_the_decorator_is_found_whatever_was_imported_first(imports: str) -> None:
    """The package has a module of the same name."""
    code = f"{imports}; tool(lambda: 1); import sys; assert 'starlette' not in sys.modules and 'mcp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_blocking_function_that_outlasts_its_event_loop_leaves_its_place_when_it_returns() -> None:
    threads, go = Threads(1), threading.Event()

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await threads.run(go.wait)

    async def waited_for() -> str:
        async with asyncio.timeout(10):
            return await threads.run(lambda: "done")

    asyncio.run(given_up())
    go.set()
    assert asyncio.run(waited_for()) == "done"


def test_blocking_functions_are_bounded_over_event_loops_in_several_threads() -> None:
    threads, lock, now, most = Threads(2), threading.Lock(), 0, 0

    def work() -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return "done"

    async def several() -> list[str]:
        return await asyncio.gather(*(threads.run(work) for _ in range(8)))

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(lambda: asyncio.run(several())) for _ in range(4)]
    assert [each.result() for each in done] == [["done"] * 8] * 4
    assert most == 2


async def test_a_call_that_is_given_up_in_line_leaves_no_gap_in_it() -> None:
    threads, go = Threads(1), threading.Event()
    first = asyncio.create_task(threads.run(go.wait))
    second = asyncio.create_task(threads.run(lambda: "second"))
    third = asyncio.create_task(threads.run(lambda: "third"))
    await asyncio.sleep(0)
    second.cancel()
    go.set()
    assert await first
    assert await third == "third"
    assert await threads.run(lambda: "fourth") == "fourth"
