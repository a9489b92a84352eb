"""Reading tool calls out of a model's text (contract.md 2.3, 13)."""

from __future__ import annotations

import pytest

from moonbase.contract.events import ArgumentsDelta, Event, ToolCallOpened
from moonbase.contract.formats import KIMI, CallMarks
from moonbase.parse.tool_calls import CallIds, CallReader, JsonCallReader, KimiCallReader

HERMES = CallMarks(syntax="json", open="<tool_call>", close="</tool_call>")
MISTRAL = CallMarks(syntax="json", open="[TOOL_CALLS]")
assert KIMI.calls is not None
SECTION, SECTION_END, CALL, ARGUMENTS, CALL_END = KIMI.calls.all()


def kimi() -> KimiCallReader:
    assert KIMI.calls is not None
    return KimiCallReader(KIMI.calls, CallIds("name:index", 0), 0)


def hermes(marks: CallMarks = HERMES, made: int = 0) -> JsonCallReader:
    return JsonCallReader(marks, CallIds("name:index", made), 0)


def read(reader: CallReader, *parts: str) -> list[Event]:
    """The events of `parts`: those that begin like a mark are marks."""
    events: list[Event] = []
    for part in parts:
        events += reader.mark(part) if part.startswith(("<", "[TOOL")) else reader.text(part)
    return [*events, *reader.close()]


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    found: list[tuple[str, str, str]] = []
    for event in events:
        if isinstance(event, ToolCallOpened):
            assert event.index == len(found)
            found.append((event.id, event.name, ""))
        elif isinstance(event, ArgumentsDelta):
            id, name, text = found[event.index]
            found[event.index] = (id, name, text + event.text)
    return found


@pytest.mark.parametrize(("form", "ids"), [("name:index", ["f:3", "g:4"]), ("name_index", ["f_3", "g_4"])])
def test_ids_count_on_from_the_calls_of_the_conversation(form: str, ids: list[str]) -> None:
    """contract.md 2.3: an index that restarts at 0 would make a client replay duplicates."""
    issuer = CallIds("name:index" if form == "name:index" else "name_index", 3)
    assert [issuer.issue("f"), issuer.issue("g")] == ids


class TestKimi:
    def test_arguments_stream_as_they_come(self) -> None:
        assert read(kimi(), SECTION, CALL, "functions.f:0", ARGUMENTS, '{"a"', ":1}", CALL_END, SECTION_END) == [
            ToolCallOpened(0, "f:0", "f"),
            ArgumentsDelta(0, '{"a"'),
            ArgumentsDelta(0, ":1}"),
        ]

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("functions.get_weather:0", "get_weather"),
            ("functions.get-weather:12", "get-weather"),
            (" functions.f:0 ", "f"),
            ("functions.f", "f"),
            ("f:7", "f"),
            ("f", "f"),
            ("functions.a.b:0", "a.b"),
        ],
    )
    def test_the_name_is_read_from_the_id(self, written: str, name: str) -> None:
        """contract.md 13: `functions.NAME:IDX`; the index that the model wrote is not trusted."""
        assert calls(read(kimi(), SECTION, CALL, written, ARGUMENTS, "{}", CALL_END)) == [(f"{name}:0", name, "{}")]

    @pytest.mark.parametrize("blank", [[], [""], [" "], ["\n", " "]])
    def test_empty_arguments_are_an_empty_object(self, blank: list[str]) -> None:
        parts = [SECTION, CALL, "functions.f:0", ARGUMENTS, *blank, CALL_END, SECTION_END]
        assert calls(read(kimi(), *parts)) == [("f:0", "f", "{}")]

    def test_space_around_the_arguments_is_dropped_and_inside_is_kept(self) -> None:
        parts = [SECTION, CALL, "functions.f:0", ARGUMENTS, " ", '\n{"a": ', ' "b " ', "}", " \n", CALL_END]
        assert calls(read(kimi(), *parts)) == [("f:0", "f", '{"a":  "b " }')]

    def test_several_calls_and_the_space_between_them(self) -> None:
        parts = [SECTION, "\n", CALL, "functions.f:0", ARGUMENTS, "{}", CALL_END, "\n"]
        parts += [CALL, "functions.g:1", ARGUMENTS, "[]", CALL_END, "\n", SECTION_END]
        assert calls(read(kimi(), *parts)) == [("f:0", "f", "{}"), ("g:1", "g", "[]")]

    def test_a_forgotten_closing_mark(self) -> None:
        parts = [SECTION, CALL, "functions.f:0", ARGUMENTS, CALL, "functions.g:1", ARGUMENTS, "{}", SECTION_END]
        assert calls(read(kimi(), *parts)) == [("f:0", "f", "{}"), ("g:1", "g", "{}")]

    def test_a_call_that_is_cut_off_keeps_what_there_is(self) -> None:
        assert calls(read(kimi(), SECTION, CALL, "functions.f:0", ARGUMENTS, '{"a":')) == [("f:0", "f", '{"a":')]
        assert calls(read(kimi(), SECTION, CALL, "functions.f")) == []

    def test_it_reads_only_inside_a_section(self) -> None:
        reader = kimi()
        assert not reader.reading
        reader.mark(SECTION)
        assert reader.reading
        reader.mark(SECTION_END)
        assert not reader.reading


class TestJson:
    @pytest.mark.parametrize(
        ("text", "arguments"),
        [
            ('{"name": "f", "arguments": {"a": 1}}', '{"a":1}'),
            ('\n{"name": "f", "parameters": {"a": "é"}}\n', '{"a":"é"}'),
            ('{"tool_name": "f", "parameters": {}}', "{}"),
            ('{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}', '{"a":1}'),
            ('{"function": "f", "arguments": {"a": 1}}', '{"a":1}'),
            ('{"name": "f", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'),
            ('{"name": "f"}', "{}"),
            ('{"name": "f", "arguments": null}', "{}"),
            ('{"name": "f", "arguments": ""}', "{}"),
            ('[{"name": "f", "arguments": {}}]', "{}"),
        ],
    )
    def test_the_shapes_of_a_call(self, text: str, arguments: str) -> None:
        assert calls(read(hermes(), "<tool_call>", text, "</tool_call>")) == [("f:0", "f", arguments)]

    @pytest.mark.parametrize(
        "text",
        ["", "not json", "[", "5", "null", "[5]", '{"arguments": {}}', '{"name": 5}', '{"function": 5}', "[" * 100_000],
    )
    def test_what_is_no_call_is_none(self, text: str) -> None:
        reader = hermes()
        assert read(reader, "<tool_call>", text, "</tool_call>") == []
        assert reader.opened == 0

    def test_a_list_of_calls_that_runs_to_the_end(self) -> None:
        text = '[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"x": [1]}}]'
        found = calls(read(hermes(MISTRAL, made=2), "[TOOL_CALLS]", text))
        assert found == [("f:2", "f", "{}"), ("g:3", "g", '{"x":[1]}')]

    @pytest.mark.parametrize(
        "text",
        [
            '{"name": "f", "arguments": {"a": "\\ud800"}}',
            '{"name": "f\\udfff", "arguments": {}}',
            '{"name": "f", "arguments": "\\ud800"}',
        ],
    )
    def test_an_escaped_lone_surrogate_can_still_be_sent(self, text: str) -> None:
        """contract.md 2.5: valid UTF-8, no lone surrogates."""
        ((id, name, arguments),) = calls(read(hermes(), "<tool_call>", text, "</tool_call>"))
        assert f"{id}{name}{arguments}".encode()
