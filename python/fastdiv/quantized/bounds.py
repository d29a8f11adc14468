"""
Bound the change of an MMD² by quantisation, from the scales of the rows in O(n).

Quantisation moved every entry of row i by at most sᵢ/2. The row moved by at most δᵢ = sᵢ√d/2 in the
Euclidean norm and sᵢd/2 in the L1 norm. For every kernel, |k(x, y) − k(x̂, ŷ)| is then at most a
bilinear form a(x̂)ᵀ M a(ŷ) of a few numbers a per row. Its mean over all pairs needs only sums of a.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fastdiv._engine.quantized_rows import QuantizedRows
from fastdiv._engine.results import Result
from fastdiv._engine.types import Pairs, Values
from fastdiv._sums import pair_means
from fastdiv.kernels import Callback, Kernel
from fastdiv.kernels.base import STEEPEST, Term
from fastdiv.quantized.norms import norms

_ROUNDING = 1 + 1e-9
"""Factor that covers the rounding of the sums here, and of x/s before it became an integer."""


@dataclass(frozen=True, eq=False)
class QuantizedEstimate(Result):
    """
    A statistic of quantised samples, and a bound of its change by quantisation.

    Attributes
    ----------
    value : float, or ndarray of float64
        Statistic of the quantised rows. If it is one number, ``float(estimate)`` returns it and
        ``f"{estimate:.3f}"`` prints it.
    bound : float, or ndarray of float64
        Largest distance of the value to the statistic of the rows before quantisation. It holds if
        no entry of a row was moved by more than half its scale, as `quantize_rows` promises. It
        does not cover the rounding of the computation itself. Infinite for a `Callback`.

    Examples
    --------
    >>> from fastdiv import RBF, QuantizedEstimate, mmd2, quantize_rows
    >>> x, y = [[0.0, 0.1], [1.0, 0.2]], [[2.0, 1.1], [3.0, 1.0]]
    >>> estimate = mmd2(quantize_rows(x), quantize_rows(y), RBF(1.0))
    >>> isinstance(estimate, QuantizedEstimate)
    True
    >>> abs(mmd2(x, y, RBF(1.0)) - float(estimate)) <= estimate.bound
    True
    >>> f"{estimate:.2f}"
    '0.91'
    """

    value: float | Values
    bound: float | Values

    def __float__(self) -> float:
        if np.ndim(self.value) > 0:
            raise TypeError(
                f"the estimate holds {np.size(self.value)} values, one per kernel; take one of "
                "its .value"
            )
        return float(self.value)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)


def bounds(
    kernels: Sequence[Kernel],
    x: QuantizedRows,
    y: QuantizedRows,
    pairs: Pairs,
    x_weights: Values | None,
    y_weights: Values | None,
) -> Values:
    """Bound the change of MMD² by quantisation, for each kernel."""
    u = np.ones(len(x)) if x_weights is None else x_weights
    v = np.ones(len(y)) if y_weights is None else y_weights
    counts = pair_means.counts(u, v, pairs)

    def part_bounds(kernel: Kernel) -> Iterator[float]:
        for weight, part in kernel._parts():
            if isinstance(part, Callback):
                yield math.inf
                continue
            term = part._term()
            x_factors = _row_factors(term, x) * u[:, None]
            y_factors = _row_factors(term, y) * v[:, None]
            yield abs(weight * term.factor) * _bound(term, x_factors, y_factors, pairs, counts)

    with np.errstate(over="ignore", invalid="ignore"):
        totals = np.array([sum(part_bounds(kernel)) for kernel in kernels])
    return np.where(np.isnan(totals), np.inf, _ROUNDING * totals)


def biased_rbf_bound(
    value: float, samples: Iterable[QuantizedRows], sigma: float, unit: bool
) -> float:
    """
    Bound the change by quantisation of a biased MMD² of `RBF` that is far below 1.

    MMD is a distance between the means of x and y in feature space. It moves by at most ε, the sum
    of the mean distances √(2 − 2k(x, x̂)) by which the rows moved there. So MMD² moves by at most
    ε (2 MMD + ε), which is less than `bounds` gives without looking at MMD.

    With `unit` the rows are divided by their lengths, which must not be 0. A row x̂ that is at most
    δ away from x then moves by at most 2δ/(‖x‖ + ‖x̂‖), and by at most 2 (C. F. Dunkl, K. S.
    Williams, "A simple norm inequality", Am. Math. Mon. 71 (1964) 53–54).
    """
    epsilon = 0.0
    for x in samples:
        moved = 0.5 * math.sqrt(x.shape[1]) * x.scale.astype(np.float64)
        if unit:
            least = 2.0 * norms(x) - moved  # the least ‖x‖ + ‖x̂‖
            moved = np.where(least > moved, 2.0 * moved / np.where(least > moved, least, 1.0), 2.0)
        epsilon += float(np.sqrt(-2.0 * np.expm1(-0.5 * (moved / sigma) ** 2)).mean())
    return _ROUNDING * epsilon * (2.0 * math.sqrt(max(value, 0.0)) + epsilon)


def _bound(term: Term, x_factors: Values, y_factors: Values, pairs: Pairs, counts: Values) -> float:
    """Bound the change of MMD² of one term."""
    form = _form(term)
    most = 1.0 if term.name in STEEPEST else math.inf
    # k(x, x) of a distance does not move.
    within = _all_pairs if pairs == "all" and term.base == "dot" else _distinct_pairs
    sums = [within(a, form, a) for a in (x_factors, y_factors)]
    among = _distinct_pairs if pairs == "off_diagonal" else _all_pairs
    between = among(x_factors, form, y_factors)
    xx, yy, xy = map(float, counts)
    return sum(
        min(total / count, most)
        for total, count in zip((*sums, between, between), (xx, yy, xy, xy), strict=True)
    )


def _all_pairs(a: Values, form: Values, b: Values) -> float:
    """Sum the bilinear form over all pairs."""
    return float(a.sum(axis=0) @ form @ b.sum(axis=0))


def _distinct_pairs(a: Values, form: Values, b: Values) -> float:
    """Sum the bilinear form over the pairs (i, j) with i ≠ j."""
    total = b.sum(axis=0)
    others = total - b
    # Beside a row that outweighs all others, the difference would be rounding.
    heaviest = b.argmax(axis=0)
    for column in np.flatnonzero(2 * b.max(axis=0) > total):
        row = heaviest[column]
        others[row, column] = b[:row, column].sum() + b[row + 1 :, column].sum()
    return float(((a @ form) * others).sum())


def _form(term: Term) -> Values:
    """Return the matrix M of the bilinear form, for the `_row_factors`."""
    if term.base == "dot":
        degree, gamma, coef0 = _polynomial(term)
        k = np.arange(1, degree + 1)
        choose = np.array([float(math.comb(degree, power)) for power in k])
        coefficients = choose * np.float64(gamma) ** k * np.float64(coef0) ** (degree - k)
        return np.diag(np.concatenate((coefficients, -coefficients)))
    if term.name == "energy":
        (exponent,) = term.params
        return np.fliplr(np.eye(2)) if exponent <= 1 else exponent * np.fliplr(np.eye(4))
    return STEEPEST[term.name](*term.params) * np.fliplr(np.eye(2))


def _row_factors(term: Term, x: QuantizedRows) -> Values:
    """Return the numbers a of each row of x, which may have moved by δ and has the norm ĥ now."""
    d = x.shape[1]
    half = 0.5 * x.scale.astype(np.float64)
    scale = np.ones(d) if term.scale is None else np.array(term.scale)
    moved = half * (d if term.base == "l1" else math.sqrt(float(np.square(scale).sum())))
    one = np.ones(len(x))
    if term.base == "dot":
        # (x·y)^k moves by at most (hᵢhⱼ)^k − (ĥᵢĥⱼ)^k, with h = ĥ + δ.
        powers = np.arange(1, _polynomial(term)[0] + 1)
        norm = norms(x)[:, None]
        return np.hstack(((norm + moved[:, None]) ** powers, norm**powers))
    if term.name == "energy":
        (exponent,) = term.params
        if exponent > 1:
            # r^β moves by at most β max(r, r̂)^(β−1) (δᵢ + δⱼ). Both distances are at most hᵢ + hⱼ,
            # whose power is at most the sum of powers.
            power = (norms(x) + moved) ** (exponent - 1)
            return np.column_stack((one, moved, power, moved * power))
        # r^β moves by at most (δᵢ + δⱼ)^β ≤ δᵢ^β + δⱼ^β.
        return np.column_stack((one, moved**exponent))
    # A kernel of r moves by at most its largest slope times δᵢ + δⱼ.
    return np.column_stack((one, moved))


def _polynomial(term: Term) -> tuple[int, float, float]:
    """Return degree, gamma and coef0 of a kernel of an inner product."""
    if term.name == "linear":
        return 1, 1.0, 0.0
    degree, gamma, coef0 = term.params
    return int(degree), gamma, coef0
