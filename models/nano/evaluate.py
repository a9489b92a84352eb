"""The score card: free-running generation through `moonbase serve` on the exported model, over HTTP.

    python models/nano/evaluate.py --write

Fresh samples a task, of words and seeds of the card's own, at the locked sampling and with the server's constrained
decoding; shares with their 95 % Wilson intervals. How long the card took is in it (`seconds`).
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
from pathlib import Path
from typing import Any

import tokenizer
from card.long import long_tasks
from card.programs import program
from card.scoring import Tally, score
from card.serving import served
from card.speed import measure
from card.table import markdown
from card.tasks import TASKS, directed, echo

HERE = Path(__file__).resolve().parent
BUNDLED = HERE.parents[1] / "src" / "moonbase" / "bundled" / "moonbase-nano.gguf"
SEED = 77_000_000
LENGTHS = (1000, 2000, 4000)
PROGRAM = "the documents' news program"
EFFORTS = ("low", "high", "max")


def _line(name: str, tally: Tally) -> str:
    held = tally.as_dict()
    share, low, high = (100 * held[key] for key in ("share", "low", "high"))
    shown = f"{name:32} {tally.right:4}/{tally.of:<4} {share:5.1f} %  [{low:.1f}, {high:.1f}]"
    return f"{shown}  prompts {held['prompt_tokens']:.0f}, loops {tally.loops}/{tally.answers}, {tally.seconds:.0f} s"


def _efforts(base: str, samples: int, seed: int) -> dict[str, Any]:
    """Calls and repeating at each effort of kimi-k3: how often right, and how long the thoughts are."""
    found: dict[str, Any] = {}
    for effort in EFFORTS:
        more = {"model": "kimi-k3", "reasoning_effort": effort}
        tallies = [asyncio.run(score(base, _with(make, more), samples // 2, seed)) for make in (directed, echo)]
        right, of = (sum(getattr(tally, key) for tally in tallies) for key in ("right", "of"))
        thoughts = [length for tally in tallies for length in tally.thoughts]
        found[effort] = {"right": right, "of": of, "thought_characters": round(statistics.mean(thoughts), 1)}
        print(f"effort {effort:5} {right}/{of} right, thoughts of {found[effort]['thought_characters']} characters")
    return found


def _with(make: Any, more: dict[str, Any]) -> Any:
    def changed(rng: Any) -> Any:
        case = make(rng)
        reply = yield {**next(case), **more}
        try:
            while True:
                reply = yield {**case.send(reply), **more}
        except StopIteration as end:
            return end.value

    return changed


def main() -> None:
    reader = argparse.ArgumentParser(description="Score moonbase-nano through the server.")
    reader.add_argument("--samples", type=int, default=200, help="cases of each task")
    reader.add_argument(
        "--long-samples", type=int, default=200, help="cases of each task with a long prompt, and of the program"
    )
    reader.add_argument("--tasks", nargs="*", help="only the tasks whose names begin so")
    reader.add_argument("--show", type=int, default=0, help="failures to print for each task")
    reader.add_argument("--model", type=Path, default=BUNDLED)
    reader.add_argument("--seed", type=int, default=SEED)
    reader.add_argument("--threads", type=int, default=1)
    reader.add_argument("--no-speed", action="store_true")
    reader.add_argument("--write", type=Path, nargs="?", const=HERE / "scores.json", help="write the scores as JSON")
    reader.add_argument("--go-on", action="store_true", help="leave out what the written file has already")
    reader.add_argument(
        "--table",
        nargs="?",
        const="all",
        choices=("all", "aims"),
        help="print scores.json as a table and ask nothing; `aims`: the tasks that have an aim",
    )
    given = reader.parse_args()
    if given.table:
        scores = json.loads((HERE / "scores.json").read_text(encoding="utf-8"))
        print(markdown(scores, aims_only=given.table == "aims"))
        return
    # Told to stop, it stops its server too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    learned, _ = tokenizer.load(HERE / "tokenizer.json")

    def count(text: str) -> int:
        return len(learned.encode(text, add_special_tokens=False).ids)

    tasks = TASKS | {PROGRAM: program} | long_tasks(LENGTHS, count)
    found: dict[str, Any] = {"tasks": {}, "seconds": 0}
    if given.go_on and given.write and given.write.exists():
        found = json.loads(given.write.read_text(encoding="utf-8"))
    with served(given.model, given.threads) as base:
        if not given.no_speed and "speed" not in found:
            found["speed"] = measure(base, count)
            print(f"one stream: {found['speed']}", flush=True)
        for name, make in tasks.items():
            if name in found["tasks"] or (given.tasks and not any(name.startswith(start) for start in given.tasks)):
                continue
            cases = given.long_samples if name == PROGRAM or name.endswith(" tokens") else given.samples
            tally = asyncio.run(score(base, make, cases, given.seed + sum(map(ord, name))))
            found["tasks"][name] = tally.as_dict()
            found["seconds"] += round(tally.seconds)
            print(_line(name, tally), flush=True)
            for failure in tally.failures[: given.show]:
                print(f"    {failure}")
            _keep(given.write, found)
        if not given.tasks and "efforts" not in found:
            found["efforts"] = _efforts(base, given.samples, given.seed)
    _keep(given.write, found)
    loops = found["loops"]
    print(f"{loops['used_up_1024_tokens']} of {loops['answers']} answers used up their 1,024 tokens")


def _keep(path: Path | None, found: dict[str, Any]) -> None:
    """Write what there is after each task, so that an interrupted card can go on."""
    done = found["tasks"].values()
    found["loops"] = {
        "answers": sum(held["answers"] for held in done),
        "used_up_1024_tokens": sum(held["loops"] for held in done),
    }
    if path:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
