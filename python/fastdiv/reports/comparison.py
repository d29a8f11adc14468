"""
Report the comparison of two tables as text and as a JSON object.

`fastdiv.cli.compare` fills in a `Report`, which needs no file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastdiv.reports.lines import labelled, number_of, rows_of
from fastdiv.reports.shifts import FeatureShift
from fastdiv.tables.columns import describe_left_out
from fastdiv.tables.names import printable

if TYPE_CHECKING:
    from fastdiv.mmd.permutation import TwoSampleResult

_FEATURES_SHOWN = 10
_NAME_WIDTH = 48
_HEAD = "what moved most"


@dataclass(frozen=True)
class Samples:
    """
    The samples of a comparison, known before a long run.

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
        """
        Describe the samples, one line each, and their features.

        Examples
        --------
        >>> print(Samples("a.csv", "b.csv", 1200, 1, 3, left_out={"sex": "text"}).to_text())
        reference  a.csv: 1 200 rows
        current    b.csv: 1 row
        features   3
        left out   sex: text
        """
        rule = ", standardised by the mean and standard deviation of the reference"

        def rows(path: str, number: int, omitted: int) -> str:
            return rows_of(path, _count(number, "row"), omitted)

        return labelled(
            ("reference", rows(self.reference, self.n_x, self.omitted_reference)),
            ("current", rows(self.current, self.n_y, self.omitted_current)),
            ("features", str(self.n_features) + (rule if self.standardized else "")),
            *([("left out", describe_left_out(self.left_out))] if self.left_out else []),
        )


@dataclass(frozen=True)
class Report:
    """
    A finished comparison: the test, how it was set up, and the features that moved.

    Attributes
    ----------
    samples : Samples
        The two samples.
    result : TwoSampleResult
        From `fastdiv.mmd_test`.
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
    def pvalue(self) -> float:
        """Return the p-value, which a test with permutations has."""
        assert self.result.pvalue is not None
        return self.result.pvalue

    @property
    def differ(self) -> bool:
        """Return whether the test rejects equality at level `alpha`: p ≤ alpha."""
        return self.pvalue <= self.alpha

    def to_text(self) -> str:
        """Render the report as a table for a person, about 100 characters wide."""
        result = self.result
        sign = "≤" if self.differ else ">"
        verdict = "the samples differ" if self.differ else "no evidence of a difference"
        outcome = labelled(
            ("kernel", describe_kernel(result.kernel, self.bandwidth_rule)),
            ("MMD²", f"{result.statistic:.6g} ({result.estimator})"),
            ("p-value", f"{self.pvalue:.4g} ({self._resampling()})"),
            ("decision", f"p {sign} {self.alpha:g}: {verdict}"),
        )
        return "\n".join([self.samples.to_text(), outcome, "", *self._feature_lines(), ""])

    def to_json(self) -> dict[str, Any]:
        """
        Render the report as an object that `json.dumps` accepts.

        The fields of `TwoSampleResult` keep their names. Numbers that JSON does not have, such as
        infinite shifts, become None.
        """
        result, samples = self.result, self.samples
        kernel = {
            key: list(value) if isinstance(value, tuple | np.ndarray) else value
            for key, value in _fields(result.kernel).items()
        }
        return {
            "statistic": result.statistic,
            "pvalue": self.pvalue,
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


def describe_kernel(kernel: object, bandwidth_rule: str = "") -> str:
    """
    Name a kernel and its parameters in one line. `bandwidth_rule` says how sigma was chosen.

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


def _count(number: int, noun: str) -> str:
    return number_of(number, noun, separator=" ")
