"""Compute the MMD penalty of Wasserstein auto-encoders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack, overload

import numpy as np

from fastdiv import _inputs
from fastdiv._docs import documented
from fastdiv._engine import backend
from fastdiv._engine.progress import reporter
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.types import Sample, Values
from fastdiv.kernels import RBF, InverseMultiquadric, Kernel, Sum
from fastdiv.kernels.parameters import in_range
from fastdiv.mmd.estimate import checked_mmd2
from fastdiv.quantized.bounds import QuantizedEstimate, bounds

if TYPE_CHECKING:
    from fastdiv.mmd.call_options import PenaltyOptions

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Factors s of the kernel "imq", without unit, as in the code published by Tolstikhin et al."""

_WAE_KERNELS = ("imq", "rbf")
_PRIORS = ("normal", "sphere", "uniform")


@overload
def wae_mmd(  # type: ignore[overload-overlap]
    z: QuantizedRows, z_prior: QuantizedRows, **options: Unpack[PenaltyOptions]
) -> QuantizedEstimate: ...
@overload
def wae_mmd(z: object, z_prior: object, **options: Unpack[PenaltyOptions]) -> float: ...


@documented
def wae_mmd(
    z: object, z_prior: object, *, kernel: str = "imq", prior: str = "normal",
    sigma2_p: float = 1.0, n_threads: int | None = None, progress: object = None,
) -> float | QuantizedEstimate:  # fmt: skip
    """
    Compute the MMD penalty of Wasserstein auto-encoders between latents and draws from the prior.

    It is the unbiased `mmd2` with the kernel of `wae_kernel`, and may be negative. The sums over
    distinct pairs within each sample are divided by n(n−1). From these it takes 2/n² times the sum
    over all pairs between the samples. The paper has n draws. With m draws, m(m−1) and 2/(nm) take
    the places of n(n−1) and 2/n².

    Latents of shape (batch, channels, length) are points of d = channels × length dimensions, twice
    as many if complex. A sum of one penalty per channel is something else, and blind to how
    channels depend on each other.

    ``mmd2_and_grad(z, z_prior, wae_kernel(z, z_prior, …))`` gives gradients for a constant
    bandwidth.

    Parameters
    ----------
    z, z_prior : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Latents and draws from the prior, as in `mmd2`, at least two of each.
    kernel, prior, sigma2_p, n_threads
        As in `wae_kernel`.
    progress : bool or callable, optional
        As in `mmd2`.

    Returns
    -------
    float
        MMD², without unit. For ``kernel="imq"`` it is a sum over 7 kernels, not their mean.
        Quantised samples give a `QuantizedEstimate`, as in `mmd2`, and the bandwidth of
        ``kernel="rbf"`` is that of the quantised rows.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or the bandwidth of ``kernel="rbf"`` is zero.

    {References: tolstikhin_2018}
    Algorithm 2, and the code published with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import wae_mmd
    >>> z, z_prior = np.random.default_rng(0).normal(size=(2, 100, 8))
    >>> round(wae_mmd(z, z_prior), 3), round(wae_mmd(z + 1.0, z_prior), 3)
    (-0.012, 0.899)
    """
    report = reporter(progress)
    latents, draws, chosen, threads = _kernel(z, z_prior, kernel, prior, sigma2_p, n_threads)
    value = float(checked_mmd2(latents, draws, [chosen], "distinct", threads, report)[0])
    if isinstance(latents, QuantizedRows) and isinstance(draws, QuantizedRows):
        moved = bounds([chosen], latents, draws, "distinct", None, None)
        return QuantizedEstimate(value, float(moved[0]))
    return value


