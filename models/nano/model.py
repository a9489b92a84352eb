"""A llama in PyTorch, with heads for copying set by hand before training.

Copying is the hurdle for a model this small. Layer 0 starts with two heads that look one and two tokens back and
write what they see into a part of the residual stream of its own; layers 1 and 2 start with heads that look for the
place where the last two tokens stood before, and repeat what followed it. Only some of the rotary pairs turn (through
llama.cpp's `rope_freqs`), so that matching by content works at any distance.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from attention import causal
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    vocabulary: int = 2048
    width: int = 256
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    hidden: int = 704
    theta: float = 500.0
    turning: int = 10
    """Rotary pairs of each head that turn; the others see no position."""
    eps: float = 1e-5

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


STILL = 1e30


def frequency_factors(shape: Shape) -> Tensor:
    """What llama.cpp divides each rotary frequency by: theta spread over the turning pairs, none for the rest."""
    pairs = shape.head // 2
    own = shape.theta ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    wanted = shape.theta ** (-torch.arange(pairs, dtype=torch.float64) / shape.turning)
    factors = own / wanted
    factors[shape.turning :] = STILL
    return factors.float()


def rotary(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    pairs = shape.head // 2
    own = shape.theta ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), own / frequency_factors(shape).double())
    return angles.cos().float(), angles.sin().float()


def turn(x: Tensor, cos: Tensor, sin: Tensor, turning: int) -> Tensor:
    """Rotate the first `turning` neighbouring pairs, as llama.cpp does for this architecture."""
    head, rest = x[..., : 2 * turning].float(), x[..., 2 * turning :]
    even, odd = head[..., 0::2], head[..., 1::2]
    cos, sin = cos[:, :turning], sin[:, :turning]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
    return torch.cat((turned.to(x.dtype), rest), -1)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, kv = shape.width, shape.kv_heads * shape.head
        self.norm1 = nn.Parameter(torch.ones(width))
        self.norm2 = nn.Parameter(torch.ones(width))
        self.q, self.k, self.v = (nn.Linear(width, n) for n in (shape.heads * shape.head, kv, kv))
        self.o = nn.Linear(shape.heads * shape.head, width, bias=False)
        self.gate, self.up = (nn.Linear(width, shape.hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.hidden, width, bias=False)
        for linear in (self.q, self.k, self.v, self.gate, self.up):
            nn.init.normal_(linear.weight, std=0.6 / math.sqrt(width))
        for linear in (self.o, self.down):
            nn.init.normal_(linear.weight, std=0.1 / math.sqrt(width * shape.layers))
        for linear in (self.q, self.k, self.v):
            nn.init.zeros_(linear.bias)

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        shape = self.shape
        batch, length, _ = x.shape
        y = F.rms_norm(x, (shape.width,), self.norm1, shape.eps)
        q = turn(self.q(y).view(batch, length, shape.heads, shape.head).transpose(1, 2), cos, sin, shape.turning)
        k = turn(self.k(y).view(batch, length, shape.kv_heads, shape.head).transpose(1, 2), cos, sin, shape.turning)
        v = self.v(y).view(batch, length, shape.kv_heads, shape.head).transpose(1, 2)
        if q.dtype == torch.bfloat16 and q.device.type == "cpu":
            seen = causal(q, k, v)
        else:
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return x + self.o(seen.transpose(1, 2).reshape(batch, length, -1))

    def think(self, x: Tensor) -> Tensor:
        y = F.rms_norm(x, (self.shape.width,), self.norm2, self.shape.eps)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Nano(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        self.turns = rotary(shape, 8192)
        copying_heads(self)

    def forward(self, ids: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Logits at every position, or only at those where `wanted` (batch, length) holds: (count, vocabulary)."""
        cos, sin = (part[: ids.shape[1]].to(ids.device) for part in self.turns)
        x = self.embedding(ids)
        for block in self.blocks[:-1]:
            x = block.think(block.attend(x, cos, sin))
        x = self.blocks[-1].attend(x, cos, sin)
        if wanted is not None:
            x = x[wanted]
        x = F.rms_norm(self.blocks[-1].think(x), (self.shape.width,), self.norm, self.shape.eps)
        return F.linear(x, self.embedding.weight)


@torch.no_grad()
def copying_heads(model: Nano) -> None:
    """Set the previous-token and induction heads described above."""
    shape, own, part = model.shape, 160, 48
    size = shape.head
    model.embedding.weight.normal_(std=0.06)
    model.embedding.weight[:, own:] *= 0.02
    frequencies = shape.theta ** (-torch.arange(shape.turning, dtype=torch.float64) / shape.turning)
    seen = torch.linalg.qr(torch.randn(own, own))[0][:size]
    first = model.blocks[0]
    first.k.weight[:size] *= 0.05
    first.k.bias[0 : 2 * shape.turning : 2] = 9.0
    first.v.weight[:size] = 0
    first.v.weight[:size, :own] = seen
    for head, back in ((0, 1), (1, 2)):
        rows = slice(head * size, (head + 1) * size)
        first.q.weight[rows] *= 0.05
        angle = (-back * frequencies).float()
        first.q.bias[head * size : head * size + 2 * shape.turning : 2] = 9.0 * angle.cos()
        first.q.bias[head * size + 1 : head * size + 2 * shape.turning : 2] = 9.0 * angle.sin()
        start = own + head * part
        first.o.weight[:, rows] = 0
        first.o.weight[start : start + part, head * size : head * size + part] = 0.05 * torch.eye(part)
    still = 2 * shape.turning
    room = size - still
    mixed = torch.linalg.qr(torch.randn(part, part))[0][:room]
    for number, layer in enumerate((model.blocks[1], model.blocks[2])):
        layer.k.weight[:size] *= 0.05
        layer.k.weight[still:size] = 0
        layer.k.weight[still:size, own : own + room] = 1.5 * torch.eye(room)
        layer.k.weight[still:size, own + part : own + 2 * part] = 1.5 * mixed
        value = torch.linalg.qr(torch.randn(own, own))[0][:size]
        layer.v.weight[:size] = 0
        layer.v.weight[:size, :own] = value
        for head, second in ((0, 1.5), (1, 0.5)):
            rows = slice(head * size, (head + 1) * size)
            layer.q.weight[rows] *= 0.05
            layer.q.weight[head * size + still : (head + 1) * size] = 0
            layer.q.weight[head * size + still : (head + 1) * size, :own] = 1.5 * seen[:room]
            layer.q.weight[head * size + still : (head + 1) * size, own : own + part] = second * mixed
            layer.o.weight[:, rows] = 0
            layer.o.weight[:own, rows] = (0.12 if number == 0 else 0.08) * value.T
