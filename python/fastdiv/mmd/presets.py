"""Published variants of MMD, by the names of their papers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, overload

import numpy as np

from fastdiv import _inputs
from fastdiv._engine import backend
from fastdiv._engine.backend import Matrix, Sample, Values
from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv.kernels import RBF, InverseMultiquadric, Kernel, Sum, Term
from fastdiv.mmd.estimate import mmd2
from fastdiv.quantized import bounds
from fastdiv.quantized.quantize import QuantizedEstimate, norms

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_WAE_KERNELS = ("imq", "rbf")
_CMMD_BANDWIDTH = 10.0
_PRIORS = ("normal", "sphere", "uniform")


@overload
def wae_mmd(  # type: ignore[overload-overlap]
    z: QuantizedRows,
    z_prior: QuantizedRows,
    *,
    kernel: str = ...,
    prior: str = ...,
    sigma2_p: float = ...,
    n_threads: int | None = ...,
    progress: object = ...,
) -> QuantizedEstimate: ...
@overload
def wae_mmd(
    z: object,
    z_prior: object,
    *,
    kernel: str = ...,
    prior: str = ...,
    sigma2_p: float = ...,
    n_threads: int | None = ...,
    progress: object = ...,
) -> float: ...


def wae_mmd(
    z: object,
    z_prior: object,
    *,
    kernel: str = "imq",
    prior: str = "normal",
    sigma2_p: float = 1.0,
    n_threads: int | None = None,
    progress: object = None,
) -> float | QuantizedEstimate:
    """
    Compute the MMD penalty of Wasserstein auto-encoders between codes and draws of the prior.

    It is the unbiased `mmd2` of the kernel that `wae_kernel` returns: sums over distinct pairs
    within each sample, divided by n(n−1), less 2/n² times the sum over all pairs between them. It
    may be negative. The paper has as many draws as codes; other numbers are accepted, with m(m−1)
    and 2/(nm) in their places.

    d is the size of one code, all its axes together: codes of shape (batch, channels, length) are
    points of channels × length dimensions, twice as many if complex. Taking one penalty per channel
    and adding them up is something else, blind to how channels depend on each other.

    For gradients take ``mmd2_and_grad(z, z_prior, wae_kernel(z, z_prior, …))``, which holds the
    bandwidth constant.

    Parameters
    ----------
    z, z_prior : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Codes, and draws of the prior, as in `mmd2`; at least two of each. float32 stays float32.
    kernel, prior, sigma2_p
        As in `wae_kernel`.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.
    progress : bool or callable, optional
        As in `mmd2`.

    Returns
    -------
    float
        MMD², without unit. For ``kernel="imq"`` it is a sum over 7 kernels, not their mean. For
        quantised samples a `QuantizedEstimate`, as in `mmd2`; the bandwidth of ``kernel="rbf"`` is
        that of the quantised rows.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the bandwidth of ``kernel="rbf"`` is zero.

    References
    ----------
    I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf, "Wasserstein auto-encoders", ICLR (2018),
    algorithm 2, and the code published with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import wae_mmd
    >>> z, z_prior = np.random.default_rng(0).normal(size=(2, 100, 8))
    >>> round(wae_mmd(z, z_prior), 3), round(wae_mmd(z + 1.0, z_prior), 3)
    (-0.012, 0.899)
    """
    codes, draws = _inputs.samples(z, z_prior, _inputs.ALWAYS_RAISE, "unbiased", ("z", "z_prior"))
    chosen = wae_kernel(
        codes, draws, kernel=kernel, prior=prior, sigma2_p=sigma2_p, n_threads=n_threads
    )
    return mmd2(codes, draws, chosen, n_threads=n_threads, progress=progress)


def wae_kernel(
    z: object,
    z_prior: object,
    *,
    kernel: str = "imq",
    prior: str = "normal",
    sigma2_p: float = 1.0,
    n_threads: int | None = None,
) -> Kernel:
    """
    Return the kernel of `wae_mmd` for these codes and draws of the prior.

    - ``"imq"``: Σ C/(C + ‖·‖²) over s = 0.1, 0.2, 0.5, 1, 2, 5, 10, with C = 2 d σ²_p s for a
      normal prior, 2 s on the unit sphere and d s for a uniform one. It depends on d alone.
    - ``"rbf"``: exp(−‖·‖²/(2σ²)), that is `RBF` of bandwidth σ. σ² is the sum of two order
      statistics of squared distances: the n(n−1)/2-th largest of all n² from a code to a draw, and
      the n(n−1)/2-th largest of all n² from a code to a code, the n zeros of a code to itself
      included. (If there are m ≠ n draws, the ⌊n(m−1)/2⌋-th largest of nm in the former.) They
      are found exactly, in O(n + m) memory. `prior` and `sigma2_p` have no part in it.

    Parameters
    ----------
    z, z_prior : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Codes, and draws of the prior, as in `wae_mmd`.
    kernel : {"imq", "rbf"}, default "imq"
        See above.
    prior : {"normal", "sphere", "uniform"}, default "normal"
        The prior z_prior was drawn from.
    sigma2_p : float, default 1.0
        σ²_p > 0, the variance of each coordinate of a normal prior, in squared units of z.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.

    Returns
    -------
    Kernel
        In numbers: it does not change with z any more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the bandwidth of ``kernel="rbf"`` is zero.
    OverflowError
        If squared distances are too large for float64.

    References
    ----------
    As for `wae_mmd`.

    Examples
    --------
    >>> from fastdiv import wae_kernel
    >>> wae_kernel([[0.0], [1.0]], [[2.0], [3.0]], kernel="rbf")  # σ² = 9 + 1
    RBF(bandwidth=3.1622776601683795)
    >>> wae_kernel([[0.0], [1.0]], [[2.0], [3.0]]).kernels[0]
    InverseMultiquadric(c=0.2)
    """
    form = _inputs.choice(kernel, _WAE_KERNELS, "kernel")
    name = _inputs.choice(prior, _PRIORS, "prior")
    variance = _inputs.positive(sigma2_p, "sigma2_p")
    codes, draws = _inputs.samples(z, z_prior, _inputs.ALWAYS_RAISE, "unbiased", ("z", "z_prior"))
    threads = _inputs.threads(n_threads)
    if form == "rbf":
        return RBF(float(wae_bandwidths(codes, draws, 1, threads)[0]))
    d = codes.shape[1]
    base = {"normal": 2.0 * d * variance, "sphere": 2.0, "uniform": float(d)}[name]
    return Sum([InverseMultiquadric(base * scale) for scale in _SCALES])


@overload
def cmmd(  # type: ignore[overload-overlap]
    x: QuantizedRows,
    y: QuantizedRows,
    *,
    normalize: bool = ...,
    nan_policy: str = ...,
    n_threads: int | None = ...,
    progress: object = ...,
) -> QuantizedEstimate: ...
@overload
def cmmd(
    x: object,
    y: object,
    *,
    normalize: bool = ...,
    nan_policy: str = ...,
    n_threads: int | None = ...,
    progress: object = ...,
) -> float: ...


def cmmd(
    x: object,
    y: object,
    *,
    normalize: bool = False,
    nan_policy: str = "raise",
    n_threads: int | None = None,
    progress: object = None,
) -> float | QuantizedEstimate:
    """
    Compute CMMD between two sets of CLIP embeddings: 1000 times the biased MMD² with RBF(10).

    Embeddings of unit length are never more than 2 apart, where the kernel is 0.98: MMD² is a small
    difference of means that are almost 1, of which float32 keeps few digits or none. MMD² does not
    change when a constant is taken off the kernel; so exp(−‖x−y‖²/200) − 1 is averaged, evaluated
    as expm1. In float32, which quantised embeddings are computed in too, a CMMD is good to about
    1e-6, in float64 to 1e-13.

    Parameters
    ----------
    x, y : array_like or QuantizedRows, shapes (n, ...) and (m, ...)
        Embeddings, as in `mmd2`.
    normalize : bool, default False
        Divide every row by its Euclidean length first, as the paper does. False takes the
        embeddings as they are: right if they have unit length already. Quantised rows get other
        scales.
    nan_policy : {"raise", "omit"}, default "raise"
        As in `mmd2`.
    n_threads : int, optional
        Number of threads; see `set_num_threads`.
    progress : bool or callable, optional
        As in `mmd2`.

    Returns
    -------
    float
        CMMD, without unit; never negative up to rounding. For quantised samples a
        `QuantizedEstimate`: the CMMD of the embeddings before quantisation, normalised alike, is
        within the bound of the value.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a row to normalise is zero.

    References
    ----------
    S. Jayasumana et al., "Rethinking FID: towards a better evaluation metric for image generation",
    CVPR (2024), section 4, and the code published with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdiv import cmmd
    >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 16))
    >>> round(cmmd(x, y, normalize=True), 4), round(cmmd(x, y + 1.0, normalize=True), 4)
    (0.1313, 5.667)
    """
    unit = _inputs.flag(normalize, "normalize")
    a, b = _inputs.samples(x, y, nan_policy)
    u, v = (_unit_rows(a, "x"), _unit_rows(b, "y")) if unit else (a, b)
    kernel = RBFLessOne(_CMMD_BANDWIDTH)
    options: dict[str, Any] = {"estimator": "biased", "n_threads": n_threads, "progress": progress}
    value = float(mmd2(u, v, kernel, **options))
    if isinstance(a, QuantizedRows) and isinstance(b, QuantizedRows):
        bound = bounds.biased_rbf_bound(value, (a, b), _CMMD_BANDWIDTH, unit)
        return QuantizedEstimate(1000.0 * value, 1000.0 * bound)
    return 1000.0 * value


@dataclass(frozen=True)
class RBFLessOne(Kernel):
    """exp(−‖x − y‖²/(2σ²)) − 1, whose MMD is that of `RBF`."""

    bandwidth: float

    formulas: ClassVar = {"rbf_less_one": lambda sq, sigma: np.expm1(-sq / (2.0 * sigma**2))}
    slopes: ClassVar = {"rbf_less_one": RBF.slopes["rbf"]}

    def _term(self) -> Term:
        return Term("sqdist", "rbf_less_one", (self.bandwidth,))


def wae_bandwidths(codes: Sample, draws: Sample, items: int, n_threads: int) -> Values:
    """
    Find the bandwidths of ``wae_kernel(kernel="rbf")`` for stacks of codes and draws.

    Parameters
    ----------
    codes, draws : ndarray, shapes (items n, d) and (items m, d); or QuantizedRows
        Checked samples, item after item.
    items : int
        1 if quantised.
    n_threads : int
        0 is the default.

    Returns
    -------
    ndarray of float64, shape (items,)
        σ.

    Raises
    ------
    ValueError, OverflowError
        If one of them is zero, or squared distances overflow.
    """
    n, m = len(codes) // items, len(draws) // items
    ranked = partial(backend.current().ranked_distances, codes)
    # Of the n² from code to code, every pair comes twice, and after all of them the n zeros.
    of_codes = ranked(None, items, "euclidean", n * (n - 1) // 4, n_threads, None)
    rank = n * m - n * (m - 1) // 2
    of_draws = ranked(draws, items, "euclidean", rank, n_threads, None)
    with np.errstate(over="ignore"):
        squares = of_codes**2 + of_draws**2
    if not np.isfinite(squares).all():
        raise OverflowError("squared distances overflow; scale the data")
    if not squares.all():
        raise ValueError(
            "the bandwidth of kernel='rbf' is zero: half of the codes are equal to each other "
            "and to the draws; pass kernel='imq'"
        )
    bandwidths: Values = np.sqrt(squares)
    return bandwidths


def _unit_rows(a: Sample, name: str) -> Sample:
    """Return the rows over their lengths, of which quantised ones keep their integers."""
    if isinstance(a, QuantizedRows):
        integers = replace(a, scale=np.ones_like(a.scale))
        lengths = norms(integers)
        _require_lengths(lengths, name)
        return replace(a, scale=(1.0 / lengths).astype(np.float32))
    largest = np.abs(a).max(axis=1, keepdims=True)
    _require_lengths(largest, name)
    unit: Matrix = a / largest  # whose squares neither overflow nor vanish
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def _require_lengths(lengths: Values, name: str) -> None:
    if not lengths.all():
        row = int(lengths.argmin())
        raise ValueError(f"{name} must have no zero row for normalize=True; got one at row {row}")
