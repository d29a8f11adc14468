"""kl_and_grad against finite differences, for every pair of parametrisations."""

import os
import tracemalloc

import numpy as np
import pytest
from gaussians import DIAGONAL, NAMES, gaussian, parameter

from fastdiv import Gaussian, kl, kl_and_grad
from fastdiv._engine import backend
from fastdiv._sums import reference


def changed(g, key, step):
    arrays = {"mean": g.mean, g.parametrisation: g.parameter}
    arrays[key] = arrays[key] + step
    return Gaussian(arrays.pop("mean"), **arrays)


def directions(g, key, rng):
    """Return steps that keep the parameter symmetric or lower triangular."""
    step = rng.normal(size=(g.mean if key == "mean" else g.parameter).shape)
    if key in ("cov", "precision"):
        return step + step.swapaxes(-1, -2)
    return np.tril(step) if key == "scale_tril" else step


@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_finite_differences(rng, name_p, name_q):
    p, q = gaussian(name_p, rng, (3,), 4), gaussian(name_q, rng, (3,), 4)
    values, grad_p, grad_q = kl_and_grad(p, q)
    assert np.array_equal(values, kl(p, q))
    assert list(grad_p) == ["mean", name_p]
    assert list(grad_q) == ["mean", name_q]
    h = 1e-5
    for side, g, gradient in ((0, p, grad_p), (1, q, grad_q)):
        for key, value in gradient.items():
            step = directions(g, key, rng)

            def at(t, side=side, g=g, key=key, step=step):
                pair = [p, q]
                pair[side] = changed(g, key, t * step)
                return kl(*pair).sum()

            # Fourth-order central difference.
            slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            np.testing.assert_allclose((value * step).sum(), slope, rtol=1e-6, atol=1e-7)


def test_shapes_are_those_given_and_shared_parameters_add_up(rng):
    mean_p, logvar = rng.normal(size=(5, 1, 3)), rng.normal(size=(4, 3))
    p, q = Gaussian(mean_p, logvar=logvar), Gaussian(rng.normal(size=3), std=1.5)
    values, grad_p, grad_q = kl_and_grad(p, q)
    assert values.shape == (5, 4)
    assert [grad_p["mean"].shape, grad_p["logvar"].shape] == [(5, 1, 3), (4, 3)]
    assert [grad_q["mean"].shape, grad_q["std"].shape] == [(3,), ()]
    dense = Gaussian(p.mean.copy(), logvar=p.parameter.copy())
    _, by_item, _ = kl_and_grad(dense, q)
    np.testing.assert_allclose(
        grad_p["mean"], by_item["mean"].sum(axis=1, keepdims=True), rtol=1e-12
    )
    np.testing.assert_allclose(grad_p["logvar"], by_item["logvar"].sum(axis=0), rtol=1e-12)


def repeated(g, batch):
    """Return the same distributions, with nothing shared."""
    event = g.parameter.shape[len(g.batch_shape) :]
    value = np.broadcast_to(g.parameter, (*batch, *event)).copy()
    return Gaussian(np.broadcast_to(g.mean, (*batch, g.dim)).copy(), **{g.parametrisation: value})


