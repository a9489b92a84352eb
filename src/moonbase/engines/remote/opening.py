"""Opening a Kimi-format model that vLLM or SGLang serves, to be spoken to in rendered prompts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec

from moonbase.contract.errors import SettingsError
from moonbase.contract.formats import KIMI
from moonbase.engines.grammar_walk import open_walk
from moonbase.engines.http.client import Client
from moonbase.engines.http.upstream import Upstream
from moonbase.engines.remote.engine import RemoteTextEngine
from moonbase.engines.remote.settings import RemoteSettings
from moonbase.engines.remote.vocabulary import read_vocabulary
from moonbase.engines.rendered import RenderedEngine
from moonbase.prompt import kimi_k2


class RemoteEngine(RenderedEngine):
    """A chat engine on `text`, which a pool can look after."""

    def __init__(self, text: RemoteTextEngine) -> None:
        super().__init__(text, kimi_k2.render, KIMI, open_walk=open_walk if text.constrains else None)
        self._remote = text

    @property
    def name(self) -> str:
        """For the operator: where it is."""
        return self._remote.name

    async def check(self) -> bool:
        return await self._remote.check()


def open_remote(client: Client, tokenizer: Path, settings: RemoteSettings) -> RemoteEngine:
    """An engine on the upstream of `client`, which is at its root (`at_root`); the model's tokenizer is in the folder
    `tokenizer`. Raises `SettingsError`."""
    settings.check()
    if settings.constrains and importlib.util.find_spec("llguidance") is None:
        raise SettingsError("constrains needs the llguidance package: pip install 'moonbase[upstream]'")
    return RemoteEngine(RemoteTextEngine(settings, client, read_vocabulary(tokenizer)))


def at_root(upstream: Upstream) -> Upstream:
    """Some routes stand beside the API's /v1, not below it."""
    return msgspec.structs.replace(upstream, path=upstream.path.removesuffix("/v1"))
