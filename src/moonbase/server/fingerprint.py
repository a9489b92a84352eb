"""Digests of conversations: what was said and shown, however it is spelled, without reasoning and without ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b, sha256

import msgspec

from moonbase.contract.messages import Message, ToolCall, last_user_index
from moonbase.contract.response import AssistantMessage

_CHUNK = 1 << 20
"""Characters of a url that are digested at once, so that 100 MB are not copied whole."""

_SIZE = 16
"""Bytes of a digest."""

_Said = tuple[str, str, Sequence[str], Sequence[tuple[str, object]]]
"""Of a message: role, text, digests of its media, and its calls."""

_encode_lines = msgspec.json.Encoder(order="sorted").encode_lines
_decode = msgspec.json.Decoder().decode


class Fingerprint:
    """Digests of a conversation: of all of it, and of its turn, which begins with the last user message."""

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        # Histories are long, and most processors have instructions for this one.
        self._whole = sha256()
        self._turn = self._whole.copy()
        if messages:
            self.add(messages)

    def add(self, messages: Sequence[Message]) -> None:
        begins = last_user_index(messages)
        values = [
            # As `_said` has it: most messages are text, and there may be hundreds.
            (message.role, message.content.strip(), (), _values(message.tool_calls) if message.tool_calls else ())
            if isinstance(message.content, str)
            else _said(message.role, message)
            for message in messages
        ]
        if begins > 0:
            self._whole.update(_lines(values[:begins]))
            values = values[begins:]
        turn = _lines(values)
        self._whole.update(turn)
        if begins >= 0:
            self._turn = sha256(turn)
        else:
            self._turn.update(turn)

    def turn(self) -> bytes:
        return self._turn.digest()[:_SIZE]

    def conversation(self) -> bytes:
        return self._whole.digest()[:_SIZE]


def answer_digest(message: Message | AssistantMessage) -> bytes:
    """What a message says and shows: its text, its media and its calls."""
    return sha256(_lines([_said("", message)])).digest()[:_SIZE]


def _said(role: str, message: Message | AssistantMessage) -> _Said:
    """A value that is the same for messages that say the same."""
    content, calls = message.content, message.tool_calls
    if isinstance(content, list):
        assert isinstance(message, Message)
        return role, message.text.strip(), [_url(part.url) for part in content if part.url], _values(calls or ())
    return role, content.strip() if isinstance(content, str) else "", (), _values(calls or ())


def _lines(values: Sequence[_Said]) -> bytes:
    """JSON, each value on a line."""
    try:
        return _encode_lines(values)
    except UnicodeEncodeError:  # an engine wrote half of a character
        return b"".join(map(_line, values))


def _line(value: _Said) -> bytes:
    try:
        return _encode_lines([value])
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True).encode() + b"\n"


def _values(calls: Sequence[ToolCall]) -> list[tuple[str, object]]:
    """The arguments of each call: the same for the same JSON value; the text itself where it is none."""
    values: list[tuple[str, object]] = []
    for call in calls:
        function = call.function
        try:
            value = _decode(function.arguments)
        except (ValueError, RecursionError):
            value = function.arguments
        values.append((function.name, value))
    return values


def _url(url: str) -> str:
    """Most urls of images and videos are the bytes themselves."""
    digest = blake2b(digest_size=_SIZE)
    for at in range(0, len(url), _CHUNK):
        digest.update(url[at : at + _CHUNK].encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
