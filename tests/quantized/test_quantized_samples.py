"""Test quantised rows in the functions that accept them, and in those that refuse them."""

import os
import re

import numpy as np
import pytest
from cases import each_symmetry, peak_bytes, quantized
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdiv
from fastdiv import (
    RBF,
    Categorical,
    Gaussian,
    QuantizedEstimate,
    QuantizedRows,
    cluster_dispersion,
    cmmd,
    f_divergence_bound,
    fit_gaussian,
    gap_statistic,
    hybrid_matmul,
    kl_from_log_probs,
    mmd2,
    mmd2_and_grad,
    quantize_rows,
    silhouette_samples,
    wae_kernel,
    wae_mmd,
)
from fastdiv._engine import backend

needs_core = pytest.mark.skipif(
    os.environ.get("FASTDIV_BACKEND") == "reference", reason="the reference holds it all"
)
PLAIN = np.linspace(0.0, 1.0, 12).reshape(6, 2)
LABELS = [0, 0, 0, 1, 1, 1]


# --- estimates as numbers -------------------------------------------------------------


def test_an_estimate_prints_as_its_value():
    estimate = QuantizedEstimate(0.12345, 0.1)
    assert f"{estimate:.3f}" == "0.123"
    assert f"{estimate}" == str(estimate) == "QuantizedEstimate(value=0.12345, bound=0.1)"
    assert float(estimate) < 0.2


def test_several_estimates_are_not_one_number(rng):
    rows = quantized(rng, 6, 2)
    for kernels in ([RBF(1.0)], [RBF(1.0), RBF(2.0)]):
        estimate = mmd2(rows[:3], rows[3:], kernels)
        with pytest.raises(TypeError, match=f"holds {len(kernels)} values, one per kernel"):
            float(estimate)
        with pytest.raises(TypeError, match=r"take one of its \.value"):
            f"{estimate:.3f}"


# --- fitted Gaussians -----------------------------------------------------------------


@each_symmetry
@pytest.mark.parametrize("ddof", [0, 1])
def test_fit_gaussian(rng, symmetric, ddof):
    rows = quantized(rng, 300, 7, symmetric)
    got = fit_gaussian(rows, ddof=ddof)
    expected = fit_gaussian(rows.dequantize(np.float64), ddof=ddof)
    np.testing.assert_array_equal(got.mean, expected.mean)
    np.testing.assert_array_equal(got.cov(), expected.cov())
    assert got.log_prob(np.zeros(7)) == expected.log_prob(np.zeros(7))


def test_fit_gaussian_holds_a_few_rows_at_a_time(rng, monkeypatch):
    rows = quantized(rng, 20_000, 64)
    whole = fit_gaussian(rows)
    monkeypatch.setattr("fastdiv.distributions.fitting.GATHERED", 1 << 16)
    parts = fit_gaussian(rows)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts.cov(), whole.cov(), rtol=1e-12, atol=1e-14)
    assert peak_bytes(lambda: fit_gaussian(rows)) < 2 * rows.values.nbytes


def test_fit_gaussian_of_few_quantised_rows(rng):
    with pytest.raises(ValueError, match="x must have more than ddof = 3 rows"):
        fit_gaussian(quantized(rng, 3, 2), ddof=3)


# --- the WAE penalty ------------------------------------------------------------------


@each_symmetry
@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_wae_mmd(rng, kernel, symmetric):
    z, z_prior = rng.normal(size=(60, 5)) + 0.3, rng.normal(size=(50, 5))
    a, b = quantize_rows(z, symmetric=symmetric), quantize_rows(z_prior, symmetric=symmetric)
    chosen = wae_kernel(a, b, kernel=kernel)
    estimate = wae_mmd(a, b, kernel=kernel)
    again = mmd2(a, b, chosen)
    assert (estimate.value, estimate.bound) == (again.value, again.bound)
    plain = wae_mmd(a.dequantize(np.float64), b.dequantize(np.float64), kernel=kernel)
    assert estimate.value == pytest.approx(plain, abs=1e-5)
    assert abs(float(estimate) - mmd2(z, z_prior, chosen)) <= estimate.bound


