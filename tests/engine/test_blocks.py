"""Blocks of rows: together they are all rows, once each and in order."""

import numpy as np
import pytest

from fastdiv._engine.blocks import even_blocks, row_blocks

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
    blocks, limits = CUTS[cut]
    rows = [np.arange(n_rows)[block] for block in blocks(n_rows, values_per_row, 9, **limits)]
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
    blocks = row_blocks(10, values_per_row, 9, **limits)
    assert [block.stop - block.start for block in blocks] == sizes


def test_even_blocks_differ_by_one_row_at_most():
    blocks = even_blocks(10, 3, 9)
    assert [block.stop - block.start for block in blocks] == [2, 3, 2, 3]
