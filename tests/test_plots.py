"""The picture of a comparison, checked by what it contains."""

import numpy as np
import pytest

from fastdiv import RBF, TwoSampleResult
from fastdiv.reports.comparison import Report, Samples
from fastdiv.reports.shifts import FeatureShift

pytest.importorskip("matplotlib")
from fastdiv import plots

RNG = np.random.default_rng(3)


def report(statistic=3.0, null=None, features=None, pvalue=0.01):
    null = RNG.normal(size=99) if null is None else np.array(null, dtype=float)
    result = TwoSampleResult(statistic, pvalue, null, 9, 8, RBF(1.0), "unbiased", len(null))
    shifts = features or [("a", 0.0, 1.0, 1.0, 0.5), ("b", 0.0, -0.5, -0.5, 0.25)]
    samples = Samples("r", "c", 9, 8, len(shifts))
    return Report(samples, result, tuple(FeatureShift(*shift) for shift in shifts), 0.05, 0)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_null_distribution_and_observed_value():
    left, _ = plots.draw(report()).axes
    assert left.lines[0].get_xdata()[0] == 3.0
    assert texts(left) == ["observed\np = 0.01"]
    assert left.get_title(loc="left") == "The samples differ (level 0.05)"
    assert left.get_xlabel() == "MMD² under 99 permutations"


def test_histogram_holds_every_value():
    null = RNG.normal(size=999)
    for observed in (0.0, 50.0, -50.0):
        left, _ = plots.draw(report(observed, null)).axes
        edges = left.patches[0].get_path().get_extents()
        assert edges.x0 <= null.min() + 1e-9
        assert edges.x1 >= null.max() - 1e-9


def test_features_in_the_order_of_the_report():
    _, right = plots.draw(report()).axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["a", "b"]
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.25]
    assert texts(right) == ["+1.00 SD", "\N{MINUS SIGN}0.50 SD"]
    first, second = right.patches
    assert first.get_facecolor() != second.get_facecolor()


@pytest.mark.parametrize("count", [1, 2, 20, 64])
def test_at_most_twenty_features(count):
    features = [(f"{'long ' * 20}{i}", 0.0, 1.0, 1.0, 0.5) for i in range(count)]
    _, right = plots.draw(report(features=features)).axes
    assert len(right.patches) == min(count, 20)
    assert ("20 of 64" in right.get_title(loc="left")) == (count == 64)
    assert max(len(label.get_text()) for label in right.get_yticklabels()) <= 32


EXTREMES = {
    "one resample": {"null": [0.1]},
    "constant null": {"null": [0.0] * 9, "statistic": 0.0},
    "huge": {"null": RNG.normal(size=999) * 1e12, "statistic": 1e13},
    "tiny": {"null": RNG.normal(size=999) * 1e-12, "statistic": 1.0},
    "no shift": {"features": [("a", 0.0, 0.0, 0.0, 0.0)]},
    "infinite shift": {"features": [("a", 0.0, 1.0, np.inf, 1.0)]},
    "odd names": {"features": [("$x_1 \\frac", 0.0, 1.0, 0.1, 0.2), ("\n名\x1b", 0.0, 1.0, 1, 1)]},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", EXTREMES)
def test_extremes_can_be_saved(tmp_path, case):
    plots.save(plots.draw(report(**EXTREMES[case])), str(tmp_path / "picture.part"))
    assert (tmp_path / "picture.part").read_bytes().startswith(b"\x89PNG")


def test_style_of_the_caller_is_left_alone():
    from matplotlib import rcParams

    before = dict(rcParams)
    plots.draw(report())
    assert dict(rcParams) == before
