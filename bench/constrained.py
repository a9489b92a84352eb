"""What holding an answer to a schema costs: the speed of its tokens, and the trial of its grammar.

    python -m bench constrained
    python -m bench.constrained [--model FILE.gguf] [--pairs 9] [--tokens 256] [--streams 1]

Free and constrained answers to the same prompt alternate on one engine, so that both meet the same noise; the ratio is
the median of the pairs' ratios. Trials are timed over every collected schema (tests/schemas), each as the parameters of
a function: the first time, and again when its verdict is known.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path

from tests.schemas import collected

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import TextDelta, TextDone, TextRequest
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.events import Failed
from moonbase.contract.formats import KIMI
from moonbase.contract.grammar import Grammar, Schema
from moonbase.contract.prompts import Piece
from moonbase.contract.request import ChatRequest, Sampling, decode_chat_body, resolve
from moonbase.engines.constrained import Constraints
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.lark import skeleton
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.llama.trial import Trial
from moonbase.engines.opening import bundled_model

PROMPT = "the log of the moon base says that the day begins with the news " * 8
ROW: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "kind": {"type": "string", "enum": ["crater", "base", "rover"]},
        "distance": {"type": "number"},
        "visited": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 4},
    },
    "required": ["name", "kind", "distance", "visited", "tags"],
}
SHAPES: dict[str, Schema] = {
    "rows of objects": {"type": "array", "items": ROW, "minItems": 500},
    "a long string": {"type": "string", "minLength": 20_000},
    "any JSON": {"type": "array", "minItems": 500},
}


def asked(schema: Schema, kind: str) -> ChatRequest:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    body = {
        "model": "kimi-k2.6",
        "thinking": {"type": "disabled"},
        "messages": [{"role": "user", "content": "x"}],
        **({"tools": tools} if kind == "call" else {"response_format": form}),
    }
    card = next(card for card in CARDS if card.id == "kimi-k2.6")
    return resolve(decode_chat_body(json.dumps(body).encode()), card)


async def tokens_per_second(engine: LlamaEngine, tokens: int, streams: int, grammar: Grammar | None) -> float:
    async def run(index: int) -> int:
        sampling = Sampling(temperature=1.0, seed=index)
        request = TextRequest((Piece(PROMPT, False),), sampling, tokens, grammar=grammar)
        generated = 0
        async for event in engine.generate(request):
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, TextDelta | TextDone):
                generated += event.tokens
        return generated

    began = time.perf_counter()
    total = sum(await asyncio.gather(*(run(index) for index in range(streams))))
    return total / (time.perf_counter() - began)


async def speeds(arguments: argparse.Namespace) -> None:
    engine = LlamaEngine(LlamaSettings(model=str(arguments.model), threads=1))
    await engine.start()
    constraints = Constraints(KIMI)
    grammars = {name: constraints.grammar(asked(schema, "content"), "answer") for name, schema in SHAPES.items()}
    grammars["free text, then perhaps a call"] = constraints.grammar(asked(ROW, "call"), "answer")
    print(f"{engine.model.parameters / 1e6:.1f}M parameters, {arguments.tokens} tokens, {arguments.streams} streams")
    for name, grammar in grammars.items():
        ratios: list[float] = []
        rates: list[float] = []
        for pair in range(arguments.pairs + 1):
            free = await tokens_per_second(engine, arguments.tokens, arguments.streams, None)
            held = await tokens_per_second(engine, arguments.tokens, arguments.streams, grammar)
            if pair:  # The first warms both up.
                ratios.append(held / free)
                rates.append(held)
        print(f"{name:32} {statistics.median(rates):7.0f} tok/s, {statistics.median(ratios):.2f} of unconstrained")
    await engine.close()


async def trials() -> None:
    trial, constraints = Trial(), Constraints(KIMI)
    await trial.start()

    async def timed(request: ChatRequest) -> float:
        """Milliseconds from the request to the verdict on its grammar."""
        began = time.perf_counter()
        grammar = constraints.grammar(request, "answer")
        assert grammar is not None
        await trial.fault(skeleton(grammar))
        return 1000 * (time.perf_counter() - began)

    first: list[float] = []
    again: list[float] = []
    for row in collected():
        try:
            request = asked(row.schema, "call")
            first.append(await timed(request))
        except InvalidRequest:
            continue
        again.append(await timed(request))
    await trial.close()
    for name, times in (("first", first), ("known", again)):
        times.sort()
        print(
            f"grammar of one function, {name} time: median {statistics.median(times):.2f} ms, "
            f"p99 {times[int(0.99 * len(times))]:.2f} ms, longest {times[-1]:.2f} ms ({len(times)} schemas)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=bundled_model())
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--streams", type=int, default=1)
    arguments = parser.parse_args([] if __name__ != "__main__" else None)
    asyncio.run(trials())
    asyncio.run(speeds(arguments))


if __name__ == "__main__":
    main()
