"""Marks are structure where a prompt says so and text everywhere else; repeated pieces cost nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonbase.contract.prompts import Piece
from moonbase.engines.llama.model import SpecialToken, TokenKind
from moonbase.engines.llama.tokenizer import Cutter, Tokenizer, join, pack

MARKS = ("<|im_end|>", "<think>", "<<a>>", "<a>", "a>><")


class Letters:
    """A tokenizer of letters (ids are code points) that finds its marks in any text, as llama.cpp may do.

    `prefix`: it puts a space before a text, as SentencePiece does. `asked`: the texts of each call.
    """

    def __init__(self, marks: dict[str, int], *, prefix: bool = False) -> None:
        self.asked: list[list[str]] = []
        self._marks = marks
        self._prefix = prefix

    def __call__(self, texts: list[str], special: bool) -> list[list[int]]:
        self.asked.append(texts)
        return [self._ids((" " if self._prefix else "") + text) for text in texts]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = []
        while text:
            mark = next((mark for mark in self._marks if text.startswith(mark)), None)
            ids.append(self._marks[mark] if mark else ord(text[0]))
            text = text[len(mark or text[0]) :]
        return ids


def tokenizer(letters: Letters, marks: dict[str, int], kind: TokenKind = "control", **options: object) -> Tokenizer:
    tokens = [SpecialToken(id, text, kind) for text, id in marks.items()]
    return Tokenizer(letters, tokens, **options)  # pyright: ignore[reportArgumentType]


def ids(tokenizer: Tokenizer, *pieces: Piece) -> list[int]:
    tokens = tokenizer.encode(pieces)
    found = [int(id) for id in tokens.json.split(b",") if id]
    assert tokens.length == len(found)
    assert (tokens.first, tokens.last) == ((found[0], found[-1]) if found else (None, None))
    return found


@given(st.lists(st.sampled_from([*MARKS, "<", ">", "a", "<|", "think", "|>"]), max_size=12))
def test_no_part_of_content_contains_a_mark(words: list[str]) -> None:
    text = "".join(words)
    parts = list(Cutter(MARKS).parts(text))
    assert "".join(parts) == text
    assert not [part for part in parts for mark in MARKS if mark in part]


def test_text_without_marks_is_not_cut() -> None:
    assert list(Cutter(MARKS).parts("<think")) == ["<think"]
    assert list(Cutter([]).parts("any")) == ["any"]
    assert list(Cutter(MARKS).parts("")) == []


def test_white_space_and_single_characters_are_no_structure() -> None:
    assert list(Cutter(["\n\n", "  ", "x"]).parts("a\n\n  x")) == ["a\n\n  x"]


def test_many_marks_in_one_text_are_no_problem() -> None:
    parts = list(Cutter(MARKS).parts("<think>" * 20_000))
    assert len(parts) == 20_001


def test_a_mark_is_one_token_in_structure_and_letters_in_content() -> None:
    marks = {"<think>": 1000}
    subject = tokenizer(Letters(marks), marks)
    assert ids(subject, Piece("<think>a", True)) == [1000, ord("a")]
    assert ids(subject, Piece("<think>a", False)) == [ord(letter) for letter in "<think>a"]


@given(st.lists(st.tuples(st.sampled_from([*MARKS, "x", "<", "hi"]), st.booleans()), max_size=8))
def test_content_never_gives_a_mark(pieces: list[tuple[str, bool]]) -> None:
    marks = {mark: 1000 + index for index, mark in enumerate(MARKS)}
    subject = tokenizer(Letters(marks), marks)
    found = ids(subject, *(Piece(text, False) for text, _ in pieces))
    assert all(id < 1000 for id in found)
    assert "".join(map(chr, found)) == "".join(text for text, _ in pieces)


def test_a_tokenizer_that_makes_a_mark_of_its_halves_is_asked_letter_by_letter() -> None:
    def sly(texts: list[str], special: bool) -> list[list[int]]:
        return [[1000] if len(text) > 1 else [ord(text)] for text in texts]

    subject = Tokenizer(sly, [SpecialToken(1000, "<think>", "control")])
    assert ids(subject, Piece("abc", False)) == [97, 98, 99]


def test_pieces_of_one_kind_side_by_side_are_one_text() -> None:
    letters = Letters({})
    ids(
        tokenizer(letters, {}),
        Piece("ab", False),
        Piece("cd", False),
        Piece("m", True),
        Piece("", True),
        Piece("e", False),
    )
    assert letters.asked == [["m"], ["abcd", "e"]]


def test_a_mark_made_by_two_contents_is_content() -> None:
    marks = {"<think>": 1000}
    found = ids(tokenizer(Letters(marks), marks), Piece("<th", False), Piece("ink>", False))
    assert 1000 not in found


def test_pieces_seen_before_are_not_asked_again() -> None:
    letters = Letters({})
    subject = tokenizer(letters, {})
    first = ids(subject, Piece("a", True), Piece("hello", False))
    assert ids(subject, Piece("a", True), Piece("hello", False), Piece("a", True), Piece("new", False))[:6] == first
    assert letters.asked == [["a"], ["hello"], ["new"]]


def test_the_memory_of_pieces_is_bounded() -> None:
    letters = Letters({})
    subject = tokenizer(letters, {}, capacity=2000)
    for number in range(50):
        ids(subject, Piece(f"piece {number}", False))
    ids(subject, Piece("piece 49", False))
    assert len(letters.asked) == 50, "the newest is remembered"
    ids(subject, Piece("piece 0", False))
    assert len(letters.asked) == 51, "the oldest is not"
    long = "x" * 5000
    assert len(ids(subject, Piece(long, False))) == 5000, "a piece over the bound is served all the same"


def test_the_beginning_mark_comes_once() -> None:
    marks = {"[BOS]": 1}
    subject = tokenizer(Letters(marks), marks, bos_id=1)
    assert ids(subject, Piece("a", False)) == [1, 97]
    assert ids(subject, Piece("[BOS]a", True)) == [1, 97]
    assert ids(subject) == [1]


def test_a_space_goes_before_text_at_the_start_and_after_a_mark_only() -> None:
    marks = {" [M]": 1000, "[M]": 1000}
    subject = tokenizer(Letters(marks, prefix=True), {"[M]": 1000}, space_prefix=True)
    text = "".join(map(chr, ids(subject, Piece("a", True), Piece("b[M]", False), Piece("c", True), Piece("[M]", True))))
    assert text == " ab[M]c" + chr(1000)
    text = "".join(map(chr, ids(subject, Piece("[M]", True), Piece("b", False))))
    assert text == chr(1000) + " b"


def test_joining_nothing_is_nothing() -> None:
    assert join([]) == join([pack([])]) == pack([])
    assert join([pack([1]), pack([]), pack([2, 3])]) == pack([1, 2, 3])


def test_text_that_continues_has_nothing_before_it() -> None:
    """Neither the mark that begins a prompt nor SentencePiece's space."""
    letters = Letters({}, prefix=True)
    subject = tokenizer(letters, {}, bos_id=1, space_prefix=True)
    assert subject.continuing("é🌙") == [ord("é"), ord("🌙")]
    plain = tokenizer(Letters({"<think>": 900}), {"<think>": 900}, bos_id=1)
    assert plain.continuing("<think>") == [ord(letter) for letter in "<think>"]
    assert plain.continuing("") == []
