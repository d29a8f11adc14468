"""A batch of calls of `fastdiv.jax` is computed as one."""

import numpy as np
import pytest

from fastdiv import RBF, Energy, Laplacian, Linear, Matern, Polynomial, RationalQuadratic, Sum
from fastdiv._engine import backend
from fastdiv.frameworks import batches, calls, evaluation

KERNELS = {
    "median": RBF(),
    "median of L1": Laplacian(),
    "number": RBF(2.0),
    "per feature": RBF([1.0, 2.0, 3.0]),
    "medians and numbers": Sum(
        [RBF(), RBF(0.5), Laplacian(), Matern(1.5), RationalQuadratic(), Energy()],
        weights=[1.0, 2.0, 0.5, 1.0, 1.0, 0.1],
    ),
    "dot products": Sum([Polynomial(2), Linear()]),
    "linear": Linear(),
}
MEDIAN = RBF()
NDIMS = {"x": 2, "y": 2, "x_weights": 1, "y_weights": 1}


def evaluate(function, arrays, ndims, options, required):
    call = calls.call_of(function, arrays, options)
    wrt = [name in required for name in arrays]
    axes = [ndims[name] for name in arrays]
    return evaluation.evaluate(call, list(arrays.values()), wrt, axes)


def check(function, arrays, ndims, options, required, batch, *, tolerance):
    """Compare a batch with its items, one call each."""
    whole = evaluate(function, arrays, ndims, options, required)
    for index in np.ndindex(batch):
        one = {}
        for name, a in arrays.items():
            leading = a.shape[: a.ndim - ndims[name]]
            spread = np.broadcast_to(a, batch + a.shape[len(leading) :])
            one[name] = spread[index]
        alone = evaluate(function, one, ndims, options, required)
        for stacked, expected in zip(whole, alone, strict=True):
            assert stacked.dtype == expected.dtype
            assert stacked[index].shape == expected.shape
            scale = max(np.abs(expected).max(), 1e-3)
            np.testing.assert_allclose(stacked[index], expected, rtol=0, atol=tolerance * scale)


def samples(rng, batch, n, m, dtype, shift=0.0):
    spread = rng.uniform(0.5, 3.0, size=(*batch, 1, 1))
    x = shift + spread * rng.normal(size=(*batch, n, 3))
    y = shift + spread * (0.7 + rng.normal(size=(*batch, m, 3)))
    return {"x": x.astype(dtype), "y": y.astype(dtype)}


def mmd2_options(kernel, estimator):
    return {"kernel": kernel, "estimator": estimator, "n_threads": None}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize("name", KERNELS)
def test_mmd2(rng, name, estimator, dtype):
    batch, m = (2, 3), 12 if estimator == "paired" else 9
    arrays = samples(rng, batch, 12, m, dtype)
    arrays["x_weights"] = rng.random((*batch, 12))
    arrays["y_weights"] = rng.random(m)
    tolerance = 3e-5 if dtype == np.float32 else 1e-11
    options = mmd2_options(KERNELS[name], estimator)
    for required in ((), ("x",), ("x", "y", "x_weights", "y_weights")):
        check("mmd2", arrays, NDIMS, options, required, batch, tolerance=tolerance)
    plain = {side: arrays[side] for side in ("x", "y")}
    check("mmd2", plain, NDIMS, options, ("x", "y"), batch, tolerance=tolerance)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "paired"])
@pytest.mark.parametrize("name", ["median", "number", "medians and numbers", "linear"])
def test_rows_of_weight_0_count_in_no_item(rng, name, estimator):
    arrays = samples(rng, (3,), 12, 12, np.float64)
    u, v = rng.random((3, 12)), rng.random((3, 12))
    u[0, :5] = u[2, 3] = v[1, -4:] = 0.0
    left_out = (u == 0) & (v == 0) if estimator == "paired" else u == 0
    arrays["x"][left_out] = np.nan
    arrays |= {"x_weights": u, "y_weights": v}
    options = mmd2_options(KERNELS[name], estimator)
    for required in ((), ("x", "y"), ("y_weights",)):
        check("mmd2", arrays, NDIMS, options, required, (3,), tolerance=1e-11)


def test_items_far_from_the_origin_and_from_each_other(rng):
    arrays = samples(rng, (4,), 20, 30, np.float32)
    shift = np.array([0.0, 100.0, -3e4, 1e5], dtype=np.float32)[:, None, None]
    arrays = {name: a + shift for name, a in arrays.items()}
    for kernel in (RBF(), RBF(1.0), Laplacian(), Linear()):
        options = mmd2_options(kernel, "unbiased")
        check("mmd2", arrays, NDIMS, options, ("x",), (4,), tolerance=1e-4)


def test_an_item_with_an_outlier(rng):
    arrays = samples(rng, (2,), 20, 30, np.float32)
    arrays["x"][1, 0] = 1e13
    check("mmd2", arrays, NDIMS, mmd2_options(RBF(), "biased"), ("x",), (2,), tolerance=1e-4)
    arrays["x"][1, 0] = 1e30
    with pytest.raises(ValueError, match="too little for float32"):
        evaluate("mmd2", arrays, NDIMS, mmd2_options(RBF(), "biased"), ("x",))


