"""`moonbase files`: the files that a server keeps for a key."""

from __future__ import annotations

from pathlib import Path

import click

from moonbase.cli.outputs import output_option
from moonbase.cli.where import Where, where_options

_UPLOAD = """\b
Examples:
  moonbase files upload report.txt              for its text; its id is printed
  moonbase files upload moon.png --purpose image
                                                to be shown to a model, as ms://ID

\b
Exit code: 0 done, 1 a file is refused or cannot be read, 2 wrong arguments, 3 the server cannot be used.
"""
_LIST = """\b
Examples:
  moonbase files list
  moonbase files list --purpose batch_output --json
"""
_SHOW = """\b
Examples:
  moonbase files show last
  moonbase files show last --json               as the server tells of it
"""
_CONTENT = """\b
Examples:
  moonbase files content last                   the text that was read of it
  moonbase files content last -o report.md      into a file, whole or not at all

\b
Only files with the purpose file-extract have content that can be read, and what batches have written.
"""
_DELETE = """\b
Examples:
  moonbase files delete last
"""
_ALL = """\b
Examples:
  moonbase files upload report.txt
  moonbase files list
  moonbase files content last

\b
FILE of a server is an id, or "last" for the newest.
"""


@click.group(epilog=_ALL)
def command() -> None:
    """Upload files, list them, have their text, delete them."""


_json = click.option("--json", "as_json", is_flag=True, help="Print the server's JSON.")


@command.command("upload", epilog=_UPLOAD)
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--purpose",
    type=click.Choice(["file-extract", "image", "video", "batch"]),
    default="file-extract",
    show_default=True,
    help="What it is for.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@_json
@where_options
def upload_files(paths: tuple[Path, ...], purpose: str, quiet: bool, as_json: bool, where: Where) -> None:
    """Upload each PATH, and print the id that it gets."""
    from moonbase.cli.filing import upload_files

    upload_files(where, paths, purpose=purpose, quiet=quiet, as_json=as_json)


@command.command("list", epilog=_LIST)
@click.option("--purpose", metavar="PURPOSE", help="Only those that are for this.")
@_json
@where_options
def list_files(purpose: str | None, as_json: bool, where: Where) -> None:
    """A line for each file, the newest first."""
    from moonbase.cli.filing import list_files

    list_files(where, purpose=purpose, as_json=as_json)


@command.command("show", epilog=_SHOW)
@click.argument("name", metavar="FILE")
@_json
@where_options
def show_file(name: str, as_json: bool, where: Where) -> None:
    """What the server says of FILE."""
    from moonbase.cli.filing import show_file

    show_file(where, name, as_json=as_json)


@command.command("content", epilog=_CONTENT)
@click.argument("name", metavar="FILE")
@output_option("Write it there, whole or not at all.")
@where_options
def write_content(name: str, output: Path | None, where: Where) -> None:
    """Print the text of FILE."""
    from moonbase.cli.filing import write_content

    write_content(where, name, output)


@command.command("delete", epilog=_DELETE)
@click.argument("names", nargs=-1, required=True, metavar="FILE...")
@_json
@where_options
def delete_files(names: tuple[str, ...], as_json: bool, where: Where) -> None:
    """Delete each FILE, and print its id."""
    from moonbase.cli.filing import delete_files

    delete_files(where, names, as_json=as_json)
