"""What conversations that are idle cost others: a question asked before eight long ones and after them.

    python -m bench idle_conversations

Two engines take turns: one moves what idle slots hold to main memory (as it does where that can keep all of it), the
other has too little memory for that and leaves it where it is.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from moonbase.contract.engine import TextDelta, TextRequest
from moonbase.contract.events import Failed
from moonbase.contract.prompts import Piece
from moonbase.contract.request import Sampling
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.opening import bundled_model

ROUNDS = 5
CONVERSATIONS = 8
WORDS = 600
TOKENS = 64
MEMORY = {"moved": 64 << 20, "left": 1 << 20}
"""Main memory for what idle slots hold, in bytes; what the bundled model's whole cache holds are 40 MiB."""


def words(seed: int, count: int) -> str:
    return " ".join(f"word{(seed * 7919 + index * 131) % 997}" for index in range(count))


async def ask(engine: LlamaEngine, text: str) -> tuple[float, float]:
    """(milliseconds to the first token, tokens per second after it)"""
    request = TextRequest((Piece(text, False),), Sampling(temperature=1.0), TOKENS)
    began = first = time.perf_counter()
    tokens = 0
    async for event in engine.generate(request):
        if isinstance(event, Failed):
            raise SystemExit(event.error.message)
        if isinstance(event, TextDelta):
            first = first if tokens else time.perf_counter()
            tokens += event.tokens
    return 1000 * (first - began), (tokens - 1) / (time.perf_counter() - first)


async def measure() -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for turn in range(ROUNDS):
        for name, memory in MEMORY.items():
            engine = LlamaEngine(LlamaSettings(model=str(bundled_model()), saved_prompts_bytes=memory))
            await engine.start()
            try:
                await ask(engine, words(turn, 20))
                found.setdefault(f"{name}, before", []).append(await ask(engine, words(turn + 50, 20)))
                for index in range(CONVERSATIONS):
                    await ask(engine, words(100 * turn + index + 100, WORDS))
                found.setdefault(f"{name}, after", []).append(await ask(engine, words(turn + 70, 20)))
            finally:
                await engine.close()
    return found


def main() -> None:
    for name, runs in sorted(asyncio.run(measure()).items()):
        first, speed = (statistics.median(run[part] for run in runs) for part in (0, 1))
        print(f"{name:14} {first:6.1f} ms to the first token, {speed:6.0f} tokens per second (medians of {len(runs)})")


if __name__ == "__main__":
    main()
