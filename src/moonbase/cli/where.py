"""Which server a command talks to: the options that all commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import click

LOCAL_BASE_URL = "http://127.0.0.1:8000/v1"
"""`contract.local.LOCAL_BASE_URL`, written out, for `--help` must not load what it stands in."""


@dataclass(frozen=True, slots=True)
class Where:
    """A server's address, with `/v1`, and the key for it; the key is never shown."""

    base_url: str
    key: str = field(repr=False)


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--base-url` and `--key`; the command gets `base_url` and `key`, and reads them with `read_where`."""
    address = click.option(
        "--base-url",
        metavar="URL",
        envvar="MOONSHOT_BASE_URL",
        help=f"The server; also $MOONSHOT_BASE_URL.  [default: {LOCAL_BASE_URL}]",
    )
    key = click.option(
        "--key", metavar="KEY", envvar="MOONSHOT_API_KEY", help="Its API key; better in $MOONSHOT_API_KEY."
    )
    return address(key(command))


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--base-url` and `--key`; the command gets `where`. Without a key, "any" is sent to this machine only."""

    @functools.wraps(command)
    def wrapped(*args: Any, base_url: str | None, key: str | None, **options: Any) -> Any:
        return command(*args, where=read_where(base_url, key), **options)

    return address_options(wrapped)


def read_where(base_url: str | None, key: str | None) -> Where:
    """Raises `click.UsageError` for what is no address, or where a key is needed."""
    from moonbase.contract.local import ANY_KEY

    url, key = api_root(base_url or LOCAL_BASE_URL), read_key(key)
    if not key and not of_this_machine(url):
        raise click.UsageError(f"{url} needs an API key; set MOONSHOT_API_KEY or give --key")
    return Where(url, key or ANY_KEY)


def read_key(key: str | None) -> str:
    """The key without the blanks and line ends around it, "" for none. Raises `click.UsageError`, which does not show
    it, for what can be none."""
    plain = (key or "").strip()
    if not (plain.isascii() and plain.isprintable()):
        raise click.UsageError("the API key holds a character that no key has; look at --key and MOONSHOT_API_KEY")
    return plain


def api_root(url: str) -> str:
    """The address that paths are joined to: `/v1` is added where `url` has no path at all. Raises `click.UsageError`
    for what is none."""
    plain = url.strip().rstrip("/")
    try:
        parts = urlsplit(plain)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0  # which raises, above 65535
    except ValueError:
        known = False
    if not known:
        raise click.UsageError(f"{url!r} is no address of a server; expected for example {LOCAL_BASE_URL}")
    return plain if urlsplit(plain).path.strip("/") else f"{plain}/v1"


def of_this_machine(url: str) -> bool:
    from moonbase.contract.local import is_loopback

    return is_loopback(urlsplit(url).hostname or "")
