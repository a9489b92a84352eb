"""Where the model is: from a base URL to an engine that speaks the contract over HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit

from moonbase.contract.errors import SettingsError
from moonbase.contract.local import ANY_KEY, is_loopback
from moonbase.engines.http.client import Client
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.dialects import DIALECTS, KIMI_HOSTED, MOONBASE, OPENAI
from moonbase.engines.http.engine import HttpEngine
from moonbase.engines.http.offer import NoOffer
from moonbase.engines.http.upstream import parse_upstream

_HOSTED_ENDS = (".moonshot.ai", ".moonshot.cn", ".kimi.com")


def client_of(base_url: str, api_key: str | None) -> Client:
    """Raises `SettingsError` for what is no base URL. A server of this machine that has no keys of its own takes any,
    and is sent one where there is none."""
    try:
        upstream = parse_upstream(base_url, api_key, candid=True)
        if upstream.authorization is None and is_loopback(upstream.host):
            upstream = parse_upstream(base_url, ANY_KEY, candid=True)
        return Client(upstream)
    except SettingsError as error:
        raise SettingsError(f"base_url or api_key cannot be used: {error}") from None


def named_dialect(name: str) -> Dialect:
    """Raises `SettingsError` for a name that is none."""
    for known, dialect in DIALECTS.items():
        if known == name:
            return dialect
    raise SettingsError(f"dialect is {name!r}; expected one of {', '.join(DIALECTS)}")


def usual_dialect(*, known: bool, budget: bool) -> Dialect:
    """How a server is spoken to that does not say what it is: as the platform where the model is `known` to be one of
    it, else as a plain OpenAI-compatible server. Of those with such models, only Moonbase knows a thinking `budget`."""
    if budget:
        return MOONBASE
    return KIMI_HOSTED if known else OPENAI


def is_hosted(base_url: str) -> bool:
    """Whether it is the platform's own API."""
    host = urlsplit(base_url.strip()).hostname or ""
    return host.endswith(_HOSTED_ENDS)


async def open_endpoint(
    client: Client, model: str, dialect: Dialect | None, *, usual: Dialect, hosted: bool
) -> HttpEngine:
    """The engine at the end of `client`. Without a `dialect` the server is asked what it is; one that does not say has
    the `usual` one."""
    engine = HttpEngine(client, dialect or usual, model=model)
    if hosted:
        return engine
    try:
        offer = await engine.ask()
    except NoOffer:
        return engine  # The first request will say what is wrong.
    if dialect is None:
        engine.dialect = next((each for name, each in DIALECTS.items() if name == offer.owner), engine.dialect)
    return engine
