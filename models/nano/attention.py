"""Causal attention for training on a CPU, forward and backward as matrix products of 16 bits.

PyTorch's own kernel for CPUs takes one and a half to three times as long for rows of this length and heads of this
size (64), where it does not use the processor's products of 16 bits to the full.
"""

import math
from typing import Any

import torch
from torch import Tensor

CHUNK = 128
"""Queries that are computed at once; they see no key behind the last of them."""


class _Causal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        count, group, length, size = q.shape
        q = q * (1 / math.sqrt(size))
        hidden = torch.ones(CHUNK, CHUNK, dtype=torch.bool).triu(1)
        seen, parts = torch.empty_like(q), []
        for start in range(0, length, CHUNK):
            end = min(length, start + CHUNK)
            many = end - start
            scores = torch.bmm(q[:, :, start:end].reshape(count, group * many, size), k[:, :end].transpose(1, 2))
            scores = scores.view(count, group, many, end)
            scores[..., start:end].masked_fill_(hidden[:many, :many], -math.inf)
            part = torch.softmax(scores, -1).view(count, group * many, end)
            seen[:, :, start:end] = torch.bmm(part, v[:, :end]).view(count, group, many, size)
            parts.append(part)
        ctx.parts = parts
        ctx.save_for_backward(q, k, v, seen)
        return seen

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        q, k, v, seen = ctx.saved_tensors
        count, group, length, size = q.shape
        grad = grad.to(q.dtype)
        outside = (grad.float() * seen.float()).sum(-1, keepdim=True).to(q.dtype)
        to_q, to_k, to_v = torch.empty_like(q), torch.zeros(count, length, size), torch.zeros(count, length, size)
        for start, part in zip(range(0, length, CHUNK), ctx.parts, strict=True):
            end = min(length, start + CHUNK)
            rows = (count, group * (end - start), -1)
            near, asked = grad[:, :, start:end].reshape(rows), q[:, :, start:end].reshape(rows)
            to_v[:, :end] += torch.bmm(part.transpose(1, 2), near)
            scores = torch.bmm(near, v[:, :end].transpose(1, 2))
            scores.sub_(outside[:, :, start:end].reshape(rows)).mul_(part)
            to_q[:, :, start:end] = torch.bmm(scores, k[:, :end]).view(count, group, end - start, size)
            to_k[:, :end] += torch.bmm(scores.transpose(1, 2), asked)
        return to_q * (1 / math.sqrt(size)), to_k.to(k.dtype), to_v.to(v.dtype)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What each position sees of itself and those before it; the query heads of one key head stand together.

    q: (batch, heads, length, size); k, v: (batch, key heads, length, size). Returns (batch, heads, length, size).
    """
    batch, heads, length, size = q.shape
    count = batch * k.shape[1]
    q = q.reshape(count, heads // k.shape[1], length, size)
    k, v = (part.reshape(count, length, size) for part in (k, v))
    return _Causal.apply(q, k, v).view(batch, heads, length, size)  # type: ignore[no-untyped-call]
