"""`moonbase doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from moonbase.cli.amounts import Positive
from moonbase.cli.where import address_options

_EPILOG = """\b
Examples:
  moonbase doctor                               look at everything here
  moonbase doctor --only 'model*' --only engine
  moonbase doctor --config moonbase.toml        and at what a server with this file needs
  moonbase doctor --json

\b
Each check says ok, warn or fail in a line, and what to do. None prints a key, and none hangs.
Exit code: 0 nothing failed, 1 something did.
"""


@click.command(epilog=_EPILOG)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="A server's TOML file.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Where keys, indexes and models are kept.")
@address_options
@click.option("--only", multiple=True, metavar="PATTERN", help="A part or glob of check names; repeatable.")
@click.option("--deep", is_flag=True, help="Also what takes long: the checksums of large model files.")
@click.option("--network", is_flag=True, help="Also whether the internet can be reached.")
@click.option("--timeout", type=Positive(), help="Seconds that each check may take.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object.")
def command(**options: Any) -> None:
    """Look at this installation: packages, keys, ports, models, engines, the sandbox, the data, upstreams."""
    from moonbase.cli.doctoring.visit import visit

    sys.exit(visit(**options))
