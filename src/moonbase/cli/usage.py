"""`moonbase usage`: who uses what, out of a server's books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_EPILOG = """\b
Examples:
  moonbase usage                                the books of this user's data directory
  moonbase usage --key-file keys.txt            with the names that stand behind the keys there
  moonbase usage --config moonbase.toml --json

\b
The books are read, also while the server runs, which writes them twice a second. Costs are in US dollars at the hosted
platform's list prices. A key is shown by its id, or by the name that its line in the key file gives it: `KEY  # name`.
Exit code: 0 they are shown, 2 wrong arguments or no books that can be read.
"""


@click.command(epilog=_EPILOG)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="The server's TOML file.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="The server's data directory.")
@click.option(
    "--database-url", envvar="MOONBASE_DATABASE_URL", metavar="URL", help="The database that several servers share."
)
@click.option("--key-file", type=click.Path(dir_okay=False), help="The server's key file, for names.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(**options: Any) -> None:
    """Show what each key has used of each model: requests, tokens, cost."""
    from moonbase.cli.books import show_usage

    show_usage(**options)
