"""Answers that keep what was promised: the grammar of each request, and a last look at what came of it."""

from __future__ import annotations

import msgspec

from moonbase.contract.errors import InvalidRequest, UnexpectedOutput
from moonbase.contract.events import Event, Failed, Finished
from moonbase.contract.formats import OutputFormat
from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Opening
from moonbase.contract.request import ChatRequest
from moonbase.engines.promises import Look, Memory, Promises, Validators
from moonbase.prompt.grammar import grammar_of


class Constraints:
    """Makes grammars and checks answers; remembers what it has made, by the content of what it was made of."""

    def __init__(self, output: OutputFormat) -> None:
        self._output = output
        self._grammars: Memory[Grammar | None] = Memory()
        self._validators = Validators()

    def grammar(self, request: ChatRequest, opening: Opening) -> Grammar | None:
        """See `prompt.grammar.grammar_of`; raises `InvalidRequest`."""
        if request.response_format is None and not request.declared:
            return None
        wanted = (request.declared, request.tool_choice, request.response_format, request.thinking.enabled, opening)
        try:
            grammar = self._grammars.get(wanted, lambda: grammar_of(request, opening, self._output))
        except UnicodeEncodeError:
            raise InvalidRequest("Invalid request: the text has half a surrogate pair, which is no character") from None
        return grammar and msgspec.structs.replace(grammar, calls_made=request.calls_made)

    def look(self, grammar: Grammar, *, forced: bool) -> Look:
        return Look(Promises(grammar.content, grammar.calls, forced), self._validators)


class AnswerCheck:
    """Looks at one answer. It fails an answer that ended by itself and breaks its grammar, which the engine should have
    made impossible."""

    def __init__(self, constraints: Constraints, grammar: Grammar, *, forced: bool) -> None:
        self._look = constraints.look(grammar, forced=forced)

    def take(self, event: Event) -> None:
        self._look.take(event)

    def failure(self, end: Finished, *, cut: bool) -> Failed | None:
        """What to end with instead of `end`. `cut`: a stop sequence ended the content, wherever it was."""
        if cut or end.finish_reason not in ("stop", "tool_calls"):
            return None
        fault = self._look.fault()
        if fault is None:
            return None
        return Failed(UnexpectedOutput(f"invalid state transition: the engine's answer breaks its grammar: {fault}"))
