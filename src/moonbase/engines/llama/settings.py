"""What an operator may set of the embedded engine."""

from __future__ import annotations

import msgspec

from moonbase.contract.errors import SettingsError
from moonbase.engines.llama.machine import processors


class LlamaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`model`: path of a GGUF file. Sizes are in tokens unless the name says bytes.

    `context`: cells of the key-value cache that all slots share, None for the model's own context, capped so that the
    cache takes no more than `cache_bytes`. `slots`: requests that generate at once; more wait in line. `threads`: None
    for one fewer than the processor's cores: the server needs one. `batch`: prompt tokens per step: a stopped request
    leaves between two steps. `saved_prompts_bytes`: main memory for prompts that lost their slot. `restart_wait`:
    seconds that a request waits for a worker that is being restarted.
    """

    model: str
    context: int | None = None
    slots: int = 8
    threads: int | None = None
    batch: int = 64
    cache_bytes: int | None = None
    saved_prompts_bytes: int = 64 << 20
    restart_wait: float = 5.0

    def check(self) -> None:
        """Raise `SettingsError` for a value out of range."""
        bounds = {
            "context": (self.context, 64, 1 << 24),
            "slots": (self.slots, 1, 256),
            "threads": (self.threads, 1, 512),
            "batch": (self.batch, 32, 8192),
        }
        for name, (value, low, high) in bounds.items():
            if value is not None and not low <= value <= high:
                raise SettingsError(f"The engine setting {name} is {value}; expected {low} to {high}")

    def thread_count(self) -> int:
        return self.threads or max(1, processors() - 1)
