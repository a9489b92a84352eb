"""Training: workers fill a shared gradient, one process updates. An interrupted run goes on from its last checkpoint.

    python models/nano/train.py --tokens 24e6 --workers 2

Each step's rows come from the step's number alone; which worker takes which batch does not change the sum. On a GPU
(`--device cuda`, taken where there is one) one process does all.
"""

import argparse
import json
import queue
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizer
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from batches import Batch, Feed
from corpus.mix import SHARES
from model import Nano, Shape
from optimizer import optimizers
from precision import fastest

HERE = Path(__file__).resolve().parent
Losses = dict[str, tuple[float, int]]
"""The summed loss and the number of tokens learned, by kind of row."""


@dataclass(frozen=True, slots=True)
class Plan:
    tokens: float = 25e6
    """The learning rate falls to nothing at this many tokens."""
    decay: float = 0.85
    """The last share of the run, in which the learning rate falls."""
    per_step: int = 7_000
    muon: float = 0.007
    adam: float = 0.002
    average: float = 0.99
    workers: int = 2
    seed: int = 1
    save_every: float = 120.0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    folder: str = str(HERE / "out")
    """Where the checkpoint and the log are."""
    until: float = 1e18
    """Save and stop at this many tokens; the learning rate does not depend on it."""
    more: str = ""
    """Kinds of rows to have more of, as `echo=2 sums=1.5`."""
    seconds: float = 1e9
    """Time of training in all, interruptions not counted; the learning rate falls with whichever ends sooner."""


class Team:
    """Processes of one thread each, which take batches as they become free and fill one gradient in shared memory."""

    def __init__(self, model: Nano, plan: Plan) -> None:
        model.share_memory()
        self._per_step = plan.per_step
        self._sums = [torch.zeros_like(p).share_memory_() for p in model.parameters()]
        context = mp.get_context("spawn")
        self._tasks, self._results = context.Queue(), context.Queue()
        self._lock = context.Lock()
        given = (self._lock, model, self._sums, plan, self._tasks, self._results)
        self._workers = [context.Process(target=_work, args=given, daemon=True) for _ in range(plan.workers)]
        for worker in self._workers:
            worker.start()

    def step(self, number: int) -> tuple[list[torch.Tensor], int, Losses]:
        """The gradient of the summed loss of step `number`, its tokens, and (loss, tokens learned) of each kind."""
        self._tasks.put((number, None, self._per_step))
        count = self._next()
        for batch in range(count):
            self._tasks.put((number, batch, self._per_step))
        losses: Losses = {}
        taken = 0
        for _ in range(count):
            size, found = self._next()
            taken += size
            _add(losses, found)
        gradient = [total.clone() for total in self._sums]
        for total in self._sums:
            total.zero_()
        return gradient, taken, losses

    def _next(self) -> Any:
        """The next result; raises `RuntimeError` when a worker has ended, whose error is on stderr."""
        while True:
            try:
                return self._results.get(timeout=5)
            except queue.Empty:
                if not all(worker.is_alive() for worker in self._workers):
                    raise RuntimeError("a worker of the training ended; its error is above") from None

    def close(self) -> None:
        for _ in self._workers:
            self._tasks.put(None)


class Alone:
    """All batches in this process, on one device: a GPU."""

    def __init__(self, model: Nano, plan: Plan) -> None:
        self._model, self._plan = model, plan
        self._feed, self._shares = _feed(plan.seed), _shares(plan.more)

    def step(self, number: int) -> tuple[list[torch.Tensor], int, Losses]:
        losses: Losses = {}
        taken = 0
        for batch in self._feed.step(number, self._plan.per_step, self._plan.per_step, self._shares):
            size, found = _learn(self._model, batch)
            taken += size
            _add(losses, found)
        gradient = [parameter.grad for parameter in self._model.parameters()]
        for parameter in self._model.parameters():
            parameter.grad = None
        return [part for part in gradient if part is not None], taken, losses

    def close(self) -> None:
        pass


def _feed(seed: int) -> Feed:
    learned, marks = tokenizer.load(HERE / "tokenizer.json")
    return Feed(lambda text: learned.encode(text, add_special_tokens=False).ids, marks, seed)


def _shares(more: str) -> dict[str, float]:
    """`SHARES`, with more of some kinds; raises `KeyError` for a kind that there is not."""
    shares = dict(SHARES)
    for kind, _, factor in (each.partition("=") for each in more.split()):
        shares[kind] *= float(factor)
    return shares


