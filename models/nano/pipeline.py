"""Everything in order: vocabulary, training on the generated corpus, the graft, export, scores and a plot.

    python models/nano/pipeline.py --tokens 40e6 --workers 2

Run it again and it goes on where it stopped. All that it makes lies in --folder, with a log of what was said; --ship
puts the weights and their scores in the places of the repository.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from export import BUNDLED

HERE = Path(__file__).resolve().parent
GRAFT = 5e6
"""Tokens before the graft; a fifth of a shorter training."""


def _run(log: Path, script: str, *arguments: str) -> None:
    """One step; what it prints is shown, and kept in `log`."""
    command = [sys.executable, "-u", str(HERE / script), *arguments]
    with log.open("a", encoding="utf-8") as kept:
        kept.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {script} {' '.join(arguments)}\n")
        print(f"{script} {' '.join(arguments)}", flush=True)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                kept.write(line)
                kept.flush()
        except KeyboardInterrupt:
            # It was told too, and saves what it has.
            process.wait()
    if code := process.wait():
        sys.exit(f"{script} ended with {code}; run this again to go on from there")


def main() -> None:
    reader = argparse.ArgumentParser(description="Make moonbase-nano from nothing, or go on with an interrupted run.")
    reader.add_argument("--tokens", type=float, default=60e6, help="length of the training in tokens")
    reader.add_argument("--seconds", type=float, default=9000, help="or in seconds, whichever ends sooner")
    reader.add_argument("--workers", type=int, default=2, help="training processes of one thread each")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--samples", type=int, default=200, help="cases of each task for the scores")
    reader.add_argument("--long-samples", type=int, default=100, help="cases of each task with a long prompt")
    reader.add_argument("--folder", type=Path, default=HERE / "out", help="checkpoint, logs, weights, scores and plot")
    reader.add_argument("--ship", action="store_true", help="replace the weights and scores of the repository")
    given = reader.parse_args()
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    log, weights, scores = folder / "pipeline.log", folder / "moonbase-nano.gguf", folder / "scores.json"
    if not (HERE / "tokenizer.json").exists():
        _run(log, "vocabulary.py")
    size = ("--tokens", str(given.tokens), "--seconds", str(given.seconds))
    team = ("--workers", str(given.workers), "--seed", str(given.seed))
    train = ("train.py", *size, *team, "--folder", str(folder))
    if not (folder / "grafted").exists():
        _run(log, *train, "--until", str(min(GRAFT, given.tokens / 5)))
        _run(log, "graft.py", "--checkpoint", str(folder / "checkpoint.pt"))
    _run(log, *train)
    _run(log, "export.py", "--checkpoint", str(folder / "checkpoint.pt"), "--path", str(weights))
    samples = ("--samples", str(given.samples), "--long-samples", str(given.long_samples))
    _run(log, "evaluate.py", "--model", str(weights), "--write", str(scores), *samples)
    _run(log, "plot.py", str(folder))
    if given.ship:
        shutil.copy(weights, BUNDLED)
        shutil.copy(scores, HERE / "scores.json")
        shutil.copy(folder / "progress.svg", HERE / "progress.svg")


if __name__ == "__main__":
    main()
