"""Web pages that use this server: which may, and what a browser has to be told for it (CORS).

A page of this machine may, and so may those whose origins the operator names. Where the server has keys, any other page
is answered without a word for its browser, which then keeps the answer from it. Where it takes any key, it refuses
the pages of others, also behind a name of theirs that leads to this machine (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from moonbase.contract.errors import PermissionDenied, SettingsError
from moonbase.contract.local import is_loopback
from moonbase.server.wire import Headers

ANY = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@A-Z]+\Z")
_LOCAL_NAME = re.compile(r"(?:[^.]+|.+\.(?:localhost|local|internal|test|home\.arpa))\Z")
"""Names that no one can register: a page that leads one of them here is of this machine or its network."""
_SECONDS = b"7200"
"""How long a browser may remember the answer to a preflight; Chrome does so for no longer."""


def check_origins(allowed: Sequence[str]) -> None:
    """Raise `SettingsError` for what is no origin of a page."""
    for origin in allowed:
        if origin != ANY and not _ORIGIN.match(origin):
            raise SettingsError(
                f"server.allow_origins: {origin!r} is no origin; expected one such as https://app.example or "
                'http://10.0.0.5:3000, in lower case and without a path, or "*" for every page'
            )


class Pages:
    """`allowed`: origins of pages that may use the server, or "*" (see `check_origins`); `open_to_all`: it takes any
    key."""

    def __init__(self, allowed: Sequence[str] = (), *, open_to_all: bool) -> None:
        self._allowed, self._open = frozenset(allowed), open_to_all
        self._host = ""
        """The last that was found good: mostly there is but one."""

    def headers_for(self, origin: str | None, host: str | None) -> Headers:
        """Response headers for the page of `origin` that asks; raises `PermissionDenied` where it may not. `host`: by
        which name the server was asked."""
        if origin is None:
            if self._open and host is not None and host != self._host:
                self._check_host(host)
            return []
        if self._may(origin):
            return [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", b"*"),
                (b"vary", b"Origin"),
            ]
        if self._open:
            raise PermissionDenied(
                f"a page of the origin {origin[:100]!r} may not use this server; set an API key, or allow the page "
                "with --allow-origin"
            )
        return []

    def preflight(self, origin: str, wanted: str | None, private: str | None) -> Headers:
        """The answer to what a browser asks before it lets a page send a request; `wanted`: the names of headers that
        the page wants to send, `private`: it says that this is a private network's server. Raises
        `PermissionDenied`."""
        if not self._may(origin):
            raise PermissionDenied(
                f"pages of the origin {origin[:100]!r} may not use this server; allow them with --allow-origin"
            )
        headers = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-max-age", _SECONDS),
            (b"vary", b"Origin, Access-Control-Request-Headers"),
        ]
        if wanted is not None:
            headers.append((b"access-control-allow-headers", wanted.encode("latin-1")))
        if private == "true":
            headers.append((b"access-control-allow-private-network", b"true"))
        return headers

    def _may(self, origin: str) -> bool:
        if ANY in self._allowed or origin in self._allowed:
            return True
        scheme, host = _parts(origin)
        if scheme in ("http", "https"):
            return is_loopback(host) or host.endswith(".localhost")
        # Programs of this machine that show pages of their own: app://, tauri://, vscode-webview://. A sandboxed frame
        # of any page says "null".
        return bool(host) and scheme not in ("", "file")

    def _check_host(self, host: str) -> None:
        """Raise `PermissionDenied` where the server was asked by a name that its owner could have led here."""
        name = _parts(f"http://{host}")[1]
        named = {_parts(each)[1] for each in self._allowed}
        if not (ANY in self._allowed or name in named or _is_address(name) or _LOCAL_NAME.match(name)):
            raise PermissionDenied(
                f"this server takes any key, so it does not answer to the name {host[:100]!r}; set an API key, or "
                f"allow the name with --allow-origin http://{host[:100]}"
            )
        self._host = host


def _parts(origin: str) -> tuple[str, str]:
    """(scheme, host name); empty where there is none."""
    try:
        split = urlsplit(origin)
        return split.scheme, split.hostname or ""
    except ValueError:
        return "", ""


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()