def _work(lock: Any, model: Nano, sums: list[torch.Tensor], plan: Plan, tasks: Any, results: Any) -> None:
    """Take (step, batch number) until told None; add each batch's gradient of the summed loss to `sums`."""
    # A signal that goes to the whole group is for the process that saves; it tells its workers when to end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    feed, shares = _feed(plan.seed), _shares(plan.more)
    parameters = list(model.parameters())
    step, made = -1, []
    while (task := tasks.get()) is not None:
        if task[0] != step:
            step, made = task[0], feed.step(task[0], task[2], shares=shares)
        if task[1] is None:
            results.put(len(made))
            continue
        done = _learn(model, made[task[1]])
        with lock:
            for total, parameter in zip(sums, parameters, strict=True):
                total += parameter.grad
        for parameter in parameters:
            parameter.grad = None
        results.put(done)


def _learn(model: Nano, batch: Batch) -> tuple[int, Losses]:
    """Add the gradient of one batch's summed loss to the parameters' own."""
    device = model.embedding.weight.device
    ids, wanted = batch.ids.to(device), batch.wanted.to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=fastest(device) == torch.bfloat16):
        logits = model(ids, wanted)
    losses = F.cross_entropy(logits.float(), torch.roll(ids, -1, 1)[wanted], reduction="none")
    losses.sum().backward()
    return ids.numel(), _by_kind(batch, losses.detach().cpu())


def _by_kind(batch: Batch, losses: torch.Tensor) -> Losses:
    found: Losses = {}
    rows = torch.arange(len(batch.kinds))[:, None].expand(batch.wanted.shape)[batch.wanted]
    for n, kind in enumerate(batch.kinds):
        part = losses[rows == n]
        _add(found, {kind: (float(part.sum()), part.numel())})
    return found


def _add(losses: Losses, more: Losses) -> None:
    for kind, (total, count) in more.items():
        held_total, held_count = losses.get(kind, (0.0, 0))
        losses[kind] = (held_total + total, held_count + count)


def _save(path: Path, state: dict[str, Any]) -> None:
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def run(plan: Plan) -> None:
    out = Path(plan.folder)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    device = torch.device(plan.device)
    model = Nano(Shape()).to(device)
    averaged = {name: value.detach().clone() for name, value in model.named_parameters()}
    tools = optimizers(model, plan.muon, plan.adam)
    step, tokens, spent = 0, 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        held = torch.load(checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(held["model"])
        averaged, step, tokens, spent = held["averaged"], held["step"], held["tokens"], held.get("spent", 0.0)
        for tool, state in zip(tools, held["optimizers"], strict=True):
            tool.load_state_dict(state)
    began_at = step
    team = Team(model, plan) if device.type == "cpu" else Alone(model, plan)
    saved = time.monotonic()

    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopping.append(number))

    def save() -> None:
        state = {"model": model.state_dict(), "averaged": averaged, "step": step, "tokens": tokens, "spent": spent}
        _save(checkpoint, {**state, "optimizers": [tool.state_dict() for tool in tools]})

    with (out / "log.jsonl").open("a") as log:
        while (
            (left := 1 - max(tokens / plan.tokens, spent / plan.seconds)) > 0 and tokens < plan.until and not stopping
        ):
            began = time.monotonic()
            gradient, taken, losses = team.step(step)
            learned = sum(many for _, many in losses.values())
            rate = min(1.0, (step - began_at + 1) / 20, max(0.01, left / plan.decay))
            torch.set_num_threads(plan.workers)
            for parameter, part in zip(model.parameters(), gradient, strict=True):
                parameter.grad = part / learned
            for tool, base in zip(tools, (plan.muon, plan.adam), strict=True):
                for group in tool.param_groups:
                    group["lr"] = base * rate
                tool.step()
                tool.zero_grad()
            with torch.no_grad():
                for name, value in model.named_parameters():
                    averaged[name].lerp_(value, 1 - min(plan.average, (step + 1) / (step + 10)))
            step, tokens = step + 1, tokens + taken
            seconds = time.monotonic() - began
            spent += seconds
            line = {"step": step, "tokens": tokens, "rate": round(rate, 3), "speed": int(taken / seconds)}
            line["loss"] = round(sum(total for total, _ in losses.values()) / learned, 4)
            line["kinds"] = {kind: round(total / many, 3) for kind, (total, many) in sorted(losses.items()) if many}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if time.monotonic() - saved > plan.save_every:
                save()
                saved = time.monotonic()
        save()
    team.close()
    if stopping:
        # Saved; whoever asked is told that this is not the end of it.
        sys.exit(128 + stopping[0])


def main() -> None:
    reader = argparse.ArgumentParser(description="Train moonbase-nano.")
    defaults = Plan()
    for name in Plan.__slots__:
        value = getattr(defaults, name)
        reader.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    run(Plan(**vars(reader.parse_args())))


if __name__ == "__main__":
    main()
