"""`moonbase replay`: a saved session again."""

from __future__ import annotations

import sys

import click

from moonbase.cli.amounts import Positive
from moonbase.cli.where import address_options

_EPILOG = """\b
Examples:
  moonbase replay last                          the session that was used last
  moonbase replay trip.jsonl --from 2 --to 3    two turns of a file
  moonbase replay 2026-11-22 --speed 1          as fast as it was
  moonbase replay last --json                   its records, a line each
  moonbase replay last --against kimi-k2.7-code --base-url http://127.0.0.1:8000
                                                what another model answers at each step
\b
SESSION is a file, a name that `moonbase sessions list` shows, how one begins, or "last". Turns count from 1.
Exit code: 0 shown (with --against: every answer is the same), 1 there is no such session, it is damaged, or an answer
differs, 2 wrong arguments, 3 the server cannot be used.
"""


@click.command(epilog=_EPILOG)
@click.argument("name", metavar="SESSION")
@click.option("--from", "first", type=click.IntRange(1), metavar="TURN", help="The first turn to show.")
@click.option("--to", "last", type=click.IntRange(1), metavar="TURN", help="The last turn to show.")
@click.option(
    "--speed",
    type=Positive(),
    metavar="TIMES",
    help="Show it as it came, so many times as fast; without it, at once.",
)
@click.option("--fold", is_flag=True, help="Show reasoning as one line.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON, one a line.")
@click.option("--salvage", is_flag=True, help="Go on over damaged lines.")
@click.option("--against", metavar="MODEL", help="Ask this model for each answer again, and compare.")
@address_options
def command(
    name: str,
    first: int | None,
    last: int | None,
    speed: float | None,
    fold: bool,
    as_json: bool,
    salvage: bool,
    against: str | None,
    base_url: str | None,
    key: str | None,
) -> None:
    """Show the saved SESSION again: what was said, thought, called and answered."""
    from moonbase.cli import replaying

    what = replaying.Chosen(name, first, last, salvage=salvage)
    if against is None:
        replaying.replay(what, speed=speed, folded=fold, as_json=as_json)
        return
    if speed or fold:
        raise click.UsageError("--speed and --fold do not go with --against")
    from moonbase.cli.comparing import compare
    from moonbase.cli.where import read_where

    sys.exit(compare(what, against, read_where(base_url, key), as_json=as_json))
