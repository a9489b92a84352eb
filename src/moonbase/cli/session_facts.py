"""What `moonbase sessions` prints of saved sessions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from moonbase.accounts.money import DOLLAR
from moonbase.agent.session import Session
from moonbase.agent.session_lock import SessionError
from moonbase.agent.turns import turns_of
from moonbase.cli.exits import Failure
from moonbase.cli.saved import read_saved, saved_sessions
from moonbase.cli.terminal.figures import dollars, moment, seconds
from moonbase.cli.terminal.paint import Style
from moonbase.cli.terminal.safe import safe_json, safe_line
from moonbase.cli.terminal.screen import open_screen
from moonbase.cli.terminal.tables import fact_lines
from moonbase.cli.terminal.width import cut, width
from moonbase.contract.events import Usage
from moonbase.contract.fold import plus

_LATEST = 20
_WIDE_ENOUGH = 200


def list_sessions(folder: str | None, *, everything: bool, as_json: bool) -> None:
    """The sessions of a folder, those used last first."""
    shelf = saved_sessions(folder)
    listed = list(shelf) if everything else shelf.latest(_LATEST)
    if as_json:
        _print_json(listed)
        return
    if not listed:
        click.echo(f"no sessions in {shelf.folder} yet")
        return
    screen = open_screen(sys.stdout, os.environ)
    columns = screen.columns() if screen.terminal else _WIDE_ENOUGH
    wide = max(width(safe_line(one.name)) for one in listed)
    for one in listed:
        name = safe_line(one.name)
        head = f"{moment(one.used)}  {name}{' ' * (wide - width(name))}  "
        title = cut(safe_line(one.title), max(columns - width(head) - 1, 12))
        screen.write(screen.paint(head, Style.DIM) + title + "\n")


def show_session(name: str, *, salvage: bool, as_json: bool) -> None:
    """Facts of one session. Raises `Failure`."""
    session = read_saved(name, salvage=salvage)
    facts = facts_of(session)
    if as_json:
        _print_json(facts)
        return
    told = {key: _plain(key, value) for key, value in facts.items() if value not in (None, "", [])}
    click.echo("\n".join(fact_lines(told)))


def facts_of(session: Session) -> dict[str, Any]:
    """What can be said of a session in a few lines. Times are seconds of Unix time, `cost` is in US dollars."""
    header, steps = session.header, session.steps
    turns = turns_of(session.records)
    usage = plus(Usage(), (step.usage for step in steps))
    known = [step.cost for step in steps if step.cost is not None]
    return {
        "file": str(session.path),
        "id": session.id,
        "created": header.created,
        "model": header.model,
        "forked_from": header.parent.id if header.parent else None,
        "turns": turns[-1].number if turns else 0,
        "messages": len(session.history),
        "sent_next": len(session.messages),
        "answers": len(steps),
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "seconds": round(sum(step.seconds for step in steps), 3),
        "cost": sum(known) / DOLLAR if known else None,
        "pending_calls": [call.function.name for call in session.pending],
        "damaged_lines": [one.line for one in session.damage],
    }


def fork_session(name: str, path: Path | None, *, at: int | None, step: int | None, salvage: bool) -> None:
    """Fork a session and print the new file's path. Raises `Failure` and `click.UsageError`."""
    if at is not None and step is not None:
        raise click.UsageError("--at and --step are both given; choose one")
    session = read_saved(name, salvage=salvage)
    try:
        with session.fork(path or saved_sessions().new_path(), at=at, step=step) as fork:
            click.echo(str(fork.path))
    except SessionError as error:
        raise Failure(str(error)) from None


def _plain(key: str, value: Any) -> str:
    match key:
        case "created":
            return moment(value)
        case "seconds":
            return seconds(value)
        case "cost":
            return f"{dollars(value)} at list prices"
        case "pending_calls" | "damaged_lines":
            return ", ".join(map(str, value))
        case _:
            return f"{value:,}" if isinstance(value, int) else str(value)


def _print_json(value: object) -> None:
    encoded = msgspec.json.encode(value, enc_hook=str)
    click.echo(safe_json(msgspec.json.format(encoded, indent=2).decode()))