@each_symmetry
def test_wae_bandwidth_is_that_of_the_dequantised_rows(rng, symmetric):
    a, b = quantized(rng, 70, 4, symmetric), quantized(rng, 45, 4)
    expected = wae_kernel(a.dequantize(np.float64), b.dequantize(np.float64), kernel="rbf")
    got = wae_kernel(a, b, kernel="rbf")
    assert got.bandwidth == pytest.approx(expected.bandwidth, rel=1e-6)


# --- CMMD -----------------------------------------------------------------------------


def embeddings(rng, n, d, shift):
    x = rng.normal(size=(n, d)) + shift
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@each_symmetry
@pytest.mark.parametrize("normalize", [True, False])
def test_cmmd(rng, normalize, symmetric):
    x, y = embeddings(rng, 200, 48, 0.0), embeddings(rng, 150, 48, 0.05) * 1.3
    a, b = quantize_rows(x, symmetric=symmetric), quantize_rows(y, symmetric=symmetric)
    got = cmmd(a, b, normalize=normalize)
    assert isinstance(got, QuantizedEstimate)
    plain = cmmd(a.dequantize(np.float64), b.dequantize(np.float64), normalize=normalize)
    assert abs(got.value - plain) <= 1e-3 * got.bound
    assert abs(got.value - cmmd(x, y, normalize=normalize)) <= got.bound < 0.2


def test_cmmd_does_not_depend_on_scales(rng):
    rows, others = quantized(rng, 60, 16, symmetric=False), quantized(rng, 50, 16)
    moved = QuantizedRows(
        rows.values, rows.scale * np.exp(rng.normal(size=60)).astype(np.float32), rows.zero_point
    )
    value = cmmd(rows, others, normalize=True).value
    assert cmmd(moved, others, normalize=True).value == value


@pytest.mark.parametrize("normalize", [True, False])
@each_symmetry
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.01, 1.0, 30.0]))
def test_cmmd_before_quantisation_is_within_the_bound(normalize, symmetric, seed, spread):
    rng = np.random.default_rng(seed)
    n, m, d = rng.integers(1, 6, size=3)
    x = rng.normal(size=(n, d)) * spread
    y = rng.standard_t(2, size=(m, d)) * spread + rng.choice([0.0, 1.0])
    a, b = quantize_rows(x, symmetric=symmetric), quantize_rows(y, symmetric=symmetric)
    with backend.use("reference"):
        exact = cmmd(x, y, normalize=normalize)
        got = cmmd(a, b, normalize=normalize)
    rounded_scales = 3e-5 if normalize else 0.0
    assert abs(got.value - exact) <= got.bound + rounded_scales + 1e-9


def test_a_bound_of_coarse_rows_ends_at_two():
    """Use integers of one step, which may stand for vectors of any direction."""
    rows = QuantizedRows(np.eye(9, dtype=np.int8), np.ones(9, np.float32))
    far = cmmd(rows, rows[:1], normalize=True)
    epsilon = 2 * np.sqrt(-2 * np.expm1(-0.5 * 0.2**2))
    value = far.value / 1000
    assert far.bound == pytest.approx(1000 * epsilon * (2 * np.sqrt(value) + epsilon), rel=1e-6)


@needs_core
def test_cmmd_keeps_int8(rng):
    rows = quantized(rng, 4000, 256)
    for normalize in (True, False):
        peak = peak_bytes(lambda n=normalize: cmmd(rows[:2000], rows[2000:], normalize=n))
        assert peak < 2 * rows.values.nbytes


def test_cmmd_refuses_quantised_rows_of_zeros(rng):
    rows = quantized(rng, 5, 3)
    zero = QuantizedRows(np.full((2, 3), 7, np.int8), np.ones(2, np.float32), np.int8([7, 3]))
    with pytest.raises(ValueError, match=r"y must have no zero row .* at row 0"):
        cmmd(rows, zero, normalize=True)


# --- silhouettes ----------------------------------------------------------------------


def test_squared_silhouettes_hold_a_few_rows_at_a_time(rng):
    rows, labels = quantized(rng, 4000, 500), np.arange(4000) % 3

    def call():
        return silhouette_samples(rows, labels, metric="sqeuclidean")

    # The rows in the order of their labels are one copy in int8.
    assert peak_bytes(call) < 3 * rows.values.nbytes
    expected = silhouette_samples(rows.dequantize(np.float64), labels, metric="sqeuclidean")
    np.testing.assert_allclose(call(), expected, atol=1e-12)


