"""`moonbase health`: whether a server takes requests."""

from __future__ import annotations

import click

from moonbase.cli.amounts import Positive
from moonbase.cli.where import LOCAL_BASE_URL

_EPILOG = """\b
Examples:
  moonbase health                               the server at $MOONSHOT_BASE_URL, else that of this machine
  moonbase health --base-url http://127.0.0.1:8000

\b
Needs no key; for health checks of containers and service managers.
Exit code: 0 it takes requests, also where its database is away, 1 it is leaving, 2 wrong arguments, 3 nobody answers.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--base-url",
    metavar="URL",
    envvar="MOONSHOT_BASE_URL",
    help=f"The server; also $MOONSHOT_BASE_URL.  [default: {LOCAL_BASE_URL}]",
)
@click.option("--timeout", type=Positive(), default=3.0, show_default=True, help="Seconds that it may take to answer.")
def command(base_url: str | None, timeout: float) -> None:
    """Ask a server whether it takes requests."""
    from moonbase.cli.healthy import told

    click.echo(told(base_url or LOCAL_BASE_URL, timeout))
