"""Seal a protected tool's output so that only this server reads it, and only for the key that it was made for.

A sealed text is `----MOONSHOT ENCRYPTED BEGIN----`, base64url without padding of (version byte, nonce of 12 bytes,
AES-256-GCM ciphertext with its tag), `----MOONSHOT ENCRYPTED END----` (contract.md 6.1). The owner's key id is
associated data: a text made for another key does not open.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from moonbase.contract.errors import InvalidRequest
from moonbase.tools.formula import SEALED

BEGIN = SEALED
END = "----MOONSHOT ENCRYPTED END----"
KEY_BYTES = 32

_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
# One message for every failure: which check failed would tell an attacker how far a forgery got.
_UNREADABLE = (
    "Invalid request: the encrypted tool output cannot be read: it was changed, cut or made for another API key; "
    "send it back exactly as the tool returned it"
)


class Sealer:
    """Seals and opens texts with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes; got {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, text: str, *, owner: str) -> str:
        """`text` in a frame that `open` reads for the same `owner` only."""
        return f"{BEGIN}{self._sealed(text, _bound(owner))}{END}"

    def open(self, text: str, *, owner: str) -> str:
        """The text inside exactly one frame. Raises `InvalidRequest`, always with the same message."""
        if len(text) < len(BEGIN) + len(END) or not (text.startswith(BEGIN) and text.endswith(END)):
            raise InvalidRequest(_UNREADABLE)
        opened = self._opened(text[len(BEGIN) : len(text) - len(END)], _bound(owner))
        if opened is None:
            raise InvalidRequest(_UNREADABLE)
        return opened

    def seal_id(self, text: str, *, owner: str) -> str:
        """`text` as an id that says nothing to whoever carries it: letters, digits, `-` and `_`. It opens for the same
        `owner` only, and is no encrypted output, nor is one of those such an id."""
        return self._sealed(text, _bound(owner, "id"))

    def open_id(self, text: str, *, owner: str) -> str | None:
        """What `seal_id` was given; None for whatever it has not made for this `owner`."""
        return self._opened(text, _bound(owner, "id"))

    def sign(self, text: str) -> str:
        """A token by which `signed` knows `text` again; it says nothing of it."""
        return self._sealed("", _bound(text, "signature"))

    def signed(self, text: str, token: str) -> bool:
        """Whether `token` is one that `sign` has made of `text`."""
        return self._opened(token, _bound(text, "signature")) is not None

    def _sealed(self, text: str, bound: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return _to_text(_VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), bound))

    def _opened(self, text: str, bound: bytes) -> str | None:
        data = _from_text(text)
        if len(data) < 1 + _NONCE_BYTES + _TAG_BYTES or data[:1] != _VERSION:
            return None
        nonce, sealed = data[1 : 1 + _NONCE_BYTES], data[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, bound).decode()
        except (InvalidTag, UnicodeDecodeError):
            return None

    def unseal_all(self, text: str, *, owner: str) -> str:
        """`text` with every frame opened; text without a begin mark comes back unchanged.

        White space around the frames is dropped, text between them is kept. What a frame held is never searched for
        frames again. Raises `InvalidRequest` for a begin mark without a valid frame behind it. Takes linear time.
        """
        start = text.find(BEGIN)
        if start < 0:
            return text
        parts: list[str] = []
        done = 0
        while start >= 0:
            end = text.find(END, start + len(BEGIN))
            if end < 0:
                raise InvalidRequest(_UNREADABLE)
            between = text[done:start]
            parts += [between if parts else between.lstrip(), self.open(text[start : end + len(END)], owner=owner)]
            done = end + len(END)
            start = text.find(BEGIN, done)
        return "".join(parts) + text[done:].rstrip()


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def _bound(owner: str, kind: str = "tool output") -> bytes:
    return f"moonbase sealed {kind}\x00".encode() + owner.encode("utf-8", "surrogatepass")


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _from_text(text: str) -> bytes:
    """The bytes of base64url text; empty when it is not exactly what `_to_text` writes.

    Python's decoder skips foreign characters and unused bits; comparing with the text written anew admits one spelling.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
    return data if _to_text(data) == text else b""
