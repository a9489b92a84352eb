"""Asking a hub or any host over HTTP. The hub's token goes to the hub alone, whatever it redirects to."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import httpx

from moonbase import __version__
from moonbase.cli.exits import Unusable

_REDIRECTS = 10
_TIMES = httpx.Timeout(30.0, connect=15.0)


class Lost(Exception):
    """The connection failed or went silent; asking again may help. The message says how; `after` is how many seconds
    the host wants to be left alone, where it says so."""

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Web:
    """`token` is sent to the origin of `endpoint` only, and is never part of a message."""

    def __init__(self, endpoint: str, token: str | None = None, *, timeout: httpx.Timeout = _TIMES) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.has_token = bool(token)
        self._token = token
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)

    def is_hub(self, url: str) -> bool:
        """Whether it is the hub that is asked there."""
        return _origin(url) == _origin(self.endpoint)

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Generator[httpx.Response]:
        """The reply whose head has come, after redirects. Raises `Lost`, and `Unusable` for a redirect that is not to
        be followed."""
        first = urlsplit(url)
        for _ in range(_REDIRECTS):
            with self._one(url, headers or {}) as reply:
                target = reply.headers.get("location") if reply.is_redirect else None
                if target is None:
                    yield reply
                    return
                url = followed(url, target, encrypted=first.scheme == "https")
        raise Unusable(f"{first.hostname} redirects more than {_REDIRECTS} times")

    @contextmanager
    def _one(self, url: str, headers: Mapping[str, str]) -> Generator[httpx.Response]:
        sent = {"User-Agent": f"moonbase/{__version__}", "Accept-Encoding": "identity", **headers}
        if self._token and self.is_hub(url):
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            with self._http.stream("GET", url, headers=sent) as reply:
                yield reply
        except httpx.TimeoutException:
            raise Lost(f"{_host(url)} was silent for too long") from None
        except httpx.TransportError as error:
            raise Lost(f"the connection to {_host(url)} failed: {error or type(error).__name__}") from None
        except httpx.InvalidURL:
            raise Unusable("a redirect leads to no address") from None


def followed(url: str, target: str, *, encrypted: bool) -> str:
    """Where a redirect leads; raises `Unusable` where it leaves the encrypted way."""
    found = urljoin(url, target)
    scheme = urlsplit(found).scheme
    if scheme != "https" and (encrypted or scheme != "http"):
        raise Unusable(f"{_host(url)} redirects to an address without encryption, which is not followed")
    return found


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _host(url: str) -> str:
    """What messages call an address: a signed query is nobody's business."""
    return urlsplit(url).netloc.rpartition("@")[2]
