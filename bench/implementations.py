"""Compute unbiased MMD² with an RBF kernel, and its permutation test, as others do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MMD2 = Callable[[Array, Array, float], float]


def unbiased(xx: float, yy: float, xy: float, n: int, m: int) -> float:
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


class NumpyBlocks:
    """
    Blocks of a product, with the norms taken once and everything else done in place.

    The size of the blocks is the best of 500, 1000 and 2000, tried on the first call. With
    `symmetric`, blocks below the diagonal of the two within-sample parts are left out.
    """

    def __init__(self, symmetric: bool) -> None:
        self.symmetric = symmetric
        self.block = 0

    def __call__(self, x: Array, y: Array, sigma: float) -> float:
        if self.block == 0:
            self.block = min((500, 1000, 2000), key=lambda block: self._timed(x, y, sigma, block))
        return self._mmd2(x, y, sigma, self.block)

    def _timed(self, x: Array, y: Array, sigma: float, block: int) -> float:
        start = time.perf_counter()
        self._mmd2(x, y, sigma, block)
        return time.perf_counter() - start

    def _mmd2(self, x: Array, y: Array, sigma: float, block: int) -> float:
        n, m = len(x), len(y)
        x, y = x / x.dtype.type(sigma), y / y.dtype.type(sigma)
        hx, hy = (np.einsum("ij,ij->i", z, z) / 2 for z in (x, y))
        buffer = np.empty(block * block, x.dtype)

        def total(a: Array, ha: Array, b: Array, hb: Array) -> float:
            halve = self.symmetric and a is b
            result = 0.0
            for i in range(0, len(a), block):
                rows = slice(i, i + block)
                for j in range(i if halve else 0, len(b), block):
                    cols = slice(j, j + block)
                    shape = len(a[rows]), len(b[cols])
                    tile = buffer[: shape[0] * shape[1]].reshape(shape)
                    np.matmul(a[rows], b[cols].T, out=tile)
                    tile -= ha[rows, None]
                    tile -= hb[cols]
                    np.exp(tile, out=tile)
                    result += float(tile.sum()) * (2 if halve and j > i else 1)
            return result - (len(a) if a is b else 0)

        return unbiased(total(x, hx, x, hx), total(y, hy, y, hy), total(x, hx, y, hy), n, m)


def numpy_whole(x: Array, y: Array, sigma: float) -> float:
    """Compute without blocks, for small samples."""

    def total(a: Array, b: Array) -> float:
        d2 = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
        return float(np.exp(d2 * (-0.5 / sigma**2)).sum())

    n, m = len(x), len(y)
    return unbiased(total(x, x) - n, total(y, y) - m, total(x, y), n, m)


def torch_cdist(x: Array, y: Array, sigma: float) -> float:
    import torch

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * sigma**2))

    a, b = torch.from_numpy(x), torch.from_numpy(y)
    n, m = len(a), len(b)
    kxx, kyy, kxy = kernel(a, a), kernel(b, b), kernel(a, b)
    return float(
        (kxx.sum() - kxx.trace()) / (n * (n - 1))
        + (kyy.sum() - kyy.trace()) / (m * (m - 1))
        - 2 * kxy.mean()
    )


def sklearn_rbf(x: Array, y: Array, sigma: float) -> float:
    from sklearn.metrics.pairwise import rbf_kernel

    gamma = 0.5 / sigma**2

    def total(a: Array, b: Array) -> float:
        kernel = rbf_kernel(a, b, gamma=gamma)
        return float(kernel.sum()) - (float(kernel.trace()) if a is b else 0.0)

    return unbiased(total(x, x), total(y, y), total(x, y), len(x), len(y))


def keops(x: Array, y: Array, sigma: float) -> float:
    from pykeops.numpy import LazyTensor

    def total(a: Array, b: Array) -> float:
        d2 = ((LazyTensor(a[:, None, :]) - LazyTensor(b[None, :, :])) ** 2).sum(-1)
        return float((-d2 * (0.5 / sigma**2)).exp().sum(axis=1).sum(dtype=np.float64))

    n, m = len(x), len(y)
    return unbiased(total(x, x) - n, total(y, y) - m, total(x, y), n, m)


def draw_labels(n: int, total: int, count: int, seed: int, dtype: npt.DTypeLike) -> Array:
    """Return labels (1 + count, total): the observed split, then those `mmd_test` draws."""
    rng = np.random.default_rng(seed)
    labels: Array = np.zeros((1 + count, total), dtype)
    labels[0, :n] = 1
    for row in labels[1:]:
        row[rng.permutation(total)[:n]] = 1
    return labels


def stored_kernel_test(x: Array, y: Array, sigma: float, labels: Array) -> tuple[Array, float]:
    """Return null distribution and p-value from a stored kernel matrix and one product with it."""
    n, m = len(x), len(y)
    z = np.concatenate([x, y]) / x.dtype.type(sigma)
    half = np.einsum("ij,ij->i", z, z) / 2
    kernel = z @ z.T
    kernel -= half[:, None]
    kernel -= half
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0)
    rows = kernel.sum(1, dtype=np.float64)
    product = labels @ kernel
    product *= labels
    q = product.sum(1, dtype=np.float64)
    s = labels @ rows
    values = q / (n * (n - 1)) + (rows.sum() - 2 * s + q) / (m * (m - 1)) - 2 * (s - q) / (n * m)
    null = values[1:]
    return null, (1 + int((null >= values[0]).sum())) / (1 + len(null))


# --- kernel inception distance ------------------------------------------------------------------


def numpy_polynomial_mmd(x: Array, y: Array) -> float:
    def kernel(a: Array, b: Array) -> Array:
        values: Array = (a @ b.T * (1.0 / a.shape[1]) + 1.0) ** 3
        return values

    kxx, kyy, kxy = kernel(x, x), kernel(y, y), kernel(x, y)
    return unbiased(
        float(kxx.sum() - np.trace(kxx)),
        float(kyy.sum() - np.trace(kyy)),
        float(kxy.sum()),
        len(x),
        len(y),
    )


def numpy_kid(x: Array, y: Array, subsets: int, size: int) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    values = [
        numpy_polynomial_mmd(*(z[rng.choice(len(z), size, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def torchmetrics_mmd(x: Array, y: Array) -> float:
    import torch
    from torchmetrics.image.kid import poly_mmd

    return float(poly_mmd(torch.from_numpy(x), torch.from_numpy(y)))


def torchmetrics_kid(x: Array, y: Array, subsets: int, size: int) -> Any:
    """Return the metric's own computation, on features that are there already."""
    import warnings

    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    features = torch.nn.Identity()
    features.num_features = x.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it keeps all features
        metric = KernelInceptionDistance(feature=features, subsets=subsets, subset_size=size)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)

    def call() -> tuple[float, float]:
        metric._computed = None
        mean, std = metric.compute()
        return float(mean), float(std)

    return call


