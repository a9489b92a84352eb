"""Muon for the matrices, AdamW for embeddings, norms and biases (Jordan et al., 2024)."""

import torch
from precision import fastest
from torch import Tensor, nn


def orthogonal(update: Tensor, rounds: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices of a stack (count, rows, columns), by Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.to(fastest(update.device))
    flat = x.size(-2) > x.size(-1)
    if flat:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if flat else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            stacks: dict[tuple[int, ...], list[nn.Parameter]] = {}
            for matrix in group["params"]:
                stacks.setdefault(tuple(matrix.shape), []).append(matrix)
            for (rows, columns), matrices in stacks.items():
                updates = []
                for matrix in matrices:
                    held = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                    held.lerp_(matrix.grad, 1 - group["momentum"])
                    updates.append(matrix.grad.lerp(held, group["momentum"]))
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for matrix, update in zip(matrices, orthogonal(torch.stack(updates)), strict=True):
                    matrix.add_(update, alpha=-scale)


def optimizers(model: nn.Module, muon_lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and not name.startswith("embedding")]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or name.startswith("embedding")]
    return [Muon(matrices, muon_lr), torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)]
