"""Quadratic energies and the projection onto the simplex."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastdiv import project_simplex, quadratic_energy_and_grad


def test_energy_is_its_formula(rng):
    r, c = rng.normal(size=(4, 4)), rng.normal(size=4)
    p = rng.normal(size=4)
    energy, q = quadratic_energy_and_grad(r, p, c)
    assert energy == pytest.approx(-0.5 * p @ r @ p - c @ p, rel=1e-14)
    np.testing.assert_allclose(q, 0.5 * (r + r.T) @ p + c, rtol=1e-13)
    assert type(energy) is np.float64
    assert q.shape == (4,)


def test_gradient_is_minus_the_slope(rng):
    r, p, c = rng.normal(size=(5, 5)), rng.normal(size=5), rng.normal(size=5)
    _, q = quadratic_energy_and_grad(r, p, c)
    step = 1e-5
    for i in range(5):
        shifted = p + step * np.eye(5)[i], p - step * np.eye(5)[i]
        above, below = (quadratic_energy_and_grad(r, point, c)[0] for point in shifted)
        assert q[i] == pytest.approx(-(above - below) / (2 * step), rel=1e-7, abs=1e-8)


def test_energies_of_a_batch(rng):
    r, p, c = rng.normal(size=(3, 3)), rng.normal(size=(2, 4, 3)), rng.normal(size=3)
    energy, q = quadratic_energy_and_grad(r, p, c)
    assert energy.shape == (2, 4)
    for index in np.ndindex(2, 4):
        one, slope = quadratic_energy_and_grad(r, p[index], c)
        assert energy[index] == pytest.approx(one, rel=1e-13)
        np.testing.assert_allclose(q[index], slope, rtol=1e-13)


def test_a_step_along_q_lowers_the_energy(rng):
    r = rng.normal(size=(6, 6))
    step = 1 / np.linalg.eigvalsh(-0.5 * (r + r.T)).max()
    p = project_simplex(rng.normal(size=6))
    energies = []
    for _ in range(30):
        energy, q = quadratic_energy_and_grad(r, p)
        energies.append(energy)
        p = project_simplex(p + step * q)
    assert (np.diff(energies) <= 1e-15).all()
    assert energies[-1] < energies[0]


@pytest.mark.slow
@settings(max_examples=200)
@given(
    hnp.arrays(
        np.float64,
        st.integers(1, 8).map(lambda d: (3, d)),
        elements=st.floats(-1e6, 1e6) | st.floats(-1, 1),
    )
)
def test_projection_meets_its_conditions(v):
    """w is the projection if and only if v − w is θ where w > 0, and no more than θ elsewhere."""
    w = project_simplex(v)
    assert (w >= 0).all()
    np.testing.assert_allclose(w.sum(axis=-1), 1.0, rtol=1e-14)
    excess = v - w
    theta = excess.max(axis=-1, keepdims=True)
    tight = np.where(w > 0, theta - excess, 0.0)
    assert (tight <= 1e-15 * np.abs(v).max() + 4e-15).all()


def test_projection_of_known_points():
    np.testing.assert_array_equal(project_simplex([1.0, 0.0]), [1.0, 0.0])
    np.testing.assert_array_equal(project_simplex(np.zeros(4)), np.full(4, 0.25))
    np.testing.assert_array_equal(project_simplex([7.0]), [1.0])
    inside = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(project_simplex(inside), inside, rtol=1e-15)


def test_projection_ignores_a_common_shift(rng):
    v = rng.normal(size=(4, 6)).round(3)
    np.testing.assert_allclose(project_simplex(v + 1e8), project_simplex(v), atol=1e-7)


def test_projection_of_extreme_values():
    big = np.finfo(np.float64).max
    np.testing.assert_array_equal(project_simplex([big, -big, 0.0]), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(project_simplex([big, big]), [0.5, 0.5])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([[1.0, 2.0]], [1.0, 2.0]), ValueError, "r must be a square matrix"),
        ((1.0, [1.0]), ValueError, "r must be a square matrix"),
        ((np.eye(2), [1.0, 2.0, 3.0]), ValueError, r"p must have shape \(\.\.\., 2\)"),
        ((np.eye(2), 1.0), ValueError, "p must have shape"),
        ((np.eye(2), [1.0, np.nan]), ValueError, "p must be finite"),
        ((np.eye(2), [1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "c must broadcast"),
        ((np.eye(2), [1.0, 2.0], np.zeros((3, 2))), ValueError, "c must broadcast"),
        ((np.eye(2), ["a", "b"]), TypeError, "p must hold real numbers"),
        ((np.full((2, 2), 1e308), [1e308, 1.0]), OverflowError, "overflows"),
    ],
)
def test_bad_energies(arguments, error, match):
    with pytest.raises(error, match=match):
        quadratic_energy_and_grad(*arguments)


@pytest.mark.parametrize("v", [1.0, np.empty((2, 0)), [np.inf, 1.0], [np.nan]])
def test_bad_projections(v):
    with pytest.raises(ValueError, match=r"v must"):
        project_simplex(v)


def test_other_names_are_refused():
    pd = pytest.importorskip("pandas")
    names = ["u", "v"]
    r, p = pd.DataFrame([[0.0, 1.0], [2.0, 0.5]], names, names), pd.Series([0.2, 0.8], names)
    energy, q = quadratic_energy_and_grad(r, p, p)
    expected = quadratic_energy_and_grad(r.to_numpy(), p.to_numpy(), p.to_numpy())
    assert energy == expected[0]
    np.testing.assert_array_equal(q, expected[1])
    for others, sides in (
        ((r, p.iloc[::-1]), "r and p"),
        ((r, p, p.iloc[::-1]), "r and c"),
        ((r[["v", "u"]], p), "r and p"),
        ((r.iloc[::-1], p), "r and the index of r"),
    ):
        with pytest.raises(ValueError, match=f"^{sides} must have the same columns"):
            quadratic_energy_and_grad(*others)
