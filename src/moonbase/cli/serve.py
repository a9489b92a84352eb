"""`moonbase serve`: the platform's HTTP API on this machine."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import click

LEVELS = ("loose", "lite", "strict", "ultra", "test")
DIALECTS = ("moonbase", "kimi", "vllm", "sglang", "llamacpp", "openai")
"""The values of `--schema-level` and `--dialect`, written out, for `--help` must not load what they are values of."""

_EPILOG = """\b
Examples:
  moonbase serve                                the bundled model on http://127.0.0.1:8000
  moonbase serve --model qwen3-4b-q4.gguf       any GGUF file, with its own chat template
  moonbase serve --model Qwen/Qwen3-4B-GGUF     what `moonbase pull` has fetched
  moonbase serve --upstream http://gpu:8000 --dialect vllm
                                                the model of a vLLM server, mended to the contract
  moonbase serve --config moonbase.toml         several engines, models mapped to them
  moonbase serve --tools mytools.py             your own functions as tools, beside the official ones
  moonbase serve --engine scripted              a test double that obeys directions; for your CI
"""


@click.command(epilog=_EPILOG)
@click.option("--host", envvar="MOONBASE_HOST", help="Address to listen on; also $MOONBASE_HOST.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: 8000]")
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    envvar="MOONBASE_API_KEYS",
    help="A key that clients may use; repeatable. Better in $MOONBASE_API_KEYS, with blanks between several.",
)
@click.option("--key-file", type=click.Path(dir_okay=False), help="A file with one key a line.")
@click.option(
    "--metrics-key",
    envvar="MOONBASE_METRICS_KEY",
    metavar="KEY",
    help="The key for /metrics; better said in MOONBASE_METRICS_KEY.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Web pages that may use the server, or *; repeatable.  [default: those of this machine]",
)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file; flags win over it.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Where keys and indexes are kept.")
@click.option(
    "--database-url",
    envvar="MOONBASE_DATABASE_URL",
    metavar="URL",
    help="PostgreSQL for what several servers share; better said in MOONBASE_DATABASE_URL, which hides its password.",
)
@click.option("--engine", type=click.Choice(["bundled", "scripted"]), help="Serve every model by this engine.")
@click.option(
    "--model",
    "gguf",
    type=click.Path(dir_okay=False),
    metavar="FILE|NAME",
    help="Serve this GGUF file, or a model that `moonbase pull` fetched.",
)
@click.option("--context", type=click.IntRange(0), help="Context in tokens, shared by all streams.")
@click.option("--threads", type=click.IntRange(0), help="Threads of the engine.")
@click.option("--slots", type=click.IntRange(0), help="Answers that the engine generates at once.")
@click.option(
    "--upstream", "upstreams", multiple=True, metavar="URL", help="Serve every model from this server; repeatable."
)
@click.option("--dialect", type=click.Choice(DIALECTS), help="What the upstream is.  [default: openai]")
@click.option("--upstream-model", metavar="NAME", help="The upstream's name for the model, where it has several.")
@click.option(
    "--tokenizer",
    metavar="DIR",
    help="The upstream's Kimi model directory: render prompts here and send token ids (vLLM, SGLang).",
)
@click.option(
    "--constrained", is_flag=True, help="With --tokenizer: the upstream enforces grammars (vLLM's guidance backend)."
)
@click.option("--upstream-key", metavar="KEY", envvar="MOONBASE_UPSTREAM_KEY", help="API key for the upstream.")
@click.option("--search-folder", "folders", multiple=True, help="Documents that web search finds; repeatable.")
@click.option("--searxng", metavar="URL", help="Search the web through this SearXNG instance.")
@click.option("--live-search", is_flag=True, help="Search the live web through the ddgs library.")
@click.option("--tools", "modules", multiple=True, metavar="MODULE", help="Serve a module's tools too; repeatable.")
@click.option(
    "--mcp", "mcp_servers", multiple=True, metavar="NAME=COMMAND|URL", help="Serve an MCP server's tools; repeatable."
)
@click.option(
    "--missing-reasoning",
    type=click.Choice(["restore", "strict", "ignore"]),
    help="When a client has dropped reasoning_content: put it back, answer 400, or take it as empty.",
)
@click.option("--schema-level", type=click.Choice(LEVELS), help="How strictly schemas are checked.  [default: strict]")
@click.option("--k3-logprobs", is_flag=True, help="Give logprobs for kimi-k3 too; the hosted API refuses them.")
@click.option(
    "--credit-usd", type=click.FLOAT, help="Dollars that each key may use, at the list prices.  [default: 1000000]"
)
@click.option(
    "--reask",
    type=click.IntRange(0, 10),
    help="How often to ask an engine again whose answer breaks its schema; 0 never.  [default: 2]",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=N",
    help="Bound each key: concurrency, rpm, tpm, tpd, or tier (0 to 5) for the hosted platform's; repeatable.",
)
@click.option("--no-playground", is_flag=True, help="Do not serve the page for trying the server out.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
def command(config: Path | None, quiet: bool, **flags: Any) -> None:
    """Serve the platform's HTTP API on this machine."""
    # The listener has its own while it serves. Until then, the first process of a container would not hear it at all.
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    from moonbase.cli.serving import serve

    serve(config, flags, quiet=quiet)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
