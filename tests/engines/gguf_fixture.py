"""Small GGUF models made on the spot, so that tests and benchmarks need no download.

Two kinds. `write_random` has random weights: real attention, any size, meaningless text. `write_chain` has no attention
and no feed-forward: its next token depends on the current token alone, so greedy decoding walks a chain that the test
chose, byte by byte. Both share one tokenizer: byte-level BPE with Kimi's marks as CONTROL tokens, one USER_DEFINED.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import gguf
import msgspec
import numpy as np

END, BEGIN, EOT = "[EOS]", "[BOS]", "[EOT]"
CONTROL = (
    BEGIN,
    END,
    EOT,
    "<|im_end|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|im_middle|>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<think>",
    "</think>",
    "<|hidden|>",
)
USER_DEFINED = ("<note>",)
TEMPLATE = "{% for m in messages %}<|im_user|>{{ m.content }}<|im_end|>{% endfor %}<|im_assistant|>"
_SAMPLE = "the moon base keeps the log of the day and the search tool reads the news of the moon for the user "

Array = np.ndarray[Any, np.dtype[np.float32]]


class Shape(msgspec.Struct, frozen=True):
    """Sizes of a model; the default is the smallest that loads everywhere.

    `texts`: marks that are USER_DEFINED, tokens with text, as those of thinking and calls are in Kimi's vocabulary.
    """

    layers: int = 2
    width: int = 64
    heads: int = 2
    inner: int = 128
    vocabulary: int = 400
    context: int = 4096
    texts: tuple[str, ...] = ()


SMALLEST = Shape()
BUNDLED_SIZE = Shape(layers=5, width=256, heads=4, inner=704, vocabulary=2048, context=16_384)
"""About 4.5M parameters: the size of the bundled model."""
HUNDRED_MILLION = Shape(layers=12, width=768, heads=12, inner=2048, vocabulary=16_384, context=16_384)
"""About 110M parameters."""


def byte_alphabet() -> list[str]:
    """GPT-2's printable character for each byte, indexed by the byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def bpe_merges(sample: str, count: int) -> list[tuple[str, str]]:
    """The first `count` merges that BPE learns from `sample`, split at spaces; ties by order of appearance."""
    alphabet = byte_alphabet()
    words = [[alphabet[byte] for byte in (" " + word).encode()] for word in sample.split()]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs:
            break
        best = max(pairs, key=lambda pair: pairs[pair])
        merges.append(best)
        words = [_merge(word, best) for word in words]
    return merges


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


def vocabulary(size: int, marks: Sequence[str] = ()) -> tuple[list[str], list[int], list[tuple[str, str]]]:
    """Token texts (marks last), their GGUF types, and the merges. Unused tokens fill up to `size`.

    `marks` are USER_DEFINED.
    """
    merges = bpe_merges(_SAMPLE, 100)
    texts = byte_alphabet() + ["".join(pair) for pair in merges]
    kinds = [int(gguf.TokenType.NORMAL)] * len(texts)
    filler = size - len(texts) - len(CONTROL) - len(USER_DEFINED)
    texts += [f"[unused{index}]" for index in range(filler)]
    kinds += [int(gguf.TokenType.UNUSED)] * filler
    texts += [*CONTROL, *USER_DEFINED]
    plain = {*USER_DEFINED, *marks}
    kinds += [int(kind_of(text, plain)) for text in (*CONTROL, *USER_DEFINED)]
    return texts, kinds, merges


def kind_of(mark: str, plain: set[str]) -> gguf.TokenType:
    return gguf.TokenType.USER_DEFINED if mark in plain else gguf.TokenType.CONTROL


def write_random(path: Path, shape: Shape = SMALLEST, *, seed: int = 7, ends: bool = True) -> Path:
    """A model of random weights. `ends` False: it never generates an end mark by itself, for benchmarks."""
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> Array:
        return (random.standard_normal((rows, columns), dtype=np.float32) * columns**-0.5).astype(np.float32)

    output = matrix(shape.vocabulary, shape.width)
    if not ends:
        output[shape.vocabulary - len(CONTROL) - len(USER_DEFINED) :] = 0
    return _write(path, shape, matrix(shape.vocabulary, shape.width), output, matrix)


def write_chain(path: Path, chains: Sequence[Sequence[str]], shape: Shape = SMALLEST, *, seed: int = 3) -> Path:
    """A model that, decoded greedily, follows each chain of token texts; a token has one successor over all chains.

    Elsewhere it walks round the printable ASCII characters that are in no chain, and never ends.
    """
    texts, _, _ = vocabulary(shape.vocabulary)
    ids = {text: index for index, text in enumerate(texts)}
    taken = {text for chain in chains for text in chain}
    circle = [ids[chr(code)] for code in range(ord("!"), ord("~") + 1) if chr(code) not in taken]
    follow = {index: circle[index % len(circle)] for index in range(len(texts))}
    follow |= dict(zip(circle, circle[1:] + circle[:1], strict=True))
    follow |= {ids[a]: ids[b] for chain in chains for a, b in pairwise(chain)}
    wide = msgspec.structs.replace(shape, width=512)
    embedding = np.random.default_rng(seed).standard_normal((wide.vocabulary, wide.width), dtype=np.float32)
    embedding /= np.sqrt(np.square(embedding).sum(axis=1, keepdims=True))
    output = np.zeros_like(embedding)
    for current, following in follow.items():
        output[following] += embedding[current]
    return _write(path, wide, embedding, output, _zeros)


def write_flat(path: Path, shape: Shape = SMALLEST) -> Path:
    """A model to which all tokens but the marks are always equally likely."""
    ones = np.ones((shape.vocabulary, shape.width), np.float32)
    marks = np.arange(shape.vocabulary) >= shape.vocabulary - len(CONTROL) - len(USER_DEFINED)
    return _write(path, shape, ones, -ones * marks[:, None], _zeros)


def _zeros(rows: int, columns: int) -> Array:
    return np.zeros((rows, columns), np.float32)


def _write(path: Path, shape: Shape, embedding: Array, output: Array, matrix: Callable[[int, int], Array]) -> Path:
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, shape)
    writer.add_tensor("token_embd.weight", embedding.astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(shape.width, np.float32))
    writer.add_tensor("output.weight", output.astype(np.float16))
    for layer in range(shape.layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(shape.width, shape.width).astype(np.float16))
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", matrix(shape.inner, shape.width).astype(np.float16))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", matrix(shape.inner, shape.width).astype(np.float16))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", matrix(shape.width, shape.inner).astype(np.float16))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(shape.width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    texts, kinds, merges = vocabulary(shape.vocabulary, shape.texts)
    writer.add_name("tiny")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(cast(Any, texts))
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(texts.index(BEGIN))
    writer.add_eos_token_id(texts.index(END))
    writer.add_eot_token_id(texts.index(EOT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
