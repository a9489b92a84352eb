"""Where an upstream is and how it is spoken to; the one place that knows its secrets."""

from __future__ import annotations

import base64
import re
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from moonbase.contract.errors import SettingsError

_ACCOUNT = re.compile(r"<?\b(?:org|ak|proj|cust)-[\w-]+>?")
"""How hosted services name an account in their messages (contract.md 4.2); it is the operator's, not the client's."""
_HIDDEN = "…"
_SHORTEST_SECRET = 4
"""A key such as `any` or `x` keeps nothing secret, and is a part of many words."""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One base URL. `path` goes before every route and has no slash at its end; `authorization` is a whole header
    value, None where none is sent. `secrets` never leave this server but to the upstream. `candid`: whoever asks is the
    owner of the key, and is told what is wrong with it, with the account and with the address."""

    host: str
    port: int
    tls: bool
    path: str
    authorization: str | None = None
    secrets: tuple[str, ...] = ()
    candid: bool = False

    @property
    def name(self) -> str:
        """What logs and the operator's messages call it: its address, without its secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"

    def head(self, method: str, route: str, *, root: bool = False) -> bytes:
        """The head of a request for `route`, but for what it says of a body; at the `root` it stands beside `/v1`."""
        path = self.path.removesuffix("/v1") if root else self.path
        default = 443 if self.tls else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            f"{method} {path}{route} HTTP/1.1",
            f"Host: {host}" if self.port == default else f"Host: {host}:{self.port}",
            "Accept: text/event-stream, application/json",
            "Accept-Encoding: identity",
            "User-Agent: moonbase",
        ]
        if self.authorization is not None:
            lines.append(f"Authorization: {self.authorization}")
        return "\r\n".join([*lines, ""]).encode("latin-1")

    def scrubbed(self, text: str) -> str:
        """`text` of the upstream's, as others may read it: no key, no address, no name of the operator's account."""
        hidden = self.secrets if self.candid else (*self.secrets, self.name, f"{self.host}:{self.port}")
        for secret in hidden:
            text = text.replace(secret, _HIDDEN)
        return text if self.candid else _ACCOUNT.sub(_HIDDEN, text)


def parse_upstream(url: str, key: str | None = None, *, candid: bool = False) -> Upstream:
    """Read a base URL, `/v1` added where it has no path; raises `SettingsError`, which never repeats a secret.

    Credentials in the URL are sent as basic authentication; a `key` wins over them.
    """
    parts = _split(url)
    credentials = parts.username is not None or parts.password is not None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secrets = [text for text in (key, password, parts.password) if text and len(text) >= _SHORTEST_SECRET]
    authorization = None
    if key:
        authorization = f"Bearer {key}"
    elif credentials:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        authorization = f"Basic {token}"
        secrets.append(token)
    if authorization is not None and not (authorization.isascii() and authorization.isprintable()):
        raise SettingsError("the key of an upstream has a character that no HTTP header may hold")
    tls = parts.scheme == "https"
    return Upstream(
        host=_ascii(parts.hostname or ""),
        port=parts.port or (443 if tls else 80),
        tls=tls,
        path=parts.path.rstrip("/") or "/v1",
        authorization=authorization,
        secrets=tuple(sorted(set(secrets), key=len, reverse=True)),
        candid=candid,
    )


def _ascii(host: str) -> str:
    """A host as names are asked for and as headers have it (RFC 3490)."""
    return host if host.isascii() else host.encode("idna").decode()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        sound = parts.scheme in ("http", "https") and bool(_ascii(parts.hostname or "")) and parts.port != 0
    except ValueError:  # a UnicodeError is one
        sound = False
    else:
        sound = sound and parts.path.isascii() and parts.path.isprintable() and " " not in parts.path
        if sound and not (parts.query or parts.fragment):
            return parts
    raise SettingsError(
        "the URL of an upstream must be http:// or https://, a host, and perhaps a port and a path, such as "
        "http://127.0.0.1:8001/v1"
    )
