"""`moonbase conformance`: judge any server by the contract of the platform's API."""

from __future__ import annotations

import sys
from typing import Any

import click

from moonbase.cli.amounts import Positive
from moonbase.cli.where import api_root, read_key

_EPILOG = """\b
Examples:
  moonbase conformance http://127.0.0.1:8000 --key any --model kimi-k2.6
  moonbase conformance https://api.moonshot.ai/v1 --model kimi-k2.7-code --only 2.5
  moonbase conformance http://engine:30000 --key x --model moonshotai/Kimi-K2.6 --json
  moonbase conformance --list

\b
Exit code: 0 nothing failed, 1 something did, 3 the server cannot be asked.
"""


@click.command(epilog=_EPILOG)
@click.argument("url", required=False)
@click.option("--key", envvar="MOONSHOT_API_KEY", help="The API key; also taken from $MOONSHOT_API_KEY.")
@click.option("--model", help="The model to ask for.")
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="A part or glob of check names, or a section; repeatable."
)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--list", "wants_list", is_flag=True, help="Print the checks, as Markdown, and ask no server.")
@click.option("--like", metavar="MODEL", help="Judge by this model's card, where the server has another name for it.")
@click.option("--thinking", type=click.Choice(["only", "both"]), help="Can the model's thinking be switched off?")
@click.option("--keep", type=click.Choice(["always", "optional", "none"]), help="Its policy for earlier reasoning.")
@click.option("--sampling", type=click.Choice(["locked", "free"]), help="Are its sampling parameters locked?")
@click.option(
    "--budget", default=4096, type=click.IntRange(1), show_default=True, help="Tokens that an answer may have."
)
@click.option(
    "--timeout",
    default=120.0,
    type=Positive(),
    show_default=True,
    help="Seconds that an answer may take.",
)
@click.option("--parallel", default=4, type=click.IntRange(1), show_default=True, help="Checks that run at once.")
def command(
    url: str | None,
    key: str | None,
    model: str | None,
    only: tuple[str, ...],
    wants_list: bool,
    **options: Any,
) -> None:
    """Judge the server at URL by the contract of the platform's API, whatever runs behind it."""
    from moonbase.cli.judging import chosen, judge, listing

    checks = chosen(only)
    if wants_list:
        click.echo(listing(checks))
        return
    key = read_key(key)
    if not (url and key and model):
        raise click.UsageError("URL, --key and --model are needed")
    sys.exit(judge(checks, url=api_root(url), key=key, model=model, **options))
