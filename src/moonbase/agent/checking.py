"""What is said to an agent, looked at before it is made, so that a number that is text does not end a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moonbase.agent.compaction import Compaction
from moonbase.agent.limits import Limits, Retries
from moonbase.contract.cards import ModelCard
from moonbase.contract.errors import SettingsError

_WHOLE = (int, "a whole number")
_NUMBER = ((int, float), "a number")
_TEXT = (str, "text")
_KINDS: dict[str, tuple[Any, str]] = {
    "model": _TEXT,
    "base_url": _TEXT,
    "api_key": _TEXT,
    "effort": _TEXT,
    "thinking_budget": _WHOLE,
    "max_tokens": _WHOLE,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "seed": _WHOLE,
    "output_tries": _WHOLE,
    "limits": (Limits, "moonbase.Limits(...)"),
    "retries": (Retries, "moonbase.Retries(...)"),
    "compaction": (Compaction, "moonbase.Compaction(...)"),
    "card": (ModelCard, "a model card"),
    "approve": (Callable, "a function of a moonbase.Proposed"),
}


def check_settings(**given: Any) -> None:
    """Raises `SettingsError` for a setting of the wrong kind; None is no setting."""
    for name, value in given.items():
        kind, words = _KINDS[name]
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            shown = type(value).__name__ if name == "api_key" else repr(value)  # nobody's key is in a traceback
            raise SettingsError(f"{name} is {shown}; expected {words}")