# --- divergences between distributions ----------------------------------------------------------


def torch_full_kl(name: str, mean_p: Array, p: Array, mean_q: Array, q: Array) -> Any:
    import torch
    from torch.distributions import MultivariateNormal, kl_divergence

    key = {"cov": "covariance_matrix"}.get(name, name)
    tensors = [torch.from_numpy(a) for a in (mean_p, p, mean_q, q)]

    def call() -> Any:
        one = MultivariateNormal(tensors[0], **{key: tensors[1]}, validate_args=False)
        two = MultivariateNormal(tensors[2], **{key: tensors[3]}, validate_args=False)
        return kl_divergence(one, two).numpy()

    return call


def torch_bhattacharyya(mean_p: Array, p: Array, mean_q: Array, q: Array) -> Any:
    """Factor both covariances and their mean."""
    import torch

    tensors = [torch.from_numpy(a) for a in (mean_p, p, mean_q, q)]

    def call() -> Any:
        one, cov_p, two, cov_q = tensors
        factors = [torch.linalg.cholesky(c) for c in ((cov_p + cov_q) / 2, cov_p, cov_q)]
        mixed, *logs = (f.diagonal(dim1=-2, dim2=-1).log().sum(-1) for f in factors)
        z = torch.linalg.solve_triangular(factors[0], (one - two)[..., None], upper=False)
        return ((z * z).sum((-2, -1)) / 8 + mixed - (logs[0] + logs[1]) / 2).numpy()

    return call


def torch_wasserstein2(mean_p: Array, p: Array, mean_q: Array, q: Array) -> Any:
    """Take the singular values of L_pᵀ L_q, whatever cancels in the difference of traces."""
    import torch

    tensors = [torch.from_numpy(a) for a in (mean_p, p, mean_q, q)]

    def call() -> Any:
        one, cov_p, two, cov_q = tensors
        l_p, l_q = torch.linalg.cholesky(cov_p), torch.linalg.cholesky(cov_q)
        nuclear = torch.linalg.svdvals(l_p.mT @ l_q).sum(-1)
        traces = (c.diagonal(dim1=-2, dim2=-1).sum(-1) for c in (cov_p, cov_q))
        return (((one - two) ** 2).sum(-1) + sum(traces) - 2 * nuclear).numpy()

    return call


