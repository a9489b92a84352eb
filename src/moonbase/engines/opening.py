"""Opening an engine by what it is: the bundled model, or any GGUF file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from moonbase.contract.engine import Engine
from moonbase.contract.errors import SettingsError
from moonbase.contract.formats import KIMI, OutputFormat, detect_format
from moonbase.engines.grammar_walk import open_walk
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.model import GgufModel, read_model
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.rendered import Render, RenderedEngine
from moonbase.prompt import kimi_k2
from moonbase.prompt.generic import TemplateRenderer


def bundled_model() -> Path:
    """The GGUF file that ships with Moonbase."""
    return Path(str(files("moonbase"))) / "bundled" / "moonbase-nano.gguf"


def open_gguf(
    path: Path, *, context: int = 0, threads: int = 0, slots: int = 0, batch: int = 0, cache_bytes: int = 0
) -> Engine:
    """An engine that runs `path` in a worker process, with limits as in `LlamaSettings`; 0 leaves one to the engine.
    Raises `SettingsError`."""
    limits = {"context": context, "threads": threads, "slots": slots, "batch": batch, "cache_bytes": cache_bytes}
    settings = LlamaSettings(model=str(path), **{name: limit for name, limit in limits.items() if limit})
    settings.check()
    render, output = chat_format(read_model(str(path)), datetime.now)
    return RenderedEngine(LlamaEngine(settings), render, output, open_walk=open_walk)


def chat_format(model: GgufModel, now: Callable[[], datetime]) -> tuple[Render, OutputFormat]:
    """How to talk to `model`: our own Kimi template where its marks are there, else the template in the file."""
    template = model.chat_template
    if template is None:
        raise SettingsError(
            f"the model file {model.path} has no chat template (tokenizer.chat_template), so Moonbase cannot tell how "
            "to talk to it; use an instruction-tuned model"
        )
    output = detect_format(template)
    if output is KIMI:
        return kimi_k2.render, KIMI
    renderer = TemplateRenderer(
        template,
        output=output,
        special_texts=[token.text for token in model.special_tokens],
        bos=model.special_text(model.bos_id) or "",
        eos=model.special_text(model.eos_id) or "",
        adds_bos=model.add_bos,
        now=now,
    )
    return renderer.render, output
