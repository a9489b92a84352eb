"""The trial process: `python -m moonbase.engines.llama.compiler`. Compiles grammars, so that a bad one harms nobody.

llama.cpp runs a grammar that does not compile as if there were none, and one that compiles slowly or without end
holds up every request. So each grammar is first compiled here, by the same version of llguidance that is built into
xllamacpp. A line of JSON in, the grammar; a line of JSON out, null or why it cannot be used. Who asks keeps the time.
"""

from __future__ import annotations

import importlib
import json
import random
import resource
import sys
import time
from typing import Any

LONGEST = 0.5
"""Seconds of work that one grammar may take: as long as it would hold up llama.cpp."""
_MEMORY = 512 << 20
"""Bytes that the process may take besides what it begins with."""
_STEPS = 24
# About half of what llama.cpp runs with, which are llguidance's defaults: so a grammar that passes stays within them.
_LIMITS = {
    "initial_lexer_fuel": 500_000,
    "step_lexer_fuel": 100_000,
    "max_grammar_size": 250_000,
    "max_items_in_row": 1_000,
    "step_max_items": 25_000,
    "max_lexer_states": 100_000,
}


class Compiler:
    """Tries grammars over a vocabulary of the 256 bytes."""

    def __init__(self) -> None:
        # By name, because its types are incomplete.
        self._llguidance: Any = importlib.import_module("llguidance")
        self._tokenizer = self._llguidance.LLTokenizer("byte")

    def fault(self, grammar: str) -> str | None:
        """Why `grammar` cannot be used; None where it can."""
        begun = time.process_time()
        limits = self._llguidance.LLParserLimits(**_LIMITS)
        matcher = self._llguidance.LLMatcher(self._tokenizer, grammar, log_level=0, limits=limits)
        fault = _walk(matcher)
        if fault is None and time.process_time() - begun > LONGEST:
            return "it takes too long to compile; make the schema smaller"
        return fault


def _walk(matcher: Any) -> str | None:
    """Follow a few characters, the same each time: what comes next is worked out only when it is asked for."""
    choice = random.Random(1)
    for _ in range(_STEPS):
        if matcher.is_error():
            break
        allowed = [token for token, weight in enumerate(matcher.compute_logit_bias()) if weight]
        if matcher.is_stopped() or not allowed:
            break
        matcher.consume_token(choice.choice(allowed))
    return _plain(matcher.get_error()) if matcher.is_error() else None


def _plain(error: str) -> str:
    """The first line of llguidance's words, without where in the grammar, which the client has never seen."""
    return error.strip().split("\n")[0].rpartition("failed to compile JSON schema: ")[2][:300]


def main() -> None:
    """Answer until stdin ends."""
    compiler = Compiler()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30) + _MEMORY, resource.RLIM_INFINITY))
    print("null", flush=True)
    for line in sys.stdin:
        print(json.dumps(compiler.fault(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
