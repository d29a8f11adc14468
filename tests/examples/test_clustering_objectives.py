"""Test the example that reproduces a published table."""

import runpy
from pathlib import Path

import pytest

from fastdiv import cluster_dispersion

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_published_numbers_are_sums_of_distances():
    pytest.importorskip("sklearn")
    example = runpy.run_path(str(EXAMPLES / "clustering_objectives.py"))
    page = (EXAMPLES / "clustering_objectives.md").read_text(encoding="utf-8")
    checked = 0
    for name, x, k in example["data_sets"]():
        result = cluster_dispersion(x, example["k_means"](x, k), pairs=True)
        values = result.total_wcss, result.total_mse, result.total_sum_dist, result.pair_sum.sum()
        cells = [float(v) for v in page.split(f"| {name}, ")[1].splitlines()[0].split("|")[2:6]]
        assert cells == pytest.approx(values, rel=1e-9)
        published = example["PUBLISHED"].get(name)
        if published is not None:
            assert round(result.total_sum_dist, 5) == published
            checked += 1
    assert checked == 2


def test_two_rows_of_iris_differ():
    pytest.importorskip("sklearn")
    example = runpy.run_path(str(EXAMPLES / "clustering_objectives.py"))
    data = {name: x for name, x, _ in example["data_sets"]()}
    differ = (data["iris, scikit-learn"] != data["iris, UCI file"]).any(axis=1)
    assert differ.nonzero()[0].tolist() == [34, 37]
