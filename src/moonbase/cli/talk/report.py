"""The daily news report: the task of the platform's documents, given to an agent (`contract.md` 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from moonbase.agent.result import Result
from moonbase.cli.drafts import whole_file
from moonbase.cli.exits import DONE, FAILED
from moonbase.cli.talk.stopping import complain
from moonbase.cli.talk.task import Manner, carry_out
from moonbase.cli.talk.wishes import Wishes
from moonbase.cli.terminal.safe import safe

TOPICS = ("technology", "economy", "society")
FORMULAS = ("moonshot/date:latest", "moonshot/web-search:latest")
INSTRUCTIONS = (
    "You are Kimi, a professional news analyst. "
    "You excel at collecting, analyzing, and organizing information to generate high-quality news reports. "
    "Write Markdown, and name the source and the date of each item."
)
_TASK = "Please help me generate a daily news report including important {topics} news."


def write_report(topics: Sequence[str], wishes: Wishes, output: Path | None, *, reasoning: bool, quiet: bool) -> int:
    """The exit code. Raises what `cli.exits` knows."""
    wishes = replace(
        wishes,
        system=wishes.system or INSTRUCTIONS,
        formulas=(*FORMULAS, *(uri for uri in wishes.formulas if uri not in FORMULAS)),
    )

    def written(result: Result) -> int:
        if output is not None:
            save(output, result.text)
        if not searched(result):
            complain("the model wrote this without a web search that worked: do not rely on it")
            return FAILED
        return DONE

    manner = Manner(reasoning=reasoning, quiet=quiet, hidden=output is not None, then=written)
    return carry_out(task_of(topics), wishes, manner)


def task_of(topics: Sequence[str]) -> str:
    """What the model is asked, in the words of the documents."""
    return _TASK.format(topics=listed(topics or TOPICS))


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, and c`."""
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def searched(result: Result) -> bool:
    """Whether a web search came to anything."""
    calls = [call for step in result.steps for call in step.calls]
    return any("web_search" in call.name and not call.failed for call in calls)


def save(path: Path, text: str) -> None:
    """Whole or not at all. Raises `Failure`."""
    with whole_file(path) as file:
        file.write((safe(text).rstrip() + "\n").encode())
