"""Ending what a grammar began, for schemas as they are sent (contract.md 7.3, 7.4), checked by `jsonschema`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, SchemaError, validate
from llguidance import LLMatcher

from moonbase.engines.grammar_walk import ByteVocabulary, GrammarWalk
from moonbase.parse.closing import FIRST_MARK, Steps, shortest_closing
from moonbase.parse.json_place import Place
from tests.contract.test_schema import SCHEMAS, objects

Schema = dict[str, Any]
BYTES = ByteVocabulary()
COLLECTED = [
    pytest.param(case["schema"], id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent.parent / "contract" / "schemas").glob("*.json"))
    for case in json.loads(path.read_text())
    if isinstance(case["schema"], dict) and case.get("strict") is None
]


def compact(schema: Schema) -> str:
    return LLMatcher.grammar_from_json_schema({**schema, "x-guidance": {"whitespace_flexible": False}})


def open_walk(schema: Schema) -> GrammarWalk:
    try:
        return GrammarWalk(compact(schema), BYTES)
    except ValueError as refused:
        pytest.skip(f"llguidance: {refused}")


def wander(walk: GrammarWalk, random: Random, most: int) -> Steps:
    """Up to `most` steps that the grammar allows, as a model without sense would take them; whole characters."""
    path: Steps = ()
    whole: Steps = ()
    while len(path) < most and walk.look(path):
        allowed = walk.allowed()
        steps = [step for step in range(FIRST_MARK) if allowed >> step & 1]
        structure = [step for step in steps if step in b'"{}[],:\\0123456789-.e']
        if not steps:
            break
        path += (random.choice(structure if structure and random.random() < 0.6 else steps),)
        try:
            bytes(path).decode()
            whole = path
        except UnicodeDecodeError:
            continue
    return whole


def check_closing(walk: GrammarWalk, schema: Schema, before: Steps) -> None:
    assert walk.look(before)
    walk.go()
    found = shortest_closing(walk, Place().after(bytes(before)))
    assert found is not None, bytes(before)
    text = bytes(before + found).decode()
    value = json.loads(text)
    # What our level lets through and is no schema to the letter: that it is JSON has to do. So it has where a key is
    # written with escapes, which llguidance compares with no pattern.
    with suppress(SchemaError):
        if "patternProperties" not in json.dumps(schema) or "\\u" not in text:
            validate(value, schema, Draft202012Validator)


@pytest.mark.parametrize("schema", COLLECTED)
def test_collected_schemas_can_be_ended_anywhere(schema: Schema) -> None:
    open_walk(schema)
    for seed in range(12):
        random = Random(seed)
        walk = open_walk(schema)
        check_closing(open_walk(schema), schema, wander(walk, random, random.choice([0, 1, 3, 10, 30, 80])))


@given(
    root=objects(SCHEMAS),
    definitions=st.fixed_dictionaries(dict.fromkeys("abc", objects(SCHEMAS))),
    random=st.randoms(use_true_random=False),
    most=st.integers(0, 60),
)
@settings(max_examples=150, deadline=None)
def test_any_schema_can_be_ended_anywhere(root: Schema, definitions: Schema, random: Random, most: int) -> None:
    schema = {**root, "$defs": definitions}
    check_closing(open_walk(schema), schema, wander(open_walk(schema), random, most))


STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "before", "end"),
    [
        ({}, "", "0"),
        ({}, "tru", "e"),
        ({}, '{"a', '":0}'),
        ({"type": "object"}, "", "{}"),
        ({"type": "object"}, '{"a":[{"b":"c', '"}]}'),
        (STRING, '"a\\', '""'),
        (STRING, '"a\\u00', '00"'),
        ({"type": "object"}, '{"a\\u', '0000":0}'),
        ({"type": "string", "minLength": 4}, '"a', 'aaa"'),
        ({"type": "string", "minLength": 2, "maxLength": 3}, '"é', 'a"'),
        ({"type": "string", "enum": ["yes, please", "yes"]}, '"yes,', ' please"'),
        ({"type": "string", "enum": ["yes, please", "yes"]}, '"', 'yes"'),
        ({"type": "number", "enum": [15, 1.25, 100]}, "1.", "25"),
        ({"const": {"a": [1, None]}}, '{"a"', ":[1,null]}"),
        ({"type": "string", "pattern": r"^[a-z]{3}-\d+$"}, '"ab', 'a-0"'),
        ({"type": "string", "pattern": "^.*foo$"}, '"fo', 'o"'),
        ({"type": "string", "pattern": "^.*foo$"}, '"of', 'oo"'),
        ({"type": "string", "pattern": r"^[a-zA-Z0-9_.-]+\.(png|svg)$"}, '"', 'a.png"'),
        ({"type": "string", "pattern": r"^[a-zA-Z0-9_.-]+\.(png|svg)$"}, '"name.p', 'ng"'),
        ({"type": "string", "pattern": "^(a|bc)+d$"}, '"ab', 'cd"'),
        ({"type": "string", "format": "date"}, '"2026-1', '0-01"'),
        ({"type": "string", "format": "uuid"}, '"', '00000000-0000-0000-0000-000000000000"'),
        ({"type": "string", "format": "ipv4"}, '"10.', '0.0.0"'),
        (INTEGER, "-", "0"),
        ({"type": "integer", "minimum": 17, "maximum": 5000}, "1", "7"),
        ({"type": "integer", "minimum": 17, "maximum": 5000}, "6", "0"),
        ({"type": "integer", "minimum": -5, "maximum": -2}, "", "-2"),
        ({"type": "integer", "multipleOf": 37}, "1", "11"),
        ({"type": "number"}, "1.", "0"),
        ({"type": "number"}, "1e", "0"),
        ({"type": "number", "minimum": 0.25, "maximum": 0.5}, "0.", "3"),
        ({"type": "array", "items": INTEGER, "minItems": 3}, "[1", ",0,0]"),
        ({"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2}, "[4", ',""]'),
        (
            {"type": "object", "properties": {"a": STRING, "b": INTEGER, "c": STRING}, "required": ["c"]},
            '{"b":3',
            ',"c":""}',
        ),
        ({"type": "object", "additionalProperties": {"type": "array", "minItems": 1}}, '{"k', '":[0]}'),
        ({"anyOf": [{"type": "string", "minLength": 9}, {"type": "null"}, INTEGER]}, "", "0"),
        (
            {
                "$defs": {"n": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/n"}}, INTEGER]}},
                "$ref": "#/$defs/n",
            },
            "[[[4,[",
            "]]]]",
        ),
        (
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"const": "a"}, "title": STRING, "points": {"minItems": 9}},
                        "required": ["kind", "title", "points"],
                    },
                    {"type": "object", "properties": {"kind": {"const": "drawing"}}, "required": ["kind"]},
                ]
            },
            '{"kind":',
            '"drawing"}',
        ),
    ],
)
def test_the_shortest_end(schema: Schema, before: str, end: str) -> None:
    walk = open_walk(schema)
    assert walk.look(tuple(before.encode()))
    walk.go()
    found = shortest_closing(walk, Place().after(before.encode()))
    assert found is not None
    written = bytes(found).decode()
    assert len(written) == len(end), written
    check_closing(open_walk(schema), schema, tuple(before.encode()))


def test_marks_are_steps() -> None:
    words = ByteVocabulary(["<|call|>", "<|end|>"])
    call, end = (f"<[{words.mark_id(mark)}]>" for mark in words.marks)
    walk = GrammarWalk(
        f'start: thought {call} "functions.f:0" %json {{"type": "object"}} {end}\nthought: /(.|\\n)*/', words
    )
    assert walk.look(tuple(b'hm, "so [ '))
    assert not walk.ended()
    assert shortest_closing(walk, Place()) is not None
    walk.look(tuple(b'hm, "so [ '))
    walk.go()
    assert shortest_closing(walk, Place()) == (FIRST_MARK, *b"functions.f:0{}", FIRST_MARK + 1)


def test_a_step_that_is_not_allowed_is_told_and_leaves_the_walk_whole() -> None:
    walk = open_walk(STRING)
    assert not walk.look(tuple(b'"a"b'))
    assert walk.look(tuple(b'"a"'))
    assert walk.ended()
    assert walk.ended()
    assert not walk.look(tuple(b'"a"b'))
    assert not walk.look(tuple(b'"a""'))
    assert walk.look(tuple(b'"a"'))
    assert walk.look(())
    assert not walk.ended()


def test_a_grammar_that_cannot_be_enforced_is_named() -> None:
    with pytest.raises(ValueError, match="uniqueItems"):
        GrammarWalk(compact({"type": "array", "uniqueItems": True}), BYTES)
