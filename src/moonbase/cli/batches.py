"""`moonbase batches`: files of requests, answered in the background."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, cast

import click

from moonbase.cli.outputs import output_option
from moonbase.cli.talk.wishes import DEFAULT_MODEL
from moonbase.cli.where import Where, where_options

_CREATE = """\b
Examples:
  moonbase batches create requests.jsonl        checked, uploaded, begun; its id is printed
  moonbase batches create requests.jsonl --wait -o results.jsonl
                                                and waited for; what failed is told
  moonbase batches create prompts.txt --format prompts --system "Answer in one word." --wait
                                                a prompt on each line
  moonbase batches create prompts.txt --format prompts --dry-run
                                                the requests that these become

\b
FILE has a request on each line; "-" is standard input. What a line is, --format says:
  requests  whole ones, with custom_id, method, url and body
  bodies    the bodies alone, as chat completions take them
  prompts   text, for --model
A body or a prompt of line 7 gets the custom_id line-7. Ctrl-C while it waits leaves the batch as it is.
Exit code: 0 done, 1 it failed, or a request of it, 2 wrong arguments or lines, 3 the server cannot be used, 130 Ctrl-C.
"""
_WAIT = """\b
Examples:
  moonbase batches wait last -o results.jsonl
  moonbase batches wait last -o results.jsonl --errors errors.jsonl

\b
BATCH is an id, or "last". Ctrl-C leaves the batch as it is, and the same command goes on waiting.
Exit code: 0 every request was answered, 1 one was not, or all were refused, 2 wrong arguments, 3 the server cannot be
used, 130 Ctrl-C.
"""
_LIST = """\b
Examples:
  moonbase batches list                         the twenty newest
  moonbase batches list --all --json
"""
_SHOW = """\b
Examples:
  moonbase batches show last                    how far it is; of one that was refused, why
  moonbase batches show last --json             as the server tells of it
"""
_CANCEL = """\b
Examples:
  moonbase batches cancel last                  what has been answered stays
"""
_RESULTS = """\b
Examples:
  moonbase batches results last                 a line of JSON for each answer
  moonbase batches results last -o results.jsonl
"""
_ERRORS = """\b
Examples:
  moonbase batches errors last -o errors.jsonl
"""
_ALL = """\b
Examples:
  moonbase batches create requests.jsonl
  moonbase batches list
  moonbase batches results last -o results.jsonl

\b
A batch costs 60 percent of the price and is answered when nobody else waits. BATCH is an id, or "last" for the newest.
"""


_output = output_option("Write them there, whole or not at all.")
_errors = click.option(
    "--errors",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the requests that failed there.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the server's JSON.")
_quiet = click.option("--quiet", is_flag=True, help="Show no progress.")


@click.group(epilog=_ALL)
def command() -> None:
    """Have files of requests answered in the background, for less."""


@command.command("create", epilog=_CREATE)
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["requests", "bodies", "prompts"]),
    default="requests",
    show_default=True,
    help="What a line of FILE is.",
)
@click.option(
    "--model", metavar="NAME", help=f"Whom prompts and bodies without a model ask.  [default: {DEFAULT_MODEL}]"
)
@click.option("--system", metavar="TEXT", default="", help="With prompts: what the model is told to be.")
@click.option("--window", metavar="TIME", default="24h", show_default=True, help="How long it may take: 12h to 7d.")
@click.option("--metadata", "pairs", multiple=True, metavar="KEY=VALUE", help="Kept with the batch; repeatable.")
@click.option("--dry-run", is_flag=True, help="Check FILE, print the requests, and ask no server.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has ended, and print the results.")
@_output
@_errors
@_quiet
@_json
@where_options
def create_batch(
    path: str,
    kind: str,
    model: str | None,
    system: str,
    window: str,
    pairs: tuple[str, ...],
    dry_run: bool,
    waits: bool,
    output: Path | None,
    errors: Path | None,
    quiet: bool,
    as_json: bool,
    where: Where,
) -> None:
    """Check FILE line by line, upload it, and have its requests answered."""
    from moonbase.cli.batching import running

    if (output or errors) and not waits:
        raise click.UsageError("--output and --errors go with --wait; `moonbase batches results` fetches them later")
    recipe = running.read_kind(kind, model, system, DEFAULT_MODEL)
    asked = running.Asked(window=window, metadata=running.read_metadata(pairs))
    wanted = running.Wanted(output=output, errors=errors, quiet=quiet, as_json=as_json) if waits else None
    with click.open_file(path, "rb") as file:
        source = running.Source(cast("BinaryIO", file), "stdin" if path == "-" else path, recipe)
        if dry_run:
            running.dry_run(source, asked)
            return
        sys.exit(running.create(where, source, asked, wanted, quiet=quiet, as_json=as_json))


@command.command("wait", epilog=_WAIT)
@click.argument("name", metavar="BATCH")
@_output
@_errors
@_quiet
@_json
@where_options
def wait_for_batch(
    name: str, output: Path | None, errors: Path | None, quiet: bool, as_json: bool, where: Where
) -> None:
    """Wait until BATCH has ended, and print its results."""
    from moonbase.cli.batching import running

    sys.exit(running.wait(where, name, running.Wanted(output=output, errors=errors, quiet=quiet, as_json=as_json)))


@command.command("list", epilog=_LIST)
@click.option("--all", "everything", is_flag=True, help="All of them, not only the newest twenty.")
@_json
@where_options
def list_batches(everything: bool, as_json: bool, where: Where) -> None:
    """A line for each batch, the newest first."""
    from moonbase.cli.batching import looking

    looking.list_batches(where, everything=everything, as_json=as_json)


@command.command("show", epilog=_SHOW)
@click.argument("name", metavar="BATCH")
@_json
@where_options
def show_batch(name: str, as_json: bool, where: Where) -> None:
    """What has become of BATCH."""
    from moonbase.cli.batching import looking

    looking.show_batch(where, name, as_json=as_json)


@command.command("cancel", epilog=_CANCEL)
@click.argument("name", metavar="BATCH")
@_json
@where_options
def cancel_batch(name: str, as_json: bool, where: Where) -> None:
    """End BATCH before all of it is answered."""
    from moonbase.cli.batching import looking

    looking.cancel_batch(where, name, as_json=as_json)


@command.command("results", epilog=_RESULTS)
@click.argument("name", metavar="BATCH")
@_output
@where_options
def write_results(name: str, output: Path | None, where: Where) -> None:
    """Print the answers of BATCH, a line of JSON each."""
    from moonbase.cli.batching import looking

    looking.write_results(where, name, output, failed=False)


@command.command("errors", epilog=_ERRORS)
@click.argument("name", metavar="BATCH")
@_output
@where_options
def write_errors(name: str, output: Path | None, where: Where) -> None:
    """Print the requests of BATCH that failed or were never asked."""
    from moonbase.cli.batching import looking

    looking.write_results(where, name, output, failed=True)
