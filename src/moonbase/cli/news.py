"""`moonbase news`: the daily news report of the platform's documents, as Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from moonbase.cli.outputs import output_option
from moonbase.cli.talk.wishes import Wishes, wishes_options

_EPILOG = """\b
Examples:
  moonbase news                                  by the server of this machine
  moonbase news --here                           by the bundled model, from a sample of invented news
  moonbase news chess astronomy -o news.md       other topics, into a file
  moonbase news --base-url https://api.moonshot.ai/v1 --model kimi-k2.6

\b
The model asks for the date, then searches the web, then writes; where the search looks is the server's business
(docs/tools.md). Exit code: 0 done, 1 it failed, or was written without a search, 2 wrong arguments, 3 the server cannot
be reached or used, 130 Ctrl-C, 141 nobody reads the output.
"""


@click.command(epilog=_EPILOG)
@click.argument("topics", nargs=-1)
@output_option("Write the report there; a file that is there is replaced when the report is whole.")
@click.option("--reasoning", is_flag=True, help="Show the reasoning too.")
@click.option("--quiet", is_flag=True, help="Say nothing but the report, and what goes wrong.")
@wishes_options
def command(topics: tuple[str, ...], wishes: Wishes, output: Path | None, reasoning: bool, quiet: bool) -> None:
    """Write the daily news report on TOPICS (technology, economy and society), with its sources."""
    from moonbase.cli.talk.report import write_report

    sys.exit(write_report(topics, wishes, output, reasoning=reasoning, quiet=quiet))
