"""Losses in torch, forward and backward: fastdiv.torch against torch's own autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import measure
import torch
from tables import peers_table
from torch import Tensor

import fastdiv
import fastdiv.torch

Calls = dict[str, Callable[[], Any]]
Rows = list[tuple[str, dict[str, measure.Samples]]]

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def within(kernel: Tensor) -> Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


def cdist_mmd2(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * sigma**2))

    return within(kernel(x, x)) + within(kernel(y, y)) - 2 * kernel(x, y).mean()


def published_penalty(z: Tensor, z_prior: Tensor) -> Tensor:
    """Return the penalty as its authors wrote it: norms, products, then scale by scale."""

    def squares(a: Tensor, b: Tensor) -> Tensor:
        return (a**2).sum(1, keepdim=True) + (b**2).sum(1) - 2 * a @ b.T

    codes, draws, between = squares(z, z), squares(z_prior, z_prior), squares(z, z_prior)
    n, d = z.shape
    others = 1 - torch.eye(n)
    total = torch.zeros(())
    for scale in SCALES:
        c = 2 * d * scale
        same = (others * (c / (c + codes))).sum() + (others * (c / (c + draws))).sum()
        total = total + same / (n * (n - 1)) - 2 * (c / (c + between)).sum() / n**2
    return total


def vae_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    return (-0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(-1)).mean()


def forward_backward(loss: Callable[..., Tensor], *tensors: Tensor) -> Callable[[], Any]:
    wrt = [each for each in tensors if each.requires_grad]

    def call() -> tuple[Tensor, ...]:
        value = loss(*tensors)
        return (value.detach(), *torch.autograd.grad(value, wrt))

    return call


def agree(peer: tuple[Tensor, ...], ours: tuple[Tensor, ...]) -> None:
    measure.agree("the value of torch", peer[0].numpy(), ours[0].numpy(), 2e-5)
    for theirs, gradient in zip(peer[1:], ours[1:], strict=True):
        scale = float(gradient.abs().max())
        measure.agree(
            "a gradient of torch", (theirs / scale).numpy(), (gradient / scale).numpy(), 1e-3
        )


def tables(rounds: int, threads: int) -> tuple[str, Rows]:
    torch.manual_seed(0)
    n, d = 5000, 64
    x = torch.randn(n, d, requires_grad=True)
    y = (torch.randn(n, d) + 0.1).requires_grad_()
    kernel = fastdiv.RBF(d**0.5)
    z = (1.2 * torch.randn(256, d)).requires_grad_()
    z_prior = torch.randn(256, d)
    mean, logvar = (torch.randn(256, 32, requires_grad=True) for _ in range(2))
    cases: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], tuple[Tensor, ...]]] = {
        f"`mmd2`, RBF, n = m = {n}, d = {d}, to x and y": (
            lambda a, b: fastdiv.torch.mmd2(a, b, kernel, n_threads=threads),
            lambda a, b: cdist_mmd2(a, b, d**0.5),
            (x, y),
        ),
        f"`wae_mmd`, 7 scales, n = m = 256, d = {d}, to the codes": (
            lambda a, b: fastdiv.torch.wae_mmd(a, b, n_threads=threads),
            published_penalty,
            (z, z_prior),
        ),
        "`kl` to N(0, I), mean and logvar, 256 × 32": (
            lambda a, b: fastdiv.torch.kl(a, logvar=b, reduce="mean", n_threads=threads),
            vae_kl,
            (mean, logvar),
        ),
    }
    rows: Rows = []
    for label, (ours, theirs, tensors) in cases.items():
        calls: Calls = {
            "fastdiv": forward_backward(ours, *tensors),
            "torch": forward_backward(theirs, *tensors),
        }
        agree(calls["torch"](), calls["fastdiv"]())
        rows.append((label, measure.interleaved(calls, rounds)))
    return peers_table("float32, forward and backward", ["torch"], rows), rows
