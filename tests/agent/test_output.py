"""Structured results: an object that fits, or the model is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from moonbase.agent.agent import Agent
from moonbase.agent.errors import OutputInvalid
from moonbase.agent.events import OutputRefused
from moonbase.agent.output import Misfit, output_of
from moonbase.agent.session import Session
from moonbase.contract.errors import InvalidRequest, SettingsError
from moonbase.contract.events import Failed
from moonbase.contract.mfjs import check_response_format
from tests.agent.directing import call, heard, scripted
from tests.engines.takes import Take, Takes
from tests.running import Running

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number", "minimum": -90}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
GOOD = '{"city": "Oslo", "degrees": 4.5}'


class Inner(pydantic.BaseModel):
    name: str


class Model(pydantic.BaseModel):
    city: str
    degrees: float = pydantic.Field(ge=-90)
    inner: list[Inner] = []


class Struct(msgspec.Struct):
    city: str
    degrees: float


@dataclass
class Data:
    city: str
    degrees: float
    next: Data | None = None


class Dictionary(TypedDict):
    city: str
    degrees: float


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        (SCHEMA, {"city": "Oslo", "degrees": 4.5}),
        (Model, Model(city="Oslo", degrees=4.5)),
        (Struct, Struct("Oslo", 4.5)),
        (Data, Data("Oslo", 4.5)),
        (Dictionary, {"city": "Oslo", "degrees": 4.5}),
    ],
)
async def test_the_answer_becomes_an_object(wanted: Any, made: Any) -> None:
    engine = Takes(Take(GOOD))
    result = await scripted(engine=engine, output=wanted).run("How warm is it?")
    assert result.output == made
    assert type(result.output) is type(made)
    form = engine.asked[0].response_format
    assert form is not None
    assert form.json_schema is not None
    assert form.json_schema["schema"]["type"] == "object"


async def test_what_is_no_object_is_put_into_one() -> None:
    engine = Takes(Take('{"value": ["a", "b"]}'))
    assert (await scripted(engine=engine, output=list[str]).run("Say")).output == ["a", "b"]


class Other(pydantic.BaseModel):
    kind: Literal["other"]


@pytest.mark.parametrize(
    ("wanted", "text", "made"),
    [
        (list[Model], f"[{GOOD}]", [Model(city="Oslo", degrees=4.5)]),
        (Model | Other, '{"kind": "other"}', Other(kind="other")),
        (Model | None, "null", None),
        (dict[str, Model], f'{{"a": {GOOD}}}', {"a": Model(city="Oslo", degrees=4.5)}),
    ],
)
async def test_pydantic_models_may_be_in_lists_and_unions(wanted: Any, text: str, made: Any) -> None:
    engine = Takes(Take('{"value": 3}'), Take(f'{{"value": {text}}}'))
    session = Session.in_memory()
    assert (await scripted(engine=engine, output=wanted).run("Say", session=session)).output == made
    assert "value" in session.messages[2].text


async def test_a_markdown_fence_is_forgiven() -> None:
    engine = Takes(Take(f"```json\n{GOOD}\n```\n"))
    assert (await scripted(engine=engine, output=Struct).run("Say")).output == Struct("Oslo", 4.5)


@pytest.mark.parametrize(
    ("wanted", "text", "reason"),
    [
        (SCHEMA, "It is cold.", "it is not JSON"),
        (SCHEMA, '{"city": "Oslo"}', "'degrees' is a required property"),
        (SCHEMA, '{"city": "Oslo", "degrees": -100}', r"\$\.degrees: -100 is less than the minimum"),
        (Model, '{"city": "Oslo", "degrees": -100}', "greater than or equal to -90"),
        (Model, "[", "Invalid JSON"),
        (Struct, '{"city": 4}', r"Expected `str`, got `int` - at `\$\.city`"),
    ],
)
def test_the_reason_of_a_misfit_is_told(wanted: Any, text: str, reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        output_of(wanted).read(text)


async def test_the_model_is_asked_again_and_told_why() -> None:
    engine = Takes(Take("It is cold."), Take('{"city": "Oslo"}'), Take(GOOD))
    session = Session.in_memory()
    result = await scripted(engine=engine, output=SCHEMA).run("How warm is it?", session=session)
    assert result.output == {"city": "Oslo", "degrees": 4.5}
    assert len(result.steps) == 3
    told = [message.text for message in session.messages if message.role == "user"]
    assert "it is not JSON" in told[1]
    assert "'degrees' is a required property" in told[2]


async def test_after_two_more_tries_the_run_fails() -> None:
    engine = Takes(Take("It is cold."))
    events = await heard(scripted(engine=engine, output=SCHEMA), "How warm is it?")
    assert sum(isinstance(event, OutputRefused) for event in events) == 2
    assert isinstance(events[-1], Failed)
    with pytest.raises(OutputInvalid, match="it is not JSON") as caught:
        await scripted(engine=engine, output=SCHEMA, output_tries=0).run("How warm is it?")
    assert caught.value.result.text == "It is cold."


async def test_a_cut_answer_says_so() -> None:
    engine = Takes(Take('{"city": "Os', reason="length"))
    with pytest.raises(OutputInvalid, match="it is longer than its budget"):
        await scripted(engine=engine, output=SCHEMA, output_tries=0).run("How warm is it?")


async def test_a_server_that_takes_no_form_is_told_in_words() -> None:
    refused = Failed(InvalidRequest("response_format json_schema is not supported"))
    engine = Takes(refused, Take(GOOD))
    result = await scripted(engine=engine, output=SCHEMA).run("How warm is it?")
    assert result.output == {"city": "Oslo", "degrees": 4.5}
    asked = engine.asked[1]
    assert asked.response_format is None
    assert asked.messages[0].text.startswith("Be brief.\n\nYour final answer is JSON alone")


async def test_tools_come_before_the_object(server: Running) -> None:
    class Colour(msgspec.Struct):
        name: Literal["red"]

    agent = Agent(
        tools=["moonshot/mew:latest"], base_url=server.base_url, api_key="sk-any", output=Colour, output_tries=0
    )
    # The scripted engine answers with the result of the call, which is no colour.
    with pytest.raises(OutputInvalid) as caught:
        await agent.run(call("mew_generator"))
    assert len(caught.value.result.steps) == 2
    assert (await agent.run("Which colour?")).output == Colour("red")


@pytest.mark.parametrize(
    "wanted", [{"type": "array"}, {"type": "object", "properties": 3}, 7, lambda: 3, "Model", Iterator]
)
def test_what_is_no_output_is_refused(wanted: Any) -> None:
    with pytest.raises(SettingsError, match="output"):
        Agent(output=wanted)


class Odd(pydantic.BaseModel):
    pair: tuple[int, str]
    colour: Literal["red", "green"] | None = None
    price: pydantic.condecimal(max_digits=5) | None = None  # pyright: ignore[reportInvalidTypeForm]
    children: list[Odd] = []


@pytest.mark.parametrize("wanted", [Model, Struct, Data, Dictionary, Odd, list[Data], list[Odd], Model | Other, SCHEMA])
def test_the_forms_are_such_as_the_api_takes(wanted: Any) -> None:
    """contract.md 7.3."""
    check_response_format(output_of(wanted).form, level="loose")
