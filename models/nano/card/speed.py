"""How fast one stream is through the server, and how soon its first token comes."""

import json
import statistics
import time
from random import Random
from typing import Any

import httpx

from card import words
from card.long import Count
from card.tasks import user


def _timed(client: httpx.Client, body: dict[str, Any]) -> tuple[float, float, int]:
    """(seconds to the first token, seconds from it to the last, tokens)"""
    began = time.perf_counter()
    first = last = 0.0
    tokens = 0
    with client.stream("POST", "/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if usage := chunk.get("usage") or (chunk["choices"] and chunk["choices"][0].get("usage")):
                tokens = usage["completion_tokens"]
            delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
            if delta.get("content") or delta.get("reasoning_content"):
                last = time.perf_counter()
                first = first or last
    return first - began, last - first, tokens


def measure(base: str, count: Count, runs: int = 15) -> dict[str, float]:
    """Medians over `runs` fresh prompts of 500 tokens, and over as many answers of about a hundred tokens."""
    rng, starts, speeds = Random(12), [], []
    with httpx.Client(base_url=base, headers={"Authorization": "Bearer sk-card"}, timeout=120) as client:
        for _ in range(runs):
            text = words.text(rng, 900)
            while count(text) < 440:
                text += " " + words.sentence(rng)
            body = {
                "model": "kimi-k2.6",
                "messages": [user(f"{text}\n\nRepeat: {words.phrase(rng)}")],
                "max_tokens": 32,
            }
            first, _, _ = _timed(client, body | {"stream": True})
            starts += [first] if first > 0 else []
        for _ in range(runs):
            # Longer texts it does not repeat, and answers in a few words.
            ask = f"Repeat: {words.phrase(rng, 30, 30)}"
            body = {"model": "kimi-k2.6", "messages": [user(ask)], "max_tokens": 400, "stream": True}
            _, seconds, tokens = _timed(client, body | {"stream_options": {"include_usage": True}})
            if tokens > 80 and seconds > 0:
                speeds.append((tokens - 1) / seconds)
    return {
        "first_token_ms": round(1000 * statistics.median(starts), 1) if starts else 0,
        "tokens_per_second": round(statistics.median(speeds)) if speeds else 0,
        "best_tokens_per_second": round(max(speeds, default=0)),
        "best_first_token_ms": round(1000 * min(starts, default=0), 1),
    }