# --- functions that accept quantised rows ---------------------------------------------

ACCEPTING = {
    "mmd2": lambda q: fastdiv.mmd2(q, q),
    "mmd_test": lambda q: fastdiv.mmd_test(q, q[:3], RBF(1.0), n_resamples=9, rng=0).statistic,
    "energy_distance": lambda q: fastdiv.energy_distance(q, q[:3]),
    "witness": lambda q: fastdiv.witness(q, q[:3], at=q),
    "median_distance": fastdiv.median_distance,
    "kid": lambda q: fastdiv.kid(q, q, n_subsets=2, subset_size=3, rng=0).value,
    "cmmd": lambda q: fastdiv.cmmd(q, q[:3]),
    "wae_mmd": lambda q: fastdiv.wae_mmd(q, q[:3]),
    "wae_kernel": lambda q: fastdiv.mmd2(q, q[:3], wae_kernel(q, q[:3], kernel="rbf")),
    "kernel_mean_matching": lambda q: fastdiv.kernel_mean_matching(q, q[:3], RBF(1.0)).weights,
    "kl_knn": lambda q: fastdiv.kl_knn(q, q[::-1], k=2),
    "permanova": lambda q: fastdiv.permanova(q, LABELS, n_resamples=9, rng=0).statistic,
    "disco": lambda q: fastdiv.disco(q, LABELS, n_resamples=9, rng=0).statistic,
    "dunn_index": lambda q: fastdiv.dunn_index(q, LABELS),
    "silhouette_samples": lambda q: fastdiv.silhouette_samples(q, LABELS),
    "silhouette_score": lambda q: fastdiv.silhouette_score(q, LABELS),
    "fit_gaussian": lambda q: fastdiv.fit_gaussian(q).mean,
    "cluster_dispersion": lambda q: cluster_dispersion(q, LABELS).sum_dist,
    "wcss": lambda q: fastdiv.wcss(q, LABELS),
    "geometric_median": lambda q: fastdiv.geometric_median(q).centers,
    "calinski_harabasz_score": lambda q: fastdiv.calinski_harabasz_score(q, LABELS),
    "davies_bouldin_score": lambda q: fastdiv.davies_bouldin_score(q, LABELS),
}


@pytest.mark.parametrize("name", ACCEPTING)
def test_accepted(name):
    rows = quantize_rows(PLAIN)
    expected = ACCEPTING[name](rows.dequantize(np.float64))
    got = ACCEPTING[name](rows)
    got = got.value if isinstance(got, QuantizedEstimate) else got
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)


def test_the_list_is_complete():
    accepted = QuantizedRows.__doc__.split("Others refuse them", 1)[0]
    assert set(re.findall("`([a-z]\\w+)`", accepted)) == set(ACCEPTING)


@each_symmetry
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_dispersion_of_quantised_rows(rng, metric, symmetric):
    rows, labels = quantized(rng, 90, 4, symmetric), np.arange(90) % 3
    options = {"metric": metric, "pairs": True, "sample_weight": rng.random(90) + 0.1}
    result = cluster_dispersion(rows, labels, **options)
    plain = cluster_dispersion(rows.dequantize(np.float64), labels, **options)
    for name in ("centers", "wcss", "sum_dist"):
        np.testing.assert_allclose(getattr(result, name), getattr(plain, name), rtol=1e-12)
    for name in ("pair_sum", "pair_sum_sq"):
        np.testing.assert_allclose(getattr(result, name), getattr(plain, name), rtol=1e-5)


