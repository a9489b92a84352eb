"""What a server says of its health, asked with the standard library alone: a health check runs every few seconds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from moonbase.cli.exits import Failure, Unusable
from moonbase.cli.where import api_root, of_this_machine


def told(base_url: str, timeout: float) -> str:
    """A line of a server that takes requests. Raises `Failure` where it is leaving, `Unusable` where it does not answer
    within `timeout` seconds or is no such server."""
    url = f"{api_root(base_url).removesuffix('/v1')}/health"
    proxies = urllib.request.ProxyHandler({} if of_this_machine(url) else None)
    try:
        with urllib.request.build_opener(proxies).open(url, timeout=timeout) as answer:
            said = _status(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            said = _status(refusal.read())
        if said == "draining":
            raise Failure(f"{url}: {said}") from None
        raise Unusable(f"{url} answers with the status {refusal.code}") from None
    except (OSError, HTTPException) as error:
        raise Unusable(f"{url} does not answer: {getattr(error, 'reason', error) or type(error).__name__}") from None
    if said is None:
        raise Unusable(f"{url} is not the health of a Moonbase server")
    return said


def _status(body: bytes) -> str | None:
    try:
        told: Any = json.loads(body)
        return str(told["status"])
    except (ValueError, LookupError, TypeError):
        return None
