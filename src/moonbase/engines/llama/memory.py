"""How much context a model gets on this machine."""

from __future__ import annotations

from moonbase.contract.errors import SettingsError
from moonbase.engines.llama.machine import main_memory
from moonbase.engines.llama.model import GgufModel
from moonbase.engines.llama.settings import LlamaSettings

_SHARE = 4
"""The cache takes at most one part in so many of main memory, unless the settings say otherwise."""
_LEAST = 512
_STEP = 256
"""llama.cpp rounds the size of a cache up to a multiple of this."""


def plan_context(settings: LlamaSettings, model: GgufModel, *, memory: int | None = None) -> int:
    """Cells of the shared cache, in tokens. `memory`: bytes of main memory, None to ask the system.

    Raises `SettingsError` where model and cache together cannot fit into it.
    """
    memory = memory or main_memory()
    context = settings.context or _capped(settings, model, memory)
    needed = model.file_bytes + context * model.cell_bytes
    if memory is not None and needed > memory:
        raise SettingsError(
            f"The model {model.path} needs {_gib(needed)} with a context of {context} tokens, but this machine (or "
            f"container) has {_gib(memory)}; set a smaller context or take a smaller model"
        )
    return context


def _capped(settings: LlamaSettings, model: GgufModel, memory: int | None) -> int:
    bound = settings.cache_bytes or (memory // _SHARE if memory else None)
    if bound is None or model.cell_bytes * model.context_length <= bound:
        return model.context_length
    return max(_LEAST, bound // model.cell_bytes // _STEP * _STEP)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