@pytest.mark.parametrize("name_q", NAMES)
@pytest.mark.parametrize("name_p", NAMES)
def test_blocks_add_up_to_the_shapes_given(rng, name_p, name_q, monkeypatch):
    batch = (2, 5, 4)
    p = Gaussian(rng.normal(size=(5, 1, 3)), **{name_p: parameter(name_p, rng, (4,), 3)})
    q = Gaussian(rng.normal(size=(2, 1, 1, 3)), **{name_q: parameter(name_q, rng, (), 3)})
    where = np.ones(batch, np.bool_)
    where[0, :2], where[1, 4, 3] = False, False
    _, *by_item = kl_and_grad(repeated(p, batch), repeated(q, batch), where=where)
    monkeypatch.setattr("fastdiv.distributions.arrays.BATCHED", 50)
    _, *summed = kl_and_grad(p, q, where=where)
    for gradient, items, shapes in zip(
        summed, by_item, (((5, 1), (4,)), ((2, 1, 1), ())), strict=True
    ):
        for (key, value), shape in zip(gradient.items(), shapes, strict=True):
            assert not items[key][~where].any()
            added = items[key].sum(axis=tuple(range(3 - len(shape))))
            ones = tuple(axis for axis, size in enumerate(shape) if size == 1)
            expected = added.sum(axis=ones, keepdims=True)
            assert value.shape == expected.shape
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference is slow and not frugal"
)
@pytest.mark.parametrize(("name", "batch", "d"), [("logvar", 40_000, 64), ("cov", 4000, 32)])
def test_memory_is_that_of_the_gradients(rng, name, batch, d):
    value = rng.normal(size=(batch, d)) if name == "logvar" else parameter(name, rng, (batch,), d)
    p, q = (Gaussian(rng.normal(size=(batch, d)), **{name: value}) for _ in range(2))
    tracemalloc.start()
    result = kl_and_grad(p, q)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result) == 3
    assert peak - kept < 64e6