def torch_mixture_cov(weights: Array, means: Array, cov: Array) -> Any:
    import torch

    w, m, c = (torch.from_numpy(a) for a in (weights, means, cov))

    def call() -> Any:
        between = m - (w[..., None] * m).sum(-2, keepdim=True)
        within = (w[..., None, None] * c).sum(-3)
        return (within + between.mT @ (w[..., None] * between)).numpy()

    return call


def torch_diagonal_kl(mean_p: Array, std_p: Array, mean_q: Array, std_q: Array) -> Any:
    import torch
    from torch.distributions import Normal, kl_divergence

    tensors = [torch.from_numpy(a) for a in (mean_p, std_p, mean_q, std_q)]

    def call() -> Any:
        one = Normal(tensors[0], tensors[1], validate_args=False)
        two = Normal(tensors[2], tensors[3], validate_args=False)
        return kl_divergence(one, two).sum(-1).numpy()

    return call


def torch_vae_kl(mean: Array, logvar: Array) -> Any:
    import torch

    m, v = torch.from_numpy(mean), torch.from_numpy(logvar)
    return lambda: (-0.5 * (1 + v - m.square() - v.exp()).sum(-1)).numpy()


def torch_categorical_kl(p: Array, q: Array) -> Any:
    import torch

    a, b = torch.from_numpy(p), torch.from_numpy(q)

    def call() -> Any:
        log_p, log_q = torch.log_softmax(a, -1), torch.log_softmax(b, -1)
        kl_div = torch.nn.functional.kl_div
        return kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1).numpy()

    return call


def torch_diagonal_pairs(mean_p: Array, var_p: Array, mean_q: Array, var_q: Array) -> Any:
    return torch_diagonal_kl(mean_p[:, None], np.sqrt(var_p)[:, None], mean_q, np.sqrt(var_q))


def torch_full_pairs(mean_p: Array, cov_p: Array, mean_q: Array, cov_q: Array) -> Any:
    return torch_full_kl("cov", mean_p[:, None], cov_p[:, None], mean_q, cov_q)


def numpy_diagonal_pairs(mean_p: Array, var_p: Array, mean_q: Array, var_q: Array) -> Array:
    """All in one matrix product, whatever may cancel in it."""
    a = np.concatenate([var_p + mean_p**2, mean_p], axis=1)
    b = np.concatenate([1 / var_q, -2 * mean_q / var_q], axis=1)
    twice = a @ b.T
    twice -= (np.log(var_p).sum(axis=1) + mean_p.shape[1])[:, None]
    twice += (mean_q**2 / var_q + np.log(var_q)).sum(axis=1)
    twice *= 0.5
    return twice


# --- groups of rows -----------------------------------------------------------------------------


def stored_permanova(x: Array, groups: Array, orders: list[Array]) -> Array:
    """Return the pseudo-F of every order: one product of all labels with the squared distances."""
    n, k = len(x), int(groups.max()) + 1
    squares = np.einsum("ij,ij->i", x, x)
    d2 = -2 * x @ x.T
    d2 += squares
    d2 += squares[:, None]
    np.fill_diagonal(d2, 0)
    of_group = (groups == np.arange(k)[:, None]).astype(x.dtype)
    members = np.empty((len(orders), k, n), x.dtype)
    for row, order in zip(members, orders, strict=True):
        row[:, order] = of_group
    flat = members.reshape(-1, n)
    sums = np.einsum("ij,ij->i", flat @ d2, flat).reshape(-1, k)
    within = (sums / (2 * np.bincount(groups))).sum(axis=1)
    total = float(d2.sum()) / (2 * n)
    ratios: Array = (total - within) / (k - 1) / (within / (n - k))
    return ratios


def skbio_permanova(x: Array, groups: Array, resamples: int) -> Any:
    """Compute with the matrix of distances included."""
    from scipy.spatial.distance import pdist, squareform
    from skbio import DistanceMatrix
    from skbio.stats.distance import permanova

    return permanova(DistanceMatrix(squareform(pdist(x))), groups, permutations=resamples)
