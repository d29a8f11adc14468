"""Random tensors; without torch, tests that import them are skipped."""

import pytest

torch = pytest.importorskip("torch")


def normal(*shape, seed=0, dtype=torch.float64, grad=True):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=dtype, requires_grad=grad)


def positive(*shape, seed=0):
    return normal(*shape, seed=seed, grad=False).exp().requires_grad_()


def lower(*shape, seed=0):
    a = normal(*shape, seed=seed, grad=False).tril() * 0.3 + 2 * torch.eye(shape[-1])
    return a.requires_grad_()


X, Y = normal(5, 3, grad=False), normal(4, 3, grad=False)
