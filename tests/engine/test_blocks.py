"""Blocks of rows: together they are all rows, once each and in order."""

import math

import numpy as np
import pytest

from fastdiv import Categorical, CoupledNormal, Gaussian, GaussianMixture
from fastdiv._engine import blocks
from fastdiv._engine.blocks import blockwise, boxes, even_blocks, row_blocks

CUTS = {
    "rows": (row_blocks, {}),
    "least": (row_blocks, {"least": 4}),
    "most": (row_blocks, {"most": 2}),
    "even": (even_blocks, {}),
}


@pytest.mark.parametrize("n_rows", [0, 1, 7, 12])
@pytest.mark.parametrize("values_per_row", [0, 1, 3, 100])
@pytest.mark.parametrize("cut", CUTS)
def test_blocks_hold_every_row_once(cut, n_rows, values_per_row):
    cut_rows, limits = CUTS[cut]
    rows = [np.arange(n_rows)[block] for block in cut_rows(n_rows, values_per_row, 9, **limits)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *rows]), np.arange(n_rows))
    assert all(map(len, rows))


@pytest.mark.parametrize(
    ("values_per_row", "limits", "sizes"),
    [
        (3, {}, [3, 3, 3, 1]),
        (100, {}, [1] * 10),
        (100, {"least": 4}, [4, 4, 2]),
        (1, {"most": 5}, [5, 5]),
        (0, {}, [9, 1]),
    ],
)
def test_a_block_keeps_to_its_budget(values_per_row, limits, sizes):
    cut = row_blocks(10, values_per_row, 9, **limits)
    assert [block.stop - block.start for block in cut] == sizes


def test_even_blocks_differ_by_one_row_at_most():
    cut = even_blocks(10, 3, 9)
    assert [block.stop - block.start for block in cut] == [2, 3, 2, 3]


@pytest.mark.parametrize("shape", [(), (0,), (5,), (40,), (3, 4), (1, 40), (2, 3, 30), (4, 0, 3)])
def test_boxes_hold_every_value_once(shape):
    a = np.arange(math.prod(shape)).reshape(shape)
    parts = [a[box] for box in boxes(shape, 9)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *map(np.ravel, parts)]), a.ravel())
    assert all(part.size <= 9 for part in parts)


def test_blockwise_broadcasts(monkeypatch, rng):
    monkeypatch.setattr(blocks, "BATCHED", 8)
    x, y = rng.normal(size=(3, 1, 4)), rng.normal(size=(7, 4))
    both = blockwise(lambda a, b: (a * b).sum(axis=-1), x, y, event_ndim=1)
    np.testing.assert_array_equal(both, (x * y).sum(axis=-1))
    assert blockwise(np.isnan, x).dtype == np.bool_


DISTRIBUTIONS = {
    "diagonal": lambda m, s: Gaussian(m, std=s),
    "float32": lambda m, s: Gaussian(m.astype(np.float32), logvar=s.astype(np.float32)),
    "padding": lambda m, s: Gaussian(m, var=s, where=np.arange(6) > 2),
    "full": lambda m, s: Gaussian(m, cov=s[..., None] * np.eye(3)),
    "heavy": lambda m, s: CoupledNormal(m, std=s, kappa=0.3),
    "bounded": lambda m, s: CoupledNormal(m, std=s, kappa=-0.2),
    "mixture": lambda m, s: GaussianMixture(np.full((2, 3), 1 / 3), Gaussian(
        m.reshape(2, 3, 3), std=s.reshape(2, 3, 3)
    )),
    "categories": lambda m, s: Categorical(logits=m),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_have_the_same_bits_however_they_are_cut(monkeypatch, rng, name):
    p = DISTRIBUTIONS[name](rng.normal(size=(6, 3)), rng.uniform(0.5, 2.0, (6, 3)))
    draws = p.sample(9, rng=1)
    densities = None if name == "categories" else p.log_prob(draws)
    for budget in ("BATCHED", "COMPUTED"):
        monkeypatch.setattr(blocks, budget, 7)
    np.testing.assert_array_equal(p.sample(9, rng=1), draws)
    if densities is not None:
        np.testing.assert_array_equal(p.log_prob(draws), densities)
