"""`moonbase`: one file per command, each loaded only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import click

from moonbase import __version__

COMMANDS = {
    "serve": ("moonbase.cli.serve", "Serve the platform's HTTP API on this machine."),
    "chat": ("moonbase.cli.chat", "Talk with a model that thinks and calls tools."),
    "run": ("moonbase.cli.run", "Give an agent one task and print its answer."),
    "news": ("moonbase.cli.news", "Write the daily news report, with its sources."),
    "models": ("moonbase.cli.models", "List the models of a server."),
    "tools": ("moonbase.cli.tools", "List tools, and call one."),
    "files": ("moonbase.cli.files", "Upload files to a server, and read them."),
    "batches": ("moonbase.cli.batches", "Have files of requests answered in the background."),
    "health": ("moonbase.cli.health", "Ask a server whether it takes requests."),
    "usage": ("moonbase.cli.usage", "Show what each key has used, out of a server's books."),
    "doctor": ("moonbase.cli.doctor", "Find out what is wrong here, and what to do about it."),
    "pull": ("moonbase.cli.pull", "Fetch a GGUF model from a hub."),
    "sessions": ("moonbase.cli.sessions", "List, show and fork saved sessions."),
    "replay": ("moonbase.cli.replay", "Play a saved session again."),
    "conformance": ("moonbase.cli.conformance", "Judge any server by the contract of the platform's API."),
}
"""Each command's module, and its line in `moonbase --help`; the module holds a click command named `command`."""


class Commands(click.Group):
    """Knows its commands' names and help without importing them, so that `--help` stays quick; ends the one that fails
    with a line and its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # Only those that fail pay for it.

            near = get_close_matches(args[0], COMMANDS)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {' or '.join(map(repr, near))}?", error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _ended():  # `--help` is printed here
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _ended(ctx):
            return super().invoke(ctx)


@contextmanager
def _ended(context: click.Context | None = None) -> Generator[None]:
    """What fails ends with a line and its exit code."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except BaseException as error:
        # Only those that fail pay for it.
        from moonbase.cli.exits import ending
        from moonbase.cli.terminal.safe import safe_line

        end = ending(error)
        if end is None:
            raise
        called = " ".join(filter(None, ("moonbase", context and context.invoked_subcommand)))
        click.echo(f"{called}: {safe_line(end.line)}", err=True)
        raise click.exceptions.Exit(end.code) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="moonbase")
def main() -> None:
    """Moonbase: the Kimi thinking-model platform on your own machines."""
