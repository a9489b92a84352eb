"""What an operator can set, from a TOML file and from flags; every mistake is named at start-up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from moonbase.accounts.limits import TIERS, RateLimits
from moonbase.accounts.money import billionths
from moonbase.contract.errors import SettingsError
from moonbase.contract.local import is_loopback
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.mfjs import Level
from moonbase.engines.chaos import Chaos
from moonbase.engines.http.client import CONNECT_S, SILENCE_S
from moonbase.engines.http.dialect import DialectName
from moonbase.tools.mcp.server import McpServer
from moonbase.tools.official.web_search import URI as WEB_SEARCH

_UNKNOWN = re.compile(r"unknown field `(.*?)`(?: - at `(.*)`)?\Z")
EngineKind = Literal["bundled", "gguf", "scripted", "http", "chaos"]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
MissingReasoning = Literal["restore", "strict", "ignore"]
"""What happens when a client has dropped `reasoning_content`: put the real text back (what cannot be restored gets the
hosted API's 400), always the 400, or take it as empty."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`. `max_body_mb` bounds a request's body; `drain_s` is how long Ctrl-C waits for streams; `linger_s`
    is how long a server still takes requests after SIGTERM, while its health tells balancers that it leaves; `unread_s`
    is for how many seconds a client may take nothing of its answer; `k3_logprobs` serves `logprobs` also for the cards
    whose hosted model refuses them; `credit_usd` is the voucher that each key begins with, in US dollars; `reask`
    is how often an answer that breaks its schema is asked for again, from engines that do not hold it to the schema
    themselves; `database_url` names the PostgreSQL database through which servers share reasoning, balances and
    limits; `metrics_key` is the key that `/metrics` asks for; `allow_origins` are the origins of web pages that may
    use the server from a browser, or "*"; `playground` serves the page for trying the server out."""

    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()
    key_file: str | None = None
    metrics_key: str | None = None
    data_dir: str | None = None
    database_url: str | None = None
    max_body_mb: int = 100
    drain_s: float = 4.0
    linger_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    unread_s: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    missing_reasoning: MissingReasoning = "restore"
    schema_level: Level = "strict"
    k3_logprobs: bool = False
    credit_usd: float = 1_000_000.0
    reask: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    allow_origins: tuple[str, ...] = ()
    playground: bool = True


class UpstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[engines.NAME.upstreams]]`: one server of a pool. What it leaves out it has from `[engines.NAME]`."""

    url: str
    dialect: DialectName | None = None
    model: str | None = None
    key: str | None = None
    key_env: str | None = None


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[engines.NAME]`. `context`, `threads`, `slots`, `batch` and `cache_mb` are limits of an engine of this machine
    (docs/engines.md); 0 leaves one to the engine.

    Of kind http: `url` or `upstreams` say where, `dialect` what kind of server it is, `model` its name for the model.
    `key` is the API key there, `key_env` an environment variable that holds it. `sees` is what it can be shown, where
    it does not say that itself. `connect_s` and `silence_s` are how many seconds a connection and a byte may take.
    `tokenizer` is the directory of the Kimi model that a vLLM or SGLang server serves: prompts are then rendered here
    and sent as token ids. `constrains` says that the server holds its text to the grammars that come with them.
    `budgets` says that a vLLM takes `thinking_token_budget`, so that `thinking.budget_tokens` is passed on.
    `opens_thinking` says that the model's chat template begins the reasoning and nothing parses it there, so that
    answers begin inside it.

    Of kind chaos, which is for tests: `of` names the engine whose answers are spoiled, the scripted one where none is
    named, and `chaos` says how.
    """

    kind: EngineKind
    path: str | None = None
    context: int = 0
    threads: int = 0
    slots: int = 0
    batch: int = 0
    cache_mb: Annotated[int, msgspec.Meta(ge=0)] = 0
    pace_s: float = 0.0
    url: str | None = None
    dialect: DialectName = "openai"
    model: str | None = None
    key: str | None = None
    key_env: str | None = None
    upstreams: tuple[UpstreamSettings, ...] = ()
    sees: tuple[MediaKind, ...] | None = None
    connect_s: Annotated[float, msgspec.Meta(gt=0)] = CONNECT_S
    silence_s: Annotated[float, msgspec.Meta(gt=0)] = SILENCE_S
    tokenizer: str | None = None
    constrains: bool = False
    budgets: bool = False
    opens_thinking: bool = False
    of: str | None = None
    chaos: Chaos = Chaos()


class SearchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[search]`: where the web-search tool looks: folders that are indexed (the sample corpus where none is named),
    a SearXNG instance's URL, or the live web through the ddgs library."""

    folders: tuple[str, ...] = ()
    searxng: str | None = None
    live: bool = False


class ToolsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[tools]`: which tools are served, and how.

    `rates` is a file of exchange rates for the convert tool; `fetch` switches the fetch tool, and `fetch_allow` names
    networks and hosts that it may ask besides the public web. `modules` are dotted names or paths of .py files whose
    tools are served beside the official ones; `entry_points` says whether installed packages may offer some.
    `mcp_clear` names the protected formulas whose output is given in clear at `/mcp`; other protected ones are not
    offered there. `code` offers quickjs and code_runner, which run a model's programs in a sandbox. `deadline_s` is how
    long a function may run, in seconds.
    """

    rates: str | None = None
    fetch: bool = True
    fetch_allow: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    entry_points: bool = True
    mcp_clear: tuple[str, ...] = (WEB_SEARCH,)
    code: bool = True
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0


class FilesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[files]`: what each key may upload: megabytes of one file, files, and megabytes of all of them; and how many
    seconds the text of one file may take to be read."""

    max_file_mb: Annotated[int, msgspec.Meta(ge=1)] = 100
    max_files: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    max_total_mb: Annotated[int, msgspec.Meta(ge=0)] = 10 * 1024
    extract_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 120.0


class BatchesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[batches]`: how many requests of batches are answered at once, and for how many seconds each waits for a moment
    when no other request is under way."""

    at_once: AtLeastOne = 2
    patience_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0


class LimitsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: what each key may ask for: requests answered at once (`concurrency`), requests (`rpm`) and tokens
    (`tpm`) in a minute, tokens in a day (`tpd`). `tier` takes those of the hosted platform's tier; what else is said
    wins over it. Nothing is limited where nothing is said."""

    tier: Annotated[int, msgspec.Meta(ge=0, le=max(TIERS))] | None = None
    concurrency: AtLeastOne | None = None
    rpm: AtLeastOne | None = None
    tpm: AtLeastOne | None = None
    tpd: AtLeastOne | None = None

    def limits(self) -> RateLimits | None:
        """None where nothing is limited."""
        chosen = RateLimits() if self.tier is None else TIERS[self.tier]
        own = {name: value for name in RateLimits.__struct_fields__ if (value := getattr(self, name)) is not None}
        chosen = msgspec.structs.replace(chosen, **own)
        return chosen if chosen.any else None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything. `models` maps a model name, or "*", to an engine's name."""

    server: ServerSettings = ServerSettings()
    engines: dict[str, EngineSettings] = {}
    models: dict[str, str] = {}
    search: SearchSettings = SearchSettings()
    tools: ToolsSettings = ToolsSettings()
    files: FilesSettings = FilesSettings()
    batches: BatchesSettings = BatchesSettings()
    limits: LimitsSettings = LimitsSettings()
    mcp: dict[str, McpServer] = {}


def load_settings(path: Path) -> Settings:
    """Read a TOML file; raises `SettingsError` that names the file, the field and what is wrong."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Settings)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the configuration file {path} is wrong: {error}{_known(str(error))}") from error
    except OSError as error:
        raise SettingsError(f"the configuration file {path} cannot be read: {error.strerror}") from error


def read_settings(tables: Mapping[str, Any]) -> Settings:
    """The same from the tables of such a file; raises `SettingsError` that names the field and what is wrong."""
    try:
        return msgspec.convert(tables, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the settings are wrong: {error}{_known(str(error))}") from error


def _known(error: str) -> str:
    """Of an unknown setting: those that there are at its place, those nearest to it first."""
    unknown = _UNKNOWN.search(error)
    if unknown is None:
        return ""
    table: Any = Settings
    for name in re.findall(r"\.(\w+)", unknown[2] or ""):
        table = _table(get_type_hints(table)[name])
    names = list(table.__struct_fields__)
    near = get_close_matches(unknown[1], names)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(names)}"


def _table(hint: Any) -> Any:
    """The struct that a setting of this type holds, alone or several of them."""
    if hasattr(hint, "__struct_fields__"):
        return hint
    return next((table for each in get_args(hint) if (table := _table(each)) is not None), None)


def parse_limits(words: Iterable[str]) -> LimitsSettings:
    """`NAME=N` of the command line; raises `SettingsError` that names what is wrong."""
    names = ", ".join(LimitsSettings.__struct_fields__)
    found: dict[str, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if name not in LimitsSettings.__struct_fields__ or not number.isascii() or not number.isdigit():
            raise SettingsError(f"--limit {word!r} must be NAME=NUMBER, where NAME is one of {names}")
        found[name] = int(number)
    try:
        return msgspec.convert(found, LimitsSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"--limit is wrong: {error}") from None


def with_default_engine(settings: Settings) -> Settings:
    """Fill in what the operator left open: every model on the bundled engine."""
    engines = dict(settings.engines) or {"bundled": EngineSettings(kind="bundled")}
    models = dict(settings.models) or {"*": next(iter(engines))}
    for model, engine in models.items():
        if engine not in engines:
            known = ", ".join(engines)
            raise SettingsError(f"models.{model!r} names the engine {engine!r}, which is not in [engines]: {known}")
    return msgspec.structs.replace(settings, engines=engines, models=models)


def check_binding(host: str, *, has_keys: bool) -> None:
    """Refuse to serve anyone but this machine without a key; raises `SettingsError`."""
    if not has_keys and not is_loopback(host):
        raise SettingsError(
            f"refusing to listen on {host} without an API key: anyone who can reach this machine could use it. "
            "Set MOONBASE_API_KEYS, --api-key or --key-file, or listen on 127.0.0.1"
        )


def starting_credit(dollars: float) -> int:
    """`server.credit_usd` in billionths of a dollar; raises `SettingsError`."""
    try:
        credit = billionths(dollars)
    except ValueError as error:
        raise SettingsError(f"server.credit_usd is wrong: {error}") from None
    if credit < 0:
        raise SettingsError(f"server.credit_usd must be 0 or more US dollars, not {dollars}")
    return credit