@documented
def wae_kernel(
    z: object, z_prior: object, *, kernel: str = "imq", prior: str = "normal",
    sigma2_p: float = 1.0, n_threads: int | None = None,
) -> Kernel:  # fmt: skip
    """
    Return the kernel of `wae_mmd` for these latents and draws from the prior.

    - ``"imq"``: Σ C/(C + ‖·‖²) over s = 0.1, 0.2, 0.5, 1, 2, 5, 10, with C = 2 d σ²_p s for a
      normal prior, 2 s on the unit sphere and d s for a uniform one. It depends on d alone.
    - ``"rbf"``: exp(−‖·‖²/(2σ²)), that is `RBF` with bandwidth σ. `prior` and `sigma2_p` are not
      used. σ² is the sum of two squared distances, found exactly in O(n + m) memory. One is the
      n(n−1)/2-th largest of all n² between latents and draws. The other is the n(n−1)/2-th largest
      of all n² between latents, with the n zeros of a latent to itself. With m draws, the former is
      the ⌊n(m−1)/2⌋-th largest of nm.

    Parameters
    ----------
    z, z_prior : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Latents and draws from the prior, as in `wae_mmd`.
    kernel : {"imq", "rbf"}, default "imq"
        See above.
    prior : {"normal", "sphere", "uniform"}, default "normal"
        Prior from which z_prior was drawn.
    sigma2_p : float, default 1.0
        σ²_p > 0, the variance of each coordinate of a normal prior, in squared units of z.
    {n_threads}

    Returns
    -------
    Kernel
        Kernel whose parameters are numbers, which no longer change with z.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or the bandwidth of ``kernel="rbf"`` is zero.
    OverflowError
        If squared distances are too large for float64.

    {References: tolstikhin_2018}

    Examples
    --------
    >>> from fastdiv import wae_kernel
    >>> wae_kernel([[0.0], [1.0]], [[2.0], [3.0]], kernel="rbf")  # σ² = 9 + 1
    RBF(bandwidth=3.1622776601683795)
    >>> wae_kernel([[0.0], [1.0]], [[2.0], [3.0]]).kernels[0]
    InverseMultiquadric(c=0.2)
    """
    return _kernel(z, z_prior, kernel, prior, sigma2_p, n_threads)[2]


def _kernel(
    z: object,
    z_prior: object,
    kernel: object,
    prior: object,
    sigma2_p: object,
    n_threads: int | None,
) -> tuple[Sample, Sample, Kernel, int]:
    """Check all arguments. Return the latents, the draws, their kernel and the threads."""
    form = _inputs.choice(kernel, _WAE_KERNELS, "kernel")
    name = _inputs.choice(prior, _PRIORS, "prior")
    variance = _inputs.positive(sigma2_p, "sigma2_p")
    latents, draws = _inputs.samples(z, z_prior, _inputs.ALWAYS_RAISE, "unbiased", ("z", "z_prior"))
    threads = _inputs.threads(n_threads)
    if form == "rbf":
        bandwidth = float(wae_bandwidths(latents, draws, 1, threads)[0])
        return latents, draws, RBF(bandwidth), threads
    d = latents.shape[1]
    base = {"normal": 2.0 * d * variance, "sphere": 2.0, "uniform": float(d)}[name]
    with np.errstate(over="ignore"):
        constants = in_range(base * np.array(_SCALES), sigma2_p, "sigma2_p")
    kernels = Sum([InverseMultiquadric(c) for c in constants.tolist()])
    return latents, draws, kernels, threads


def wae_bandwidths(latents: Sample, draws: Sample, items: int, n_threads: int) -> Values:
    """Return the bandwidth of ``wae_kernel(kernel="rbf")`` for each item of a stack."""
    n, m = len(latents) // items, len(draws) // items
    ranked = partial(backend.current().ranked_distances, latents)
    # Among the n² distances between latents every pair comes twice, and the n zeros come last.
    within = ranked(None, items, "euclidean", n * (n - 1) // 4, n_threads, None)
    rank = n * m - n * (m - 1) // 2
    between = ranked(draws, items, "euclidean", rank, n_threads, None)
    with np.errstate(over="ignore"):
        squares = within**2 + between**2
    if not np.isfinite(squares).all():
        raise OverflowError("squared distances overflow; scale the data")
    if not squares.all():
        raise ValueError(
            "the bandwidth of kernel='rbf' is zero: half of the codes are equal to each other "
            "and to the draws; pass kernel='imq'"
        )
    bandwidths: Values = np.sqrt(squares)
    return bandwidths