@pytest.mark.parametrize("name", NAMES)
def test_masked_items_have_no_gradient(rng, name):
    whole = gaussian(name, rng, (4,), 3)
    expected = kl_and_grad(whole[:2], Gaussian.standard(3))
    mean, value = whole.mean.copy(), whole.parameter.copy()
    mean[2:], value[2:] = np.nan, np.inf
    valid = np.arange(4) < 2
    p = Gaussian(mean, **{name: value}, where=valid)
    values, grad_p, grad_q = kl_and_grad(p, Gaussian.standard(3))
    assert not values[2:].any()
    for key in ("mean", name):
        assert np.array_equal(grad_p[key][:2], expected[1][key])
        assert not grad_p[key][2:].any()
    np.testing.assert_allclose(grad_q["mean"], expected[2]["mean"], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_vanishes_at_equality(rng, name):
    p = gaussian(name, rng, (2,), 3)
    _, grad_p, grad_q = kl_and_grad(p, p)
    for gradient in (*grad_p.values(), *grad_q.values()):
        assert not gradient.any()


@pytest.mark.parametrize("name", ["std", "cov"])
def test_gradients_of_one_side_alone(rng, name):
    p, q = gaussian(name, rng, (3,), 2), gaussian(name, rng, (), 2)
    values, grad_p, grad_q = kl_and_grad(p, q)
    for wrt, expected in (("p", [grad_p]), (["q"], [grad_q]), (("q", "p"), [grad_q, grad_p])):
        again, *gradients = kl_and_grad(p, q, wrt=wrt)
        assert np.array_equal(again, values)
        for ours, theirs in zip(gradients, expected, strict=True):
            assert list(ours) == list(theirs)
            assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("wrt", ["r", (), ("p", "p"), ("p", "mean")])
def test_wrong_sides(wrt):
    with pytest.raises(ValueError, match=r"wrt must (be one of 'p', 'q'|name)"):
        kl_and_grad(Gaussian.standard(2), Gaussian.standard(2), wrt=wrt)


def test_refusals(rng):
    with pytest.raises(TypeError, match="q must be a Gaussian"):
        kl_and_grad(Gaussian.standard(2), [0.0, 0.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
@pytest.mark.parametrize("q_name", DIAGONAL)
@pytest.mark.parametrize("p_name", DIAGONAL)
def test_parity_of_diagonal_gradients(core, rng, p_name, q_name, dtype):
    for batch, d in (((3,), 1), ((2, 5), 7), ((), 64), ((4,), 131)):
        p, q = (gaussian(name, rng, batch, d, dtype) for name in (p_name, q_name))
        arguments = (p.mean, p_name, p.parameter), (q.mean, q_name, q.parameter)
        *got, sound = core.diagonal_kl_and_gradients(*arguments, True, False, 0)
        *expected, _ = reference.diagonal_kl_and_gradients(*arguments, True, False, 1)
        assert sound
        for a, b in zip(got, expected, strict=True):
            assert a.shape == b.shape
            assert np.allclose(a, b, rtol=1e-12, atol=1e-14)
        *without_q, sound = core.diagonal_kl_and_gradients(*arguments, False, False, 0)
        assert sound
        assert all(np.array_equal(a, b) for a, b in zip(without_q[:3], got[:3], strict=True))
        assert without_q[3].size == 0
        *rounded, sound = core.diagonal_kl_and_gradients(*arguments, True, True, 0)
        assert sound
        for a, b in zip(rounded, got, strict=True):
            assert a.dtype == dtype
            assert np.array_equal(a, b.astype(dtype))
        for n in (1, 3):
            *again, _ = core.diagonal_kl_and_gradients(*arguments, True, False, n)
            assert all(np.array_equal(a, b) for a, b in zip(again, got, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
@pytest.mark.parametrize("name", DIAGONAL)
def test_parameters_that_are_not_sound(core, rng, name, dtype):
    """Also where q is one Gaussian for all items, and where both are equally wrong."""
    for d in (3, 100):
        mean, value = np.zeros((2, d), dtype), np.full((2, d), 0.5, dtype)
        one = np.broadcast_to(value[:1, :1], value.shape)
        for place in (0, d - 1):
            for bad in (np.nan, np.inf, -np.inf, 0.0, -1.0):
                wrong = value.copy()
                wrong[1, place] = bad
                for p, q in ((wrong, value), (value, wrong), (wrong, wrong), (wrong, one)):
                    arguments = (mean, name, p), (mean, name, q), False, False, 1
                    for engine in (core, reference):
                        *_, sound = engine.diagonal_kl_and_gradients(*arguments)
                        assert sound == (name.startswith("log") and np.isfinite(bad))
        other = mean.copy()
        other[1, 0] = np.inf
        for means in ((other, mean), (mean, other), (other, other)):
            arguments = (means[0], name, value), (means[1], name, value), False, False, 1
            for engine in (core, reference):
                assert not engine.diagonal_kl_and_gradients(*arguments)[-1]


@pytest.mark.parametrize("name", DIAGONAL)
def test_gradients_of_near_equals_keep_their_digits(name):
    """After a step h of log σ to the scale of p, KL falls by expm1(2h) per unit of log σ."""
    h = 1e-9
    q = {"std": 2.0, "var": 4.0, "logstd": 0.5, "logvar": 0.5}[name]
    moved = {"std": q * (1 + h), "var": q * (1 + h), "logstd": q + h, "logvar": q + h}[name]
    p = Gaussian([1.0, 1.0], **{name: np.full(2, moved)})
    _, gradient = kl_and_grad(p, Gaussian([1.0, 1.0], **{name: np.full(2, q)}), wrt="p")
    ratio_less_1 = {
        "std": (moved - q) * (moved + q) / q**2,
        "var": (moved - q) / q,
        "logstd": np.expm1(2 * (moved - q)),
        "logvar": np.expm1(moved - q),
    }[name]
    chain = {"std": 1 / moved, "var": 0.5 / moved, "logstd": 1.0, "logvar": 0.5}[name]
    assert gradient[name] == pytest.approx(ratio_less_1 * chain, rel=1e-14)


def test_one_dtype_stays_what_it_is(rng, monkeypatch):
    """Only distributions of two dtypes are converted."""
    p, q = (gaussian("std", rng, (4,), 3, np.float32) for _ in range(2))
    seen = []
    original = reference.gaussian_kl

    def spy(p, q, *options):
        seen.append({a.dtype for a in (*p, *q) if isinstance(a, np.ndarray)})
        return original(p, q, *options)

    monkeypatch.setattr(reference, "gaussian_kl", spy)
    with backend.use("reference"):
        kl(p, q)
        kl(p, gaussian("std", rng, (4,), 3, np.float64))
    assert seen == [{np.dtype(np.float32)}, {np.dtype(np.float64)}]