# --- functions that refuse quantised rows ---------------------------------------------


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("x", lambda q: mmd2_and_grad(q, PLAIN)),
        ("y", lambda q: mmd2_and_grad(PLAIN, q)),
        ("centers", lambda q: cluster_dispersion(PLAIN, LABELS, centers=q[:2])),
        ("x", lambda q: gap_statistic(q, lambda x, k: np.arange(len(x)) % k, [1, 2])),
        ("x", lambda q: Gaussian([0.0, 0.0], std=1.0).log_prob(q)),
        ("mean", lambda q: Gaussian(q, std=1.0)),
        ("logits", lambda q: Categorical(logits=q)),
        ("t_p", lambda q: f_divergence_bound(q, PLAIN)),
        ("t_q", lambda q: f_divergence_bound(PLAIN, q)),
        ("log_p", lambda q: kl_from_log_probs(q, PLAIN)),
        ("x_weights", lambda q: mmd2(PLAIN, PLAIN, x_weights=q)),
        ("x", lambda q: hybrid_matmul(q, q)),
    ],
)
def test_refused(name, call):
    with pytest.raises(TypeError, match=rf"^{name} must not be quantised.*{name}\.dequantize\(\)"):
        call(quantize_rows(PLAIN))


# ---------------------------------------------------------------- names of frames


def frames():
    """Return two frames of pandas whose indices hold the same keys in another order."""
    pd = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(2, 9, 2)) * [1.0, 5.0]
    x = pd.DataFrame(rows[0], [f"k{i}" for i in range(9)], ["a", "b"])
    return x, pd.DataFrame(rows[1], x.index, x.columns).iloc[::-1]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("estimator", ["unbiased", "paired"])
def test_columns_and_pairs_go_by_name(symmetric, estimator):
    x, y = frames()
    p, q, swapped = (
        quantize_rows(each, symmetric=symmetric) for each in (x, y.loc[x.index], y[["b", "a"]])
    )
    assert (p.columns, swapped.columns) == (("a", "b"), ("b", "a"))
    assert quantize_rows(PLAIN).columns is None
    expected = mmd2(p, q, RBF(1.0), estimator=estimator).value  # but for the order of the sums
    value = mmd2(p, swapped, RBF(1.0), estimator=estimator).value
    assert value == pytest.approx(expected, rel=1e-12)
    by_name = x.std()[["b", "a"]]  # a bandwidth per column
    assert mmd2(p, q, RBF(by_name)).value == mmd2(p, q, RBF(by_name.to_numpy()[::-1])).value
    with pytest.raises(ValueError, match=r"^x and y must have the same columns.*in y: 'c'"):
        mmd2(p, quantize_rows(y.rename(columns={"a": "c"})), RBF(1.0))


def test_rows_keep_the_keys_of_an_index():
    pd = pytest.importorskip("pandas")
    x, _ = frames()
    labels = pd.Series(np.arange(9) // 4, x.index)
    rows = quantize_rows(x)
    for part, same in ((rows, labels), (rows[2:], labels[2:]), (rows[::-1], labels)):
        expected = fastdiv.wcss(part, labels[part._index].to_numpy())
        assert fastdiv.wcss(part, same.iloc[::-1]) == expected
    with pytest.raises(ValueError, match=r"^x and labels must have the same keys"):
        fastdiv.wcss(rows, labels.reset_index(drop=True))


def test_fitted_gaussians_have_the_names_of_quantised_columns():
    x, y = frames()
    assert fit_gaussian(quantize_rows(x)).columns == ("a", "b")
    with pytest.raises(ValueError, match=r"^p and q must have the same columns"):
        fastdiv.kl(fit_gaussian(quantize_rows(x)), fit_gaussian(y[["b", "a"]]))


def test_centers_of_quantised_rows_go_by_name():
    x, _ = frames()
    centers = x.iloc[:2].reset_index(drop=True)
    one, two = (
        cluster_dispersion(quantize_rows(x), [0, 1, 0, 1, 0, 1, 0, 1, 0], centers=at)
        for at in (centers, centers[["b", "a"]])
    )
    assert one == two


def test_a_reader_of_arrow_is_read_once():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1.0, 2.0, 4.0], "b": [3.0, 4.0, 9.0]})
    assert quantize_rows(table.to_reader()).columns == ("a", "b")
    assert fit_gaussian(table.to_reader()).mean.tolist() == fit_gaussian(table).mean.tolist()
    weights = quantize_rows(table.select(["b", "a"]))
    expected = hybrid_matmul(table, quantize_rows(table))
    assert hybrid_matmul(table.to_reader(), weights) == expected
