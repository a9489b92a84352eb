"""Whether llama.cpp and transformers give the same greedy answers: the GGUF file, and its Hugging Face export.

    python models/nano/agree.py --prompts 200
    python models/nano/agree.py --prompts 200 --vllm http://127.0.0.1:8001    # serving export_hf.py's folder as "nano"

Prints one JSON object: how many prompts, how many the same, and where the others part; of vLLM as well.
"""

import argparse
import json
import tempfile
import urllib.request
from pathlib import Path
from random import Random
from typing import Any

import tokenizer
import torch
import xllamacpp
from card.asking import Body
from card.tasks import TASKS
from corpus.row import tokens
from export_hf import BUNDLED, export
from transformers import LlamaForCausalLM

from moonbase.prompt.kimi_k2 import render_messages

HERE = Path(__file__).resolve().parent
LENGTH = 64
"""Most tokens of an answer."""


def first_bodies(count: int, seed: int) -> list[Body]:
    """The first request of `count` cases of the card, of every task in turn."""
    makers = list(TASKS.values())
    return [next(makers[n % len(makers)](Random(f"{seed} {n}"))) for n in range(count)]


def prompt(body: Body) -> list[int]:
    """The prompt of a request as token ids; what only the server does to a request is left out."""
    learned, marks = tokenizer.load(HERE / "tokenizer.json")
    thinking = body.get("thinking", {}).get("type") != "disabled"
    effort = "high" if body["model"] == "kimi-k3" else None
    pieces = render_messages(body["messages"], body.get("tools"), style=body["model"], thinking=thinking, effort=effort)
    return tokens(pieces, lambda text: learned.encode(text, add_special_tokens=False).ids, marks)


class LlamaCpp:
    def __init__(self, path: Path) -> None:
        settings = xllamacpp.CommonParams()
        settings.model.path = str(path)
        settings.n_ctx, settings.n_parallel, settings.cpuparams.n_threads = 4096, 1, 1
        settings.warmup, settings.verbosity = False, 0
        self._server = xllamacpp.Server(settings)

    def greedy(self, ids: list[int]) -> list[int]:
        wanted = {"prompt": ids, "n_predict": LENGTH, "temperature": 0.0, "return_tokens": True, "cache_prompt": False}
        return _asked(f"{self._server.listening_address}/completion", wanted)["tokens"]


class Transformers:
    def __init__(self, folder: str) -> None:
        self.model: Any = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.end: int = self.model.generation_config.eos_token_id

    def greedy(self, ids: list[int]) -> list[int]:
        with torch.no_grad():
            written = self.model.generate(torch.tensor([ids]), max_new_tokens=LENGTH, do_sample=False, use_cache=True)
        return written[0, len(ids) :].tolist()


class Vllm:
    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/completions"

    def greedy(self, ids: list[int]) -> list[int]:
        wanted = {"model": "nano", "prompt": ids, "max_tokens": LENGTH, "temperature": 0.0, "return_token_ids": True}
        return _asked(self._url, wanted)["choices"][0]["token_ids"]


def _asked(url: str, wanted: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(wanted).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def parting(model: Any, ids: list[int], first: list[int], second: list[int]) -> dict[str, Any]:
    """Where two answers part, and how far apart the two tokens are in transformers' logits."""
    at = next((n for n, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), -1)
    if at < 0:
        return {"at": min(len(first), len(second)), "margin": None}
    with torch.no_grad():
        logits = model(torch.tensor([ids + second[:at]])).logits[0, -1]
    return {"at": at, "margin": round(float(logits[second[at]] - logits[first[at]]), 4)}


def compare(path: Path, count: int, seed: int, vllm: str | None = None) -> dict[str, Any]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="moonbase-nano-") as folder:
        export(Path(folder), path, transformers=True)
        reference = Transformers(folder)
    engine = LlamaCpp(path)
    others = {"transformers": reference, **({"vllm": Vllm(vllm)} if vllm else {})}
    parted: dict[str, list[dict[str, Any]]] = {name: [] for name in others}

    def written(answer: list[int]) -> list[int]:
        """Some give the end, some do not."""
        return [token for token in answer if token != reference.end]

    for body in first_bodies(count, seed):
        ids = prompt(body)
        first = engine.greedy(ids)
        for name, other in others.items():
            second = other.greedy(ids)
            if written(first) != written(second):
                parted[name].append(parting(reference.model, ids, first, second))
    found = {name: {"same": count - len(places), "parted": places} for name, places in parted.items()}
    return {"prompts": count, **found.pop("transformers"), **found}


def main() -> None:
    reader = argparse.ArgumentParser(description="Compare greedy answers of llama.cpp and transformers.")
    reader.add_argument("--prompts", type=int, default=200)
    reader.add_argument("--seed", type=int, default=5)
    reader.add_argument("--model", type=Path, default=BUNDLED)
    reader.add_argument("--vllm", metavar="URL", help="a vLLM that serves the same weights as the model nano")
    given = reader.parse_args()
    print(json.dumps(compare(given.model, given.prompts, given.seed, given.vllm)))


if __name__ == "__main__":
    main()
