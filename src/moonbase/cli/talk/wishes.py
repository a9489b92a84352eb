"""What the user of `chat`, `run` or `news` wants: the options that they share. Loads nothing heavy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import click

from moonbase.cli.amounts import Positive
from moonbase.cli.where import LOCAL_BASE_URL, Where, address_options, read_where

DEFAULT_MODEL = "kimi-k2.6"
KEY_IN_SIGHT = (
    "a key on the command line can be read by every user of this machine (ps) and stays in the shell's history; "
    "set MOONSHOT_API_KEY instead"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Who is asked, and how. `engine` names one of this process ("bundled", "scripted" or a GGUF file); without one
    the server at `where` is asked. `think`, `keep` and the limits are None where the model's own hold."""

    where: Where
    named: bool = False
    """Whether the user has named the server."""
    engine: str | None = None
    model: str = DEFAULT_MODEL
    system: str = ""
    think: bool | None = None
    effort: str | None = None
    keep: bool = False
    formulas: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    mcp: tuple[str, ...] = ()
    max_tokens: int | None = None
    max_steps: int | None = None
    timeout: float | None = None
    retries: int | None = field(default=None)

    @property
    def whom(self) -> str:
        """In words, for the user."""
        return f"the {self.engine} engine of this process" if self.engine else self.where.base_url


def wishes_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets `wishes`."""

    @functools.wraps(command)
    def wrapped(*args: Any, base_url: str | None, key: str | None, here: bool, **options: Any) -> Any:
        chosen = {each.name: options.pop(each.name) for each in fields(Wishes) if each.name in options}
        chosen["formulas"] = tuple(map(formula_uri, chosen["formulas"]))
        chosen["engine"] = _engine(chosen["engine"], here=here, base_url=base_url)
        where = Where(LOCAL_BASE_URL, "") if chosen["engine"] else read_where(base_url, key)
        context = click.get_current_context()
        if context.get_parameter_source("key") is click.core.ParameterSource.COMMANDLINE:
            click.echo(f"moonbase {context.info_name}: {KEY_IN_SIGHT}", err=True)
        return command(*args, wishes=Wishes(where=where, named=base_url is not None, **chosen), **options)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return address_options(wrapped)


def formula_uri(name: str) -> str:
    """A formula's URI; of an official one its name is enough: `date` is `moonshot/date:latest`."""
    uri = name if "/" in name else f"moonshot/{name}"
    return uri if ":" in uri else f"{uri}:latest"


def _engine(engine: str | None, *, here: bool, base_url: str | None) -> str | None:
    engine = engine or ("bundled" if here else None)
    source = click.get_current_context().get_parameter_source("base_url")
    if engine and base_url and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--base-url names a server, and --here and --engine need none; give one of them")
    return engine


_OPTIONS = (
    click.option("--here", is_flag=True, help="Ask no server: run the bundled model in this process."),
    click.option(
        "--engine", metavar="ENGINE", help="Ask no server: bundled, scripted (a test double) or a GGUF file, run here."
    ),
    click.option("--model", metavar="NAME", default=DEFAULT_MODEL, show_default=True, help="Who answers."),
    click.option("--system", metavar="TEXT", default="", help="What the model is told to be."),
    click.option("--think/--no-think", default=None, help="Reasoning on or off, where the model has the switch."),
    click.option("--effort", metavar="LEVEL", help="How hard to think: low, high or max, where the model has that."),
    click.option("--keep", is_flag=True, help="Leave the reasoning of earlier turns in the prompt."),
    click.option(
        "--formula", "formulas", multiple=True, metavar="URI", help="A formula, such as date or web-search; repeatable."
    ),
    click.option("--tools", "modules", multiple=True, metavar="MODULE", help="Your own @tool functions; repeatable."),
    click.option("--mcp", multiple=True, metavar="NAME=COMMAND|URL", help="The tools of an MCP server; repeatable."),
    click.option("--max-tokens", type=click.IntRange(1), help="Tokens that one answer may have."),
    click.option("--max-steps", type=click.IntRange(1), help="How often the model may be asked in one task."),
    click.option("--timeout", type=Positive(), help="Seconds that one task may take."),
    click.option("--retries", type=click.IntRange(0), help="How often a failed step is asked for again.  [default: 5]"),
)
