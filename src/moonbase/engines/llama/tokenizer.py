"""A rendered prompt into token ids: marks where they are structure, ordinary text where they are content.

llama.cpp finds USER_DEFINED tokens even in text it is told to take plainly, and SentencePiece may merge characters into
any token; so marks inside content are cut in two, and the halves are tokenised apart (contract.md 13).
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from moonbase.contract.prompts import Piece
from moonbase.engines.llama.model import SpecialToken

Encode = Callable[[list[str], bool], list[list[int]]]
"""Texts to ids, text by text; the flag says whether marks in them are marks."""

_ANCHOR = "\n"
_encode_json = msgspec.json.Encoder().encode
_decode_ids = msgspec.json.Decoder(list[int]).decode


class Tokens(NamedTuple):
    """Some token ids, as the inside of a JSON array: how many, and the first and the last of them."""

    length: int
    json: bytes
    first: int | None
    last: int | None


def pack(ids: Sequence[int]) -> Tokens:
    if not ids:
        return Tokens(0, b"", None, None)
    return Tokens(len(ids), _encode_json(ids)[1:-1], ids[0], ids[-1])


def join(parts: Iterable[Tokens]) -> Tokens:
    filled = [part for part in parts if part.length]
    if not filled:
        return pack([])
    joined = b",".join(part.json for part in filled)
    return Tokens(sum(part.length for part in filled), joined, filled[0].first, filled[-1].last)


class Cutter:
    """Cuts text so that no part contains a mark. Marks of one character, or of white space alone, are no structure."""

    def __init__(self, marks: Iterable[str]) -> None:
        texts = sorted({mark for mark in marks if len(mark.strip()) > 1}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None

    def parts(self, text: str) -> Iterator[str]:
        """`text` in order, cut in the middle of every mark."""
        start = 0
        while self._pattern and (found := self._pattern.search(text, start)):
            middle = (found.start() + found.end()) // 2
            # A shorter mark may lie inside the half that is cut off; what is left to search halves each time.
            yield from self.parts(text[start:middle])
            start = middle
        if start < len(text):
            yield text[start:]


class Tokenizer:
    """Remembers the ids of texts seen before, up to `capacity` bytes of text and ids; safe to use from threads.

    `bos_id`: put before every prompt that does not begin with it. `space_prefix`: the tokenizer puts a space before a
    text, which is right after a mark and wrong inside running text.
    """

    def __init__(
        self,
        encode: Encode,
        marks: Iterable[SpecialToken],
        *,
        bos_id: int | None = None,
        space_prefix: bool = False,
        capacity: int = 16 << 20,
    ) -> None:
        marks = list(marks)
        self._encode = encode
        self._cutter = Cutter(mark.text for mark in marks)
        self._mark_ids = frozenset(mark.id for mark in marks)
        self._forbidden = frozenset(mark.id for mark in marks if mark.kind != "unknown" and len(mark.text.strip()) > 1)
        self._bos = pack([] if bos_id is None else [bos_id])
        self._space_prefix = space_prefix
        self._cache = _Cache(capacity)

    def encode(self, prompt: Iterable[Piece]) -> Tokens:
        """The ids of the whole prompt. Pieces of one kind that stand side by side are one text."""
        texts: list[tuple[str, bool]] = []
        for special, pieces in groupby(prompt, key=lambda piece: piece.special):
            text = "".join(piece.text for piece in pieces)
            texts += [(part, special) for part in ([text] if special else self._cutter.parts(text)) if part]
        known = self._look_up(texts)
        joined = join(known)
        return joined if not self._bos.length or joined.first == self._bos.first else join([self._bos, joined])

    def continuing(self, text: str) -> list[int]:
        """The ids of content in the middle of running text: nothing is put before it."""
        parts = list(self._cutter.parts(text))
        if self._space_prefix:
            tokens = join(self._continued(part, False) for part in parts)
        else:
            tokens = join(self._look_up([(part, False) for part in parts]))
        return _decode_ids(b"[" + tokens.json + b"]")

    def _look_up(self, texts: list[tuple[str, bool]]) -> list[Tokens]:
        """The tokens of each text, asking for all that is new at once, a time for each kind."""
        found = {key: self._cache.get(key) for key in texts}
        for special in (True, False):
            new = [text for (text, kind), tokens in found.items() if kind is special and tokens is None]
            for text, ids in zip(new, self._encode(new, special) if new else [], strict=True):
                found[text, special] = self._remember(text, special, ids)
        parts: list[Tokens] = []
        for text, special in texts:
            tokens = found[text, special] or pack([])
            if self._space_prefix and parts and parts[-1].last not in self._mark_ids:
                tokens = self._continued(text, special)
            parts.append(tokens)
        return parts

    def _remember(self, text: str, special: bool, ids: list[int]) -> Tokens:
        if not special and not self._forbidden.isdisjoint(ids):
            ids = [id for each in self._encode(list(text), False) for id in each]
        return self._cache.put((text, special), pack(ids))

    def _continued(self, text: str, special: bool) -> Tokens:
        """The tokens of a text that does not begin a string: tokenised behind a line feed, which is then dropped."""
        key = (_ANCHOR + text, special)
        if (known := self._cache.get(key)) is not None:
            return known
        anchor, ids = self._encode([_ANCHOR, _ANCHOR + text], special)
        return self._cache.put(key, pack(ids[len(anchor) :] if ids[: len(anchor)] == anchor else ids))


class _Cache:
    """Least recently used first out, bounded by the bytes that texts and ids take together."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, bool], Tokens] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, bool]) -> Tokens | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: tuple[str, bool], tokens: Tokens) -> Tokens:
        with self._lock:
            if key not in self._entries:
                self._entries[key] = tokens
                self._size += _weight(key, tokens)
            while self._size > self._capacity:
                self._size -= _weight(*self._entries.popitem(last=False))
        return tokens


def _weight(key: tuple[str, bool], tokens: Tokens) -> int:
    return len(key[0]) + len(tokens.json) + 200
