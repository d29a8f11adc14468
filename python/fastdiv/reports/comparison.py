"""What a comparison of two tables found: per-feature shifts, a text and a JSON object.

`_cli_compare` fills in a `Report`; everything here works on plain NumPy arrays and needs no file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastdiv.tables.columns import describe_left_out
from fastdiv.tables.names import printable
from fastdiv.tables.table import data_blocks

if TYPE_CHECKING:
    from fastdiv.mmd.permutation import TwoSampleResult

Matrix = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

_FEATURES_SHOWN = 10
_NAME_WIDTH = 48
_HEAD = "what moved most"
_COLUMNS_PER_BLOCK = 32


@dataclass(frozen=True)
class FeatureShift:
    """How far one feature moved from the reference to the current sample.

    Attributes
    ----------
    name : str
        The feature.
    reference_mean, current_mean : float
        Means, in the units of the data.
    shift : float
        Standardised mean difference, (current mean - reference mean) / sqrt((s_r² + s_c²) / 2),
        with s the standard deviations (ddof = 1) of the two samples; infinite if both are constant
        and differ.
    ks : float
        Two-sample Kolmogorov-Smirnov distance, the largest gap between the two empirical
        distribution functions: 0 for equal, 1 for disjoint samples. Unlike `shift` it also sees
        changes of spread and shape.
    """

    name: str
    reference_mean: float
    current_mean: float
    shift: float
    ks: float


@dataclass(frozen=True)
class Samples:
    """What is compared: known, and worth saying, before a long run.

    Attributes
    ----------
    reference, current : str
        Names of the two samples.
    n_x, n_y : int
        Their rows, without those dropped.
    n_features : int
        Columns compared.
    standardized : bool
        Whether the features are scaled by the mean and standard deviation of the reference.
    left_out : mapping of str to str
        Columns that are not compared, and why.
    omitted_reference, omitted_current : int
        Rows dropped because of missing values.
    """

    reference: str
    current: str
    n_x: int
    n_y: int
    n_features: int
    standardized: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    omitted_reference: int = 0
    omitted_current: int = 0

    def to_text(self) -> str:
        """Describe the samples, one line each, and their features.

        Returns
        -------
        str
            Lines of text without an ending newline.

        Examples
        --------
        >>> print(Samples("a.csv", "b.csv", 1200, 1, 3, left_out={"sex": "text"}).to_text())
        reference  a.csv: 1 200 rows
        current    b.csv: 1 row
        features   3
        left out   sex: text
        """
        rule = ", standardised by the mean and standard deviation of the reference"
        return _labelled(
            ("reference", _sample(self.reference, self.n_x, self.omitted_reference)),
            ("current", _sample(self.current, self.n_y, self.omitted_current)),
            ("features", str(self.n_features) + (rule if self.standardized else "")),
            *([("left out", describe_left_out(self.left_out))] if self.left_out else []),
        )


@dataclass(frozen=True)
class Report:
    """A finished comparison: the test, how it was set up, and the features that moved.

    Attributes
    ----------
    samples : Samples
        What was compared.
    result : TwoSampleResult
        What `fastdiv.mmd_test` returned.
    features : tuple of FeatureShift
        One per feature, the largest `ks` first.
    alpha : float
        Level of the decision.
    seed : int
        Seed of the permutations.
    bandwidth_rule : str
        "median" if the bandwidth was chosen from the data, "" otherwise.
    """

    samples: Samples
    result: TwoSampleResult
    features: tuple[FeatureShift, ...]
    alpha: float
    seed: int
    bandwidth_rule: str = ""

    @property
    def differ(self) -> bool:
        """Whether the test rejects equality at level `alpha`: p ≤ alpha."""
        return self.result.pvalue <= self.alpha

    def to_text(self) -> str:
        """Render the report as a table for a person.

        Returns
        -------
        str
            Lines of text, at most about 100 characters wide, ending with a newline.
        """
        result = self.result
        sign = "≤" if self.differ else ">"
        verdict = "the samples differ" if self.differ else "no evidence of a difference"
        outcome = _labelled(
            ("kernel", describe_kernel(result.kernel, self.bandwidth_rule)),
            ("MMD²", f"{result.statistic:.6g} ({result.estimator})"),
            ("p-value", f"{result.pvalue:.4g} ({self._resampling()})"),
            ("decision", f"p {sign} {self.alpha:g}: {verdict}"),
        )
        return "\n".join([self.samples.to_text(), outcome, "", *self._feature_lines(), ""])

    def to_json(self) -> dict[str, Any]:
        """Render the report as an object that `json.dumps` accepts.

        Returns
        -------
        dict
            The fields of `TwoSampleResult` under their own names (`kernel` as an object,
            `null_distribution` as a list), then the set-up and `features`. Numbers that JSON does
            not have (infinite shifts) become None.
        """
        result, samples = self.result, self.samples
        kernel = {
            key: list(value) if isinstance(value, tuple | np.ndarray) else value
            for key, value in _fields(result.kernel).items()
        }
        return {
            "statistic": result.statistic,
            "pvalue": result.pvalue,
            "alpha": self.alpha,
            "reject": bool(self.differ),
            "n_x": result.n_x,
            "n_y": result.n_y,
            "kernel": {"name": type(result.kernel).__name__, **kernel},
            "estimator": result.estimator,
            "n_resamples": result.n_resamples,
            "seed": self.seed,
            "reference": samples.reference,
            "current": samples.current,
            "standardized": samples.standardized,
            "omitted_reference": samples.omitted_reference,
            "omitted_current": samples.omitted_current,
            "left_out": dict(samples.left_out),
            "features": [
                {
                    key: value if isinstance(value, str) or math.isfinite(value) else None
                    for key, value in dataclasses.asdict(feature).items()
                }
                for feature in self.features
            ],
            "null_distribution": [float(value) for value in result.null_distribution],
        }

    def _resampling(self) -> str:
        return f"{_count(self.result.n_resamples, 'permutation')}, seed {self.seed}"

    def _feature_lines(self) -> list[str]:
        shown = self.features[:_FEATURES_SHOWN]
        names = [printable(feature.name, _NAME_WIDTH) for feature in shown]
        width = max(map(len, [_HEAD, *names]))
        head = f"{_HEAD:<{width}}  {'reference':>11}  {'current':>11}  {'shift':>9}  {'KS':>4}"
        lines = [
            f"{name:<{width}}  {feature.reference_mean:>11.5g}  {feature.current_mean:>11.5g}  "
            f"{feature.shift:>+6.2f} SD  {feature.ks:.2f}"
            for name, feature in zip(names, shown, strict=True)
        ]
        more = len(self.features) - len(shown)
        return [
            head,
            *lines,
            *([f"and {more} more"] if more else []),
            "",
            "Columns: means; shift = difference of means / root mean square of the two standard",
            "deviations; KS = largest gap between the two distribution functions (0 to 1).",
        ]


@np.errstate(divide="ignore", invalid="ignore")
def feature_shifts(
    reference: Matrix, current: Matrix, names: Sequence[str]
) -> tuple[FeatureShift, ...]:
    """Measure each feature by itself: difference of means and Kolmogorov-Smirnov distance.

    These describe; they are not tests, and no correction for looking at many features is needed
    or made.

    Parameters
    ----------
    reference : ndarray of shape (n, d)
        Reference sample, finite.
    current : ndarray of shape (m, d)
        Current sample, finite.
    names : sequence of str
        Names of the d features.

    Returns
    -------
    tuple of FeatureShift
        One per feature, the largest Kolmogorov-Smirnov distance first, then the largest absolute
        shift.

    Notes
    -----
    O((n + m) log(n + m)) per feature. The standardised difference is the one of balance
    diagnostics [1]_.

    References
    ----------
    .. [1] P. C. Austin, "Balance diagnostics for comparing the distribution of baseline covariates
       between treatment groups in propensity-score matched samples", Statistics in Medicine 28
       (2009) 3083-3107.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    >>> y = x + [0.0, 2.0]
    >>> for feature in feature_shifts(x, y, ["a", "b"]):
    ...     print(f"{feature.name}: {feature.shift:+.2f} SD, KS {feature.ks:.2f}")
    b: +2.00 SD, KS 0.67
    a: +0.00 SD, KS 0.00
    """
    unit = _units(reference, current)
    mean_x, sd_x = _moments(reference, unit)
    mean_y, sd_y = _moments(current, unit)
    gap = mean_y - mean_x
    spread = np.sqrt((np.square(sd_x) + np.square(sd_y)) / 2)
    shift = np.where(gap == 0, 0.0, gap / spread)
    ks = np.concatenate(
        [
            _ks_distances(
                reference[:, start : start + _COLUMNS_PER_BLOCK],
                current[:, start : start + _COLUMNS_PER_BLOCK],
            )
            for start in range(0, len(names), _COLUMNS_PER_BLOCK)
        ]
    )
    mean_x, mean_y = mean_x * unit, mean_y * unit
    order = np.lexsort((-np.abs(shift), -ks))
    return tuple(
        FeatureShift(names[j], float(mean_x[j]), float(mean_y[j]), float(shift[j]), float(ks[j]))
        for j in order
    )


def mean_and_sd(x: Matrix) -> tuple[Vector, Vector]:
    """Mean and standard deviation (ddof = 1) of each column, in two passes and float64.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        The data, finite; read in blocks of rows, so it may be memory-mapped.

    Returns
    -------
    mean, sd : ndarray of shape (d,), float64
        A column whose values are all equal has sd exactly 0; so has every column if n = 1.
        A standard deviation too large for float64 is infinite.

    Examples
    --------
    >>> mean_and_sd(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1.41421356, 0.        ]))
    """
    unit = _units(x)
    mean, sd = _moments(x, unit)
    with np.errstate(over="ignore"):
        return mean * unit, sd * unit


def _units(*samples: Matrix) -> Vector:
    """Return for each column a power of two such that no value divided by it exceeds 2."""
    peak = np.zeros(samples[0].shape[1])
    for block in (block for x in samples for block in data_blocks(x)):
        np.maximum(peak, np.abs(block.astype(np.float64)).max(axis=0), out=peak)
    unit: Vector = np.ldexp(np.ones_like(peak), np.frexp(peak)[1] - 1)
    return unit


def _moments(x: Matrix, unit: Vector) -> tuple[Vector, Vector]:
    """Mean and standard deviation of the columns in these units."""
    first = x[:1] / unit
    offset = sum((block / unit - first).sum(axis=0) for block in data_blocks(x)) / len(x)
    squares = sum(np.square(block / unit - first - offset).sum(axis=0) for block in data_blocks(x))
    return first[0] + offset, np.sqrt(squares / max(len(x) - 1, 1))


def describe_kernel(kernel: object, bandwidth_rule: str = "") -> str:
    """Name a kernel and its parameters in one line.

    Parameters
    ----------
    kernel : object
        A kernel dataclass.
    bandwidth_rule : str
        Where the bandwidth came from, for example "median".

    Returns
    -------
    str
        For example ``"RBF, bandwidth 2.31 (median)"``.

    Examples
    --------
    >>> import fastdiv
    >>> describe_kernel(fastdiv.RBF(2.0), "median")
    'RBF, bandwidth 2 (median)'
    """
    parts = []
    for name, value in _fields(kernel).items():
        text = f"{value:.6g}" if isinstance(value, int | float) else str(value)
        origin = f" ({bandwidth_rule})" if name == "bandwidth" and bandwidth_rule else ""
        parts.append(f"{name} {text}{origin}")
    return ", ".join([type(kernel).__name__, *parts])


def _fields(kernel: Any) -> dict[str, Any]:
    return {f.name: getattr(kernel, f.name) for f in dataclasses.fields(kernel)}


def _labelled(*rows: tuple[str, str]) -> str:
    return "\n".join(f"{label:<10} {text}" for label, text in rows)


def _sample(name: str, rows: int, omitted: int) -> str:
    note = f" ({omitted} with missing values dropped)" if omitted else ""
    return f"{printable(name)}: {_count(rows, 'row')}{note}"


def _ks_distances(x: Matrix, y: Matrix) -> Vector:
    """Kolmogorov-Smirnov distance of each column."""
    out = np.empty(x.shape[1])
    for j, (a, b) in enumerate(zip(np.sort(x.T), np.sort(y.T), strict=True)):
        at = np.concatenate([a, b])
        below_a = np.searchsorted(a, at, side="right") / len(a)
        below_b = np.searchsorted(b, at, side="right") / len(b)
        out[j] = np.abs(below_a - below_b).max()
    return out


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")
