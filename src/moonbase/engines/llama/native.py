"""llama.cpp inside this process, through xllamacpp. No other module imports it; only the worker imports this one."""

from __future__ import annotations

import importlib
import re
import secrets
from collections.abc import Callable
from typing import Any

from moonbase.engines.llama.loopback import Loopback
from moonbase.engines.llama.wire import Load

# By name, because it ships no type information.
_xllamacpp: Any = importlib.import_module("xllamacpp")
_WARNINGS = 1
_BUSY = re.compile(r"^llamacpp:requests_processing (\d+)", re.MULTILINE)


class LlamaServer:
    """One llama.cpp server. Raises `RuntimeError` where the model does not load; the reason is on stderr."""

    def __init__(self, load: Load) -> None:
        key = secrets.token_urlsafe(32)
        self._server: Any = _xllamacpp.Server(_parameters(load, key))
        self._loopback = Loopback(self._server.listening_address, key)

    def tokenize(self, texts: list[str], special: bool) -> list[list[int]]:
        return self._loopback.tokenize(texts, special)

    def complete(self, body: bytes, feed: Callable[[bytes], bool]) -> None:
        """Run a completion on this thread; `feed` gets each chunk and returns True to stop."""
        self._server.handle_completions(body, feed)

    def busy_slots(self) -> int:
        """Slots that compute at this moment."""
        found = _BUSY.search(self._server.handle_metrics())
        return int(found.group(1)) if found else 0


def _parameters(load: Load, key: str) -> Any:
    parameters: Any = _xllamacpp.CommonParams()
    values: dict[str, Any] = {
        "n_ctx": load.context,
        "n_parallel": load.slots,
        "n_batch": max(load.batch, load.slots),
        "n_ubatch": max(load.batch, load.slots),
        "kv_unified": True,
        "cache_ram_mib": load.saved_prompts_bytes >> 20,
        # What idle slots hold slows every other request down, for attention passes over it.
        "cache_idle_slots": load.moves_idle,
        "fit_params": False,
        "warmup": False,
        "ui": False,
        "endpoint_slots": False,
        "endpoint_metrics": True,
        "api_keys": [key],
        # The name comes with every token; the default is the whole path.
        "model_alias": {"m"},
        "hostnames": ["127.0.0.1"],
        "port": 0,
        "n_threads_http": 2,
        "verbosity": _WARNINGS,
    }
    for name, value in values.items():
        setattr(parameters, name, value)
    parameters.model.path = load.model
    parameters.cpuparams.n_threads = load.threads
    parameters.cpuparams_batch.n_threads = load.threads
    return parameters
