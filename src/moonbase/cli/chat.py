"""`moonbase chat`: a conversation in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from moonbase.cli.talk.wishes import Wishes, wishes_options

_EPILOG = """\b
Examples:
  moonbase chat                                   with the server of this machine
  moonbase chat --here                            with the bundled model, without a server
  moonbase chat --formula date --formula web-search
  moonbase chat --resume                          go on with the last conversation
  echo "Hello" | moonbase chat --engine scripted  every line of standard input is a question

\b
/help lists the commands, and the keys (docs/cli.md). Conversations are kept in the data directory.
Exit code: 0 left with Ctrl-D or /exit, 1 a failure, 2 wrong arguments, 3 the server cannot be reached or used, 130
left with Ctrl-C.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--session",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the conversation in this file, and go on with what is there.",
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[NAME]",
    help="Go on with a saved conversation: the last one, or that of this name (`moonbase sessions list`).",
)
@click.option("--save/--no-save", default=True, help="Keep the conversation in the data directory.")
@click.option("--fold", "folded", is_flag=True, help="Show reasoning as one line.")
@wishes_options
def command(wishes: Wishes, session: Path | None, resume: str | None, save: bool, folded: bool) -> None:
    """Talk with a model that thinks and calls tools."""
    if sum((session is not None, resume is not None, not save)) > 1:
        raise click.UsageError("--session, --resume and --no-save contradict each other; give one of them")
    from moonbase.cli.talk.chatting import Habits, chat

    sys.exit(chat(wishes, Habits(session=session, resume=resume, save=save, folded=folded)))