def test_samples_of_two_dtypes(rng):
    arrays = samples(rng, (3,), 8, 9, np.float32)
    arrays["y"] = arrays["y"].astype(np.float64)
    check("mmd2", arrays, NDIMS, mmd2_options(RBF(), "biased"), ("x", "y"), (3,), tolerance=1e-6)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_wae_mmd(rng, kernel):
    arrays = {
        "z": rng.normal(size=(2, 1, 15, 2, 2)),
        "z_prior": rng.normal(size=(3, 15, 2, 2)) * np.arange(1, 4)[:, None, None, None],
    }
    options = {"kernel": kernel, "prior": "normal", "sigma2_p": 2.0, "n_threads": None}
    ndims = {"z": 3, "z_prior": 3}
    for required in ((), ("z_prior",), ("z", "z_prior")):
        check("wae_mmd", arrays, ndims, options, required, (2, 3), tolerance=1e-11)


@pytest.mark.parametrize("reduce", ["per_frame", "per_element", "per_item", "none"])
@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("calls", [1, 3])
def test_kl_flow(rng, reduce, items, calls):
    names = ("z_p", "mean_p", "logstd_p", "logstd_q", "noise_q")
    arrays = {name: rng.normal(size=(calls, items, 2, 6)) for name in names}
    arrays["mean_p"] = arrays["mean_p"][0]
    arrays["mask"] = np.arange(6) < rng.integers(1, 6, size=(calls, items, 1, 1))
    ndims = dict.fromkeys(names, 3) | {"mask": 3}
    options = {"estimator": "k1", "reduce": reduce}
    for log_det, ndim in (
        (rng.normal(size=calls), 0),
        (rng.normal(size=(calls, items)), 1),
        (rng.normal(size=(calls, items, 1, 6)), 3),
    ):
        arrays["log_det"] = log_det * (reduce != "none")
        if reduce == "none" and ndim > 0:
            continue  # refused by the shapes, before there is a batch
        if reduce == "per_item" and ndim == 0:
            continue  # the functions of both frameworks give every item a number
        axes = ndims | {"log_det": ndim}
        for required in ((), (*names, "log_det")):
            check("kl_flow", arrays, axes, options, required, (calls,), tolerance=1e-12)


class Counting:
    """A backend that counts the calls of every function but the check of values."""

    def __init__(self, backend):
        self._backend, self.calls = backend, {}

    def __getattr__(self, name):
        def call(*args):
            if name != "first_nonfinite":
                self.calls[name] = self.calls.get(name, 0) + 1
            return getattr(self._backend, name)(*args)

        return call


def test_the_pairs_of_all_items_are_one_call(rng, monkeypatch):
    counting = Counting(backend.current())
    monkeypatch.setattr(backend, "current", lambda: counting)
    arrays = samples(rng, (50,), 8, 9, np.float64)
    evaluate("mmd2", arrays, NDIMS, mmd2_options(RBF(), "biased"), ("x", "y"))
    assert counting.calls == {"median_distances": 1, "weighted_sums": 1}
    counting.calls.clear()
    arrays = {"z": arrays["x"], "z_prior": arrays["y"]}
    options = {"kernel": "rbf", "prior": "normal", "sigma2_p": 1.0, "n_threads": None}
    evaluate("wae_mmd", arrays, {"z": 2, "z_prior": 2}, options, ("z",))
    assert counting.calls == {"ranked_distances": 2, "weighted_sums": 1}


def test_a_shared_argument_is_not_copied_for_all_items(rng, monkeypatch):
    sizes = []
    mmd2 = batches.mmd2
    monkeypatch.setitem(
        batches.STACKED, "mmd2", lambda s, *others: (sizes.append(len(s["x"])), mmd2(s, *others))[1]
    )
    arrays = samples(rng, (7,), 8, 9, np.float64)
    arrays["y"] = arrays["y"][0]
    monkeypatch.setattr(evaluation, "GATHERED", 3 * (8 + 9) * 3)
    check("mmd2", arrays, NDIMS, mmd2_options(RBF(), "biased"), ("x", "y"), (7,), tolerance=1e-11)
    assert sizes[:3] == [3, 3, 1]


def test_medians_that_no_stack_can_take_are_computed_one_by_one(rng):
    arrays = samples(rng, (3,), 8, 9, np.float64)
    small = {name: a * 1e-309 for name, a in arrays.items()}
    check("mmd2", small, NDIMS, mmd2_options(RBF(), "biased"), (), (3,), tolerance=1e-12)


def test_an_item_that_is_wrong_says_why_as_it_would_alone(rng):
    def fails(message, error=ValueError, kernel=MEDIAN, **changed):
        arrays = samples(rng, (4,), 6, 6, np.float64) | {
            "x_weights": rng.random((4, 6)),
            "y_weights": rng.random((4, 6)),
        }
        for name, value in changed.items():
            arrays[name][2] = value
        with pytest.raises(error, match=message + r".* \(call 2 of the batch\)$"):
            evaluate("mmd2", arrays, NDIMS, mmd2_options(kernel, "unbiased"), ("x",))

    fails("x holds 18 NaN or infinite values", x=np.nan)
    fails("y_weights must be finite and >= 0", y_weights=-1.0)
    fails("x_weights must not be 0 for all rows", x_weights=0.0)
    fails("x_weights must be > 0 for at least 2 rows", x_weights=np.eye(6)[0])
    fails("bandwidth='median' is zero", x=1.0, y=1.0)
    fails("overflow", OverflowError, kernel=Polynomial(3), x=1e200)
