"""Bytes of the web to text, the way browsers do: byte order mark, header, the page's own word, then a guess."""

from __future__ import annotations

import codecs
import re
from collections import Counter

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SAMPLE, _BEFORE = 65_536, 1_000  # bytes that a guess looks at; of those, before the first that is no UTF-8
_OWN_WORD = re.compile(rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:+-]{1,40})""", re.I)
# Codecs of the web only: Python also knows such as zip, idna and unicode_escape, which do other things than read text.
_READ_AS = {
    "utf-8": "utf-8", "utf-16": "utf-16-le", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be",
    "ascii": "cp1252", "iso8859-1": "cp1252", "cp1252": "cp1252", "iso8859-9": "cp1254", "cp1254": "cp1254",
    "iso8859-11": "cp874", "tis-620": "cp874", "cp874": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "hz": "hz", "big5": "big5hkscs",
    "big5hkscs": "big5hkscs", "shift_jis": "cp932", "cp932": "cp932", "euc_jp": "euc_jp", "iso2022_jp": "iso2022_jp",
    "euc_kr": "cp949", "cp949": "cp949", "koi8-r": "koi8-r", "koi8-u": "koi8-u", "cp866": "cp866",
    "mac-roman": "mac-roman", "mac-cyrillic": "mac-cyrillic",
} | {
    name: name
    for name in (
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *(f"cp{page}" for page in (1250, 1251, 1253, 1255, 1256, 1257, 1258)),
    )
}  # fmt: skip


def decode(data: bytes, declared: str | None) -> str:
    """The text of a page. Bytes that its charset does not have become U+FFFD."""
    if mark := marked(data):
        codec, length = mark
        return data[length:].decode(codec, "replace")
    name = codec_of(declared) or codec_of(_own_word(data)) or guessed(data)
    return data.decode(name, "replace")


def marked(data: bytes) -> tuple[str, int] | None:
    """The codec that a byte order mark names, and the mark's length; None where there is no mark."""
    return next(((name, len(mark)) for mark, name in _MARKS if data.startswith(mark)), None)


def codec_of(label: str | None) -> str | None:
    """The codec for a charset's name; None for a name that is none on the web."""
    if label is None:
        return None
    try:
        return _READ_AS.get(codecs.lookup(label).name)
    except (LookupError, ValueError):
        return None


def _own_word(data: bytes) -> str | None:
    found = _OWN_WORD.search(data[:2048])
    # A page whose bytes could be read so far cannot be in UTF-16, whatever it says.
    name = found[1].decode("ascii") if found else None
    return "utf-8" if name and name.lower().startswith("utf-16") else name


def guessed(data: bytes) -> str:
    """The codec that bytes without a word about it are most likely in."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        from charset_normalizer import from_bytes

        begin = max(0, error.start - _BEFORE)  # a long beginning in ASCII says nothing
        sample = data[begin : begin + _SAMPLE]
        best = from_bytes(sample).best()
        found = codec_of(best.encoding if best else None)
        if found in _TWO_BYTES and _is_latin(sample.decode(found, "replace")):
            return latin_codec(sample)
        return found if found and found not in _LATIN else latin_codec(sample, found)
    return "utf-8"


# Charsets of the Latin alphabet have letters at the same bytes, so that a text reads well in all of them: the detector
# takes any, and `crème` becomes `crčme`. What tells them apart is which letters a language has together.
_LATIN = {f"iso8859-{part}" for part in (2, 3, 4, 10, 13, 14, 15, 16)} | {
    *("cp1250", "cp1252", "cp1254", "cp1257", "mac-roman"),
}
_TWO_BYTES = {"gb18030", "big5hkscs", "cp949", "cp932", "euc_jp"}
_BEYOND_ASCII = re.compile(r"([A-Za-z]?)([^\x00-\x7f]+)")
_USUAL = ("cp1252", "cp1250", "cp1254", "cp1257")
"""The most widespread first: it is taken where several read as well."""
_ALPHABETS = tuple(
    frozenset(letters)
    for letters in (
        "àâæçèéêëîïñôœùûüÿ", "àáâãçéêíóôõúüòºª", "àèéìíîòóùú", "áéíïñóúüç¡¿ºª", "àçèéíïòóúü·", "äöüßé", "áäåæéèöøóô",
        "áèéêëïóöüç", "áðéíóúýþæö", "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ćčđšž",
        "ăâîşţ", "çğıöşüâîû\u0307", "ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž",
    )
)  # fmt: skip
"""What languages write beside a to z, in the order of their charsets: French, Portuguese, Italian, Spanish, Catalan,
German, those of Scandinavia, Dutch, Icelandic; Polish, Czech, Slovak, Hungarian, those of the south Slavs, Romanian;
Turkish (its İ in lower case ends in a dot of its own); Lithuanian, Latvian, Estonian."""
_OF_ALL = frozenset("«»“”„‘’‚‹›–—…€£$¥§°·•©®™½¼¾²³µ×±\xa0\xad")


def _is_latin(text: str) -> bool:
    """Whether a text in a charset of two bytes to a sign is none: `niño` becomes `ni駉` in it, and nobody writes all
    signs alone and behind a letter each."""
    return all(before and len(signs) == 1 for before, signs in _BEYOND_ASCII.findall(text))


def latin_codec(data: bytes, likely: str | None = None) -> str:
    """The codec in which most of the text's characters beyond ASCII are of one language; `likely` is tried too."""
    codecs_tried = dict.fromkeys((*_USUAL, likely) if likely else _USUAL)
    return max(codecs_tried, key=lambda name: _of_one_language(data.decode(name, "replace")))


def _of_one_language(text: str) -> float:
    """The share of the characters beyond ASCII that the best fitting language has."""
    found = Counter(character for character in text.lower() if character > "\x7f" and character not in _OF_ALL)
    best = max(sum(found[letter] for letter in letters) for letters in _ALPHABETS)
    return best / found.total() if found else 1.0
