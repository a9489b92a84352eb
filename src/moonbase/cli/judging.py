"""Judging a server and printing what came of it: what `moonbase conformance` does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import click
import httpx

from moonbase.cli.exits import Unusable
from moonbase.conformance.check import Check, select
from moonbase.conformance.probe import find_profile
from moonbase.conformance.profile import KeepPolicy, Known, SamplingKind, ThinkingSwitch
from moonbase.conformance.report import Table, as_json, listing, summary
from moonbase.conformance.run import Result, run_checks
from moonbase.conformance.session import Session
from moonbase.conformance.suite import CHECKS
from moonbase.conformance.verdict import Skipped
from moonbase.conformance.wire import Unreachable, Wire

__all__ = ["chosen", "judge", "listing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to judge, and how."""

    url: str
    key: str
    model: str
    known: Known
    checks: Sequence[Check]
    as_json: bool
    budget: int
    timeout: float
    parallel: int


def chosen(only: Sequence[str]) -> list[Check]:
    """The checks that `--only` names; raises `click.UsageError` where there is none."""
    checks = select(CHECKS, only)
    if not checks:
        raise click.UsageError(f"no check is named by --only {' '.join(only)}; --list shows them all")
    return checks


def judge(
    checks: Sequence[Check],
    *,
    url: str,
    key: str,
    model: str,
    like: str | None,
    thinking: ThinkingSwitch | None,
    keep: KeepPolicy | None,
    sampling: SamplingKind | None,
    wants_json: bool,
    budget: int,
    timeout: float,
    parallel: int,
) -> int:
    """Judge the server at `url`, with its `/v1`, and print the table, or JSON; 1 where a check failed. Raises
    `Unusable`."""
    options = Options(
        url=url,
        key=key,
        model=model,
        known=Known(like, thinking, keep, sampling),
        checks=checks,
        as_json=wants_json,
        budget=budget,
        timeout=timeout,
        parallel=parallel,
    )
    return asyncio.run(_judge(options))


async def _judge(options: Options) -> int:
    async with httpx.AsyncClient() as http:
        wire = Wire(http, options.url, key=options.key, timeout=options.timeout)
        try:
            profile = await find_profile(wire, options.model, options.known)
        except (Unreachable, Skipped, ValueError) as error:
            raise Unusable(f"{options.url}: {error}") from None
        session = Session(wire, options.model, profile, budget=options.budget)
        if not options.as_json:
            click.echo(f"{options.model} at {options.url}, judged by {profile.source}\n")
        results = await _results(session, options)
    if options.as_json:
        click.echo(as_json(results, url=options.url, model=options.model, profile=profile.source))
    else:
        click.echo(f"\n{summary(results)}")
    return int(any(result.outcome == "fail" for result in results))


async def _results(session: Session, options: Options) -> list[Result]:
    """Run the checks, and print the table's lines as they come."""
    table = Table(options.checks)
    if not options.as_json:
        click.echo(table.head())
    results: list[Result] = []
    async for result in run_checks(session, options.checks, parallel=options.parallel):
        results.append(result)
        if not options.as_json:
            click.echo(table.row(result))
    return results
