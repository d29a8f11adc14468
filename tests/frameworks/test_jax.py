"""fastdiv.jax against NumPy's functions, finite differences and explicit formulas, transformed."""

from functools import partial

import numpy as np
import pytest

import fastdiv
from fastdiv import RBF, Callback, Energy, Linear, Sum

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax.experimental.sparse import BCOO  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

import fastdiv.jax as fj  # noqa: E402
from fastdiv.frameworks import evaluation  # noqa: E402


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


class Own(RBF):
    """A kernel that decode does not know."""


def normal(*shape, seed=0, dtype=float):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def lower(*shape, seed=0):
    return 0.3 * jnp.tril(normal(*shape, seed=seed)) + 2 * jnp.eye(shape[-1])


FLOW = ("mean_p", "logstd_p", "logstd_q", "log_det")
WHERE = np.array([True, False, True])

# name -> function, and the arguments to differentiate
CASES = {
    "mmd2": (lambda x, y: fj.mmd2(x, y, RBF(1.5)), ((5, 3), (4, 3))),
    "mmd2 biased": (
        lambda x, y: fj.mmd2(x, y, Sum([RBF(2.0), Energy()]), estimator="biased"),
        ((5, 3), (4, 3)),
    ),
    "mmd2 weighted": (
        lambda x, y, w: fj.mmd2(x, y, RBF(1.5), x_weights=jnp.exp(w)),
        ((5, 3), (4, 3), (5,)),
    ),
    "energy_distance": (fj.energy_distance, ((5, 3), (4, 3))),
    "wae_mmd": (fj.wae_mmd, ((5, 2, 2), (4, 2, 2))),
    "kl": (lambda m, v: fj.kl(m, logvar=v), ((3, 4), (3, 4))),
    "kl of two": (
        lambda m, s, n, v: fj.kl(
            m, std=jnp.exp(s), q_mean=n, q_logvar=v, where=WHERE, reduce="mean"
        ),
        ((2, 1, 4), (), (3, 4), (4,)),
    ),
    "kl of factors": (
        lambda m, a, n, b: fj.kl(
            m,
            scale_tril=jnp.tril(a) + 3 * jnp.eye(3),
            q_mean=n,
            q_scale_tril=jnp.tril(b) + 3 * jnp.eye(3),
        ),
        ((2, 3), (2, 3, 3), (3,), (3, 3)),
    ),
    "categorical_kl": (
        lambda p, q: fj.categorical_kl(logits=p, q_probs=jax.nn.softmax(q), reduce="sum"),
        ((4, 3), (3,)),
    ),
    "kl_flow": (
        lambda z, *others: fj.kl_flow(z, **dict(zip(FLOW, others, strict=True))),
        ((2, 3, 4),) * 4 + ((2,),),
    ),
    "kl_flow by item": (
        lambda z, *others: fj.kl_flow(z, **dict(zip(FLOW, others, strict=True)), reduce="per_item"),
        ((2, 3, 4),) * 4 + ((),),
    ),
}


def arguments(name):
    return [normal(*shape, seed=k) for k, shape in enumerate(CASES[name][1])]


@pytest.mark.parametrize("name", CASES)
def test_finite_differences(x64, name):
    check_grads(CASES[name][0], arguments(name), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_jit_changes_nothing(name):
    function, args = CASES[name][0], arguments(name)

    def total(*args):
        return function(*args).sum()

    which = tuple(range(len(args)))
    plain = jax.value_and_grad(total, argnums=which)(*args)
    compiled = jax.jit(jax.value_and_grad(total, argnums=which))(*args)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), plain, compiled)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(compiled))


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_one_call_with_the_results_of_many(monkeypatch, name):
    function, args = CASES[name][0], arguments(name)
    first = jnp.stack([args[0], 0.5 * args[0], args[0] + 0.1])

    def total(*args):
        return function(*args).sum()

    def mapped(function):
        return jax.vmap(function, in_axes=(0,) + (None,) * (len(args) - 1))

    calls = []
    evaluate = evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", lambda *a: (calls.append(1), evaluate(*a))[1])
    values = mapped(function)(first, *args[1:])
    assert len(calls) == 1
    which = tuple(range(len(args)))
    gradients = mapped(jax.grad(total, argnums=which))(first, *args[1:])
    assert len(calls) == 2
    for k, item in enumerate(first):
        np.testing.assert_allclose(values[k], function(item, *args[1:]), rtol=1e-4, atol=1e-6)
        expected = jax.grad(total, argnums=which)(item, *args[1:])
        for ours, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-4, atol=1e-6)


def test_vmap_refuses_a_log_det_of_items_where_elements_are_wanted():
    arrays = {name: jnp.zeros((3, 2, 3, 4)) for name in ("z_p", "mean_p", "logstd_p", "logstd_q")}
    with pytest.raises(ValueError, match="needs log_det=0"):
        jax.vmap(partial(fj.kl_flow, reduce="none"))(**arrays, log_det=jnp.zeros((3, 2)))
    for calls in (1, 3):
        some = {name: a[:calls] for name, a in arrays.items()}
        values = jax.vmap(partial(fj.kl_flow, reduce="none"))(**some)
        assert values.shape == (calls, 2, 3, 4)


def test_nested_and_compiled_vmap():
    x, y = normal(2, 3, 5, 2), normal(3, 4, 2)
    over = jax.jit(jax.vmap(jax.vmap(partial(fj.mmd2, kernel=RBF(1.0))), in_axes=(0, None)))
    expected = [[fastdiv.mmd2(a, b, RBF(1.0)) for a, b in zip(xs, y, strict=True)] for xs in x]
    np.testing.assert_allclose(over(x, y), expected, rtol=1e-4, atol=1e-6)


def test_mmd2_is_that_of_autodiff(x64):
    x, y = normal(30, 4), normal(40, 4, seed=1)

    def explicit(x, y):
        def kernel(a, b):
            return jnp.exp(-((a[:, None] - b) ** 2).sum(-1) / 8)

        def within(k):
            return (k.sum() - jnp.trace(k)) / (len(k) * (len(k) - 1))

        return within(kernel(x, x)) + within(kernel(y, y)) - 2 * kernel(x, y).mean()

    ours = jax.value_and_grad(partial(fj.mmd2, kernel=RBF(2.0)), argnums=(0, 1))(x, y)
    theirs = jax.value_and_grad(explicit, argnums=(0, 1))(x, y)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), ours, theirs)


def test_no_gradient_but_those_wanted(monkeypatch):
    asked = []
    function = evaluation.FUNCTIONS["mmd2"]

    def recorded(arrays, required, options):
        asked.append(required)
        return function(arrays, required, options)

    monkeypatch.setitem(evaluation.FUNCTIONS, "mmd2", recorded)
    x, y = normal(4, 2), normal(3, 2)
    value = partial(fj.mmd2, kernel=RBF(1.0))
    value(x, y)
    for which in (0, 1, (0, 1)):
        jax.grad(value, argnums=which)(x, y)
    assert asked == [(), ("x",), ("y",), ("x", "y")]


def test_what_a_mask_leaves_out_has_no_gradient():
    mean, logvar = normal(3, 2).at[1].set(np.nan), normal(3, 2).at[1].set(np.inf)
    value, gradient = jax.jit(
        jax.value_and_grad(lambda m: fj.kl(m, logvar=logvar, where=WHERE, reduce="mean"))
    )(mean)
    np.testing.assert_allclose(gradient, np.where(WHERE[:, None], mean / 2, 0), rtol=1e-6)
    np.testing.assert_allclose(value, fj.kl(mean[WHERE], logvar=logvar[WHERE]).mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [
        ("float32", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float16", "float32", "float32"),
        ("bfloat16", "bfloat16", "float32"),
        ("float32", "int32", "float64"),
    ],
)
def test_dtypes(x64, x, y, value):
    a, b = normal(5, 2).astype(x), (3 * normal(4, 2, seed=1)).astype(y)
    result, gradient = jax.value_and_grad(fj.energy_distance)(a, b)
    assert (result.dtype, gradient.dtype) == (value, x)
    same = [np.asarray(array.astype(float)) for array in (a, b)]
    assert float(result) == pytest.approx(fastdiv.energy_distance(*same), rel=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_tolerances_of_half_types(dtype):
    """Probabilities of half types sum to 1 within the rounding of these, not of float32."""
    p, q = (jax.nn.softmax(3 * normal(50, 10, seed=k)).astype(dtype) for k in range(2))
    p += p * 2**-10
    assert jnp.abs(p.astype(jnp.float32).sum(axis=-1) - 1).max() > 2**-11
    loss = partial(fj.categorical_kl, reduce="sum")
    value, gradient = jax.jit(jax.value_and_grad(lambda q: loss(probs=p, q_probs=q)))(q)
    assert gradient.dtype == dtype
    logs = [jnp.log(a.astype(jnp.float32)) for a in (p, q)]
    np.testing.assert_allclose(value, loss(logits=logs[0], q_logits=logs[1]), rtol=1e-4)
    assert fastdiv.Categorical(probs=p).batch_shape == (50,)


def test_numbers_of_numpy_and_jax_are_numbers():
    for one in (np.float32(1), np.int64(1), jnp.asarray(1.0)):
        assert fj.energy_distance(X, Y, exponent=one) == fj.energy_distance(X, Y)
        assert fj.wae_mmd(X, Y, sigma2_p=one) == fj.wae_mmd(X, Y)
        np.testing.assert_array_equal(fj.kl(X, std=one), fj.kl(X, std=1.0))
    assert fj.energy_distance(X, Y, n_threads=np.int64(1)) == fj.energy_distance(X, Y)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_wae_kernels_are_those_of_numpy(kernel):
    for _ in range(2):
        value, gradient = jax.value_and_grad(partial(fj.wae_mmd, kernel=kernel))(X, Y)
        assert value == pytest.approx(fastdiv.wae_mmd(X, Y, kernel=kernel), rel=1e-5)
        assert np.abs(gradient).max() > 0


def test_complex_codes(x64):
    z, prior = (normal(5, 3, seed=k) + 1j * normal(5, 3, seed=k + 1) for k in (0, 2))
    assert fj.wae_mmd(z, prior) == pytest.approx(fastdiv.wae_mmd(z, prior), rel=1e-12)
    parts, others = (jnp.stack([a.real, a.imag], axis=-1) for a in (z, prior))
    of_parts = jax.grad(fj.wae_mmd)(parts, others)
    np.testing.assert_allclose(
        jax.grad(fj.wae_mmd)(z, prior), of_parts[..., 0] - 1j * of_parts[..., 1], rtol=1e-12
    )
    other = jax.grad(lambda z: fj.wae_mmd(z, prior, grad_convention="torch"))(z)
    np.testing.assert_allclose(other, of_parts[..., 0] + 1j * of_parts[..., 1], rtol=1e-12)


@pytest.mark.parametrize(("convention", "expected"), [("torch", 6 + 8j), ("jax", 6 - 8j)])
def test_gradient_of_the_square_of_a_complex_number(convention, expected):
    def square(z):
        return fj.mmd2(z, jnp.zeros(1), Linear(), estimator="biased", grad_convention=convention)

    z = jnp.array([3 + 4j])
    assert jax.grad(square)(z)[0] == expected
    if convention == "jax":
        np.testing.assert_allclose(jax.grad(lambda z: (abs(z) ** 2).sum())(z), expected, rtol=1e-6)


def test_complex_samples_count_as_twice_as_many_features():
    x, y = normal(5, 2, 2), normal(4, 2, 2)
    complex_x, complex_y = (a[..., 0] + 1j * a[..., 1] for a in (x, y))
    expected = fj.energy_distance(x, y)
    assert fj.energy_distance(complex_x, complex_y) == expected
    real = fj.energy_distance(complex_x, y[..., 0])
    np.testing.assert_allclose(real, fj.energy_distance(x, y.at[..., 1].set(0)), rtol=1e-6)


# --- wrong arguments -------------------------------------------------------------------

X, Y = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def traced(function):
    return jax.jit(lambda number: function(number))(1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fj.mmd2([[1.0]], Y), TypeError, "x must be a jax.Array or numpy.ndarray"),
        (lambda: fj.mmd2(X, Y > 0), TypeError, "y must hold real numbers; got dtype bool"),
        (lambda: fj.mmd2(X, Y[:, :2]), ValueError, "same number of features; got 3 and 2"),
        (lambda: fj.mmd2(X[0, 0] * jnp.ones(()), Y), ValueError, "x must be an array of rows"),
        (lambda: fj.mmd2(X * np.nan, Y), ValueError, "x holds 15 NaN"),
        (lambda: fj.mmd2(X, Y, Callback(np.dot)), TypeError, "kernel must have a gradient"),
        (lambda: fj.mmd2(X, Y, estimator="u"), ValueError, "estimator must be one of"),
        (lambda: fj.mmd2(X, Y, grad_convention="tf"), ValueError, "grad_convention must be"),
        (lambda: fj.kl(X, logvar=X * 1j), TypeError, "logvar must hold real numbers"),
        (lambda: fj.kl(X, logvar=0.0, where=X[:, 0] > 99), ValueError, "at least one item"),
        (lambda: fj.kl(X, logvar=0.0, where=X[:3, 0] > 0), ValueError, "where must broadcast"),
        (lambda: fj.kl(X[:0], std=1.0, reduce="mean"), ValueError, "the batch is empty"),
        (lambda: fj.kl(X, std="1"), TypeError, "std must be a jax.Array"),
        (lambda: traced(lambda s: fj.mmd2(X, Y, RBF(s))), TypeError, "bandwidth must be made of"),
        (lambda: traced(lambda s: fj.energy_distance(X, Y, exponent=s)), TypeError, "exponent"),
        (lambda: traced(lambda s: fj.wae_mmd(X, Y, sigma2_p=s)), TypeError, "sigma2_p"),
        (lambda: traced(lambda s: fj.mmd2(X, Y, estimator=s)), TypeError, "estimator must be made"),
        (lambda: traced(lambda s: fj.kl(X, std=1.0, reduce=s)), ValueError, "reduce must be one"),
        (
            lambda: traced(lambda s: fastdiv.mmd2(s * X, Y)),
            TypeError,
            r"^x is traced by JAX .*fastdiv\.jax\.mmd2",
        ),
        (
            lambda: jax.grad(lambda s: fj.mmd2(X, Y, RBF(s)))(1.0),
            TypeError,
            r"mmd2_and_grad\(wrt='bandwidth'\)",
        ),
        (
            lambda: fj.mmd2(X, Y, Sum([RBF(1.0), Callback(np.dot)])),
            TypeError,
            "kernels must have a gradient; got a Callback",
        ),
        (lambda: fj.mmd2(X, Y, Own(1.0)), TypeError, "kernel must be one of fastdiv.kernels; got"),
        (lambda: fastdiv.mmd2(BCOO.fromdense(X), Y), TypeError, r"sparse.*pass x\.todense\(\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


ROWS = jnp.zeros((4, 3))
FLOWS = dict.fromkeys(("mean_p", "logstd_p", "logstd_q"), ROWS[None])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: fj.mmd2(x, ROWS[:, :2]), ValueError, "same number of features; got 3 and 2"),
        (lambda x: fj.mmd2(x, ROWS[0, 0]), ValueError, "y must be an array of rows"),
        (lambda x: fj.mmd2(x, ROWS[0, 0] * 1j), ValueError, "y must be an array of rows"),
        (lambda x: fj.mmd2(x, ROWS[:0]), ValueError, "y has no rows"),
        (lambda x: fj.mmd2(x, ROWS[:1]), ValueError, "y must have at least 2 rows"),
        (lambda x: fj.mmd2(x, ROWS, estimator="v"), ValueError, "estimator must be one of"),
        (lambda x: fj.mmd2(x, ROWS[:3], estimator="paired"), ValueError, "same number of rows"),
        (lambda x: fj.mmd2(x, ROWS, RBF((1.0, 2.0))), ValueError, "bandwidth of RBF must be"),
        (lambda x: fj.mmd2(x, ROWS, n_threads=0), ValueError, "n_threads must be"),
        (lambda x: fj.mmd2(x, ROWS, x_weights=x[:3, 0]), ValueError, "x_weights must have one"),
        (lambda x: fj.energy_distance(x, ROWS, exponent=2.0), ValueError, "exponent must be > 0"),
        (lambda x: fj.wae_mmd(x, ROWS, kernel="rb"), ValueError, "kernel must be one of"),
        (lambda x: fj.wae_mmd(x, ROWS, kernel="rbf", prior="x"), ValueError, "prior must be one"),
        (lambda x: fj.wae_mmd(x, ROWS, sigma2_p=0.0), ValueError, "sigma2_p must be > 0"),
        (lambda x: fj.wae_mmd(x, ROWS[:1]), ValueError, "z_prior must have at least 2 rows"),
        (lambda x: fj.kl(x, std=ROWS[:, :2]), ValueError, r"std must have shape \(..., 3\) for a"),
        (lambda x: fj.kl(x, cov=ROWS), ValueError, r"cov must have shape \(..., 3, 3\) for a mean"),
        (lambda x: fj.kl(x[0, 0], std=1.0), ValueError, r"mean must have shape \(..., d\)"),
        (lambda x: fj.kl(x, std=1.0, q_mean=x, q_var=x[:, 0]), ValueError, "q_var must have shape"),
        (
            lambda x: fj.kl(x, std=1.0, q_mean=x[:, :2], q_var=1.0),
            ValueError,
            "p and q must have the same dimension; got 3 and 2",
        ),
        (lambda x: fj.kl(x, std=1.0, where=x[:, 0]), TypeError, "where must be a boolean mask"),
        (lambda x: fj.kl(x, std=1.0, n_threads=0), ValueError, "n_threads must be"),
        (
            lambda x: fj.categorical_kl(logits=x, q_logits=x[:, :2]),
            ValueError,
            "p and q must have the same number of categories; got 3 and 2",
        ),
        (lambda x: fj.kl_flow(x[None], **FLOWS, reduce="x"), ValueError, "reduce must be one of"),
        (lambda x: fj.kl_flow(x, **FLOWS), ValueError, r"z_p must have shape \(b, h, t\)"),
        (lambda x: fj.kl_flow(x[None], **FLOWS, estimator="k1"), TypeError, "needs noise_q"),
        (lambda x: fj.kl_flow(x[None], **FLOWS, log_det=x), ValueError, "log_det must be a number"),
        (lambda x: fj.kl_flow(x[None], **FLOWS, mask=x), ValueError, "mask must have shape"),
    ],
)
def test_what_no_values_can_make_right_is_refused_when_traced(call, error, message):
    with pytest.raises(error, match=message):
        jax.eval_shape(call, jnp.zeros((4, 3)))


def test_errors_on_the_host_keep_their_message_in_compiled_code():
    with pytest.raises(jax.errors.JaxRuntimeError, match="y holds 15 NaN"):
        jax.jit(fj.energy_distance)(X, Y * np.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: fj.kl(x, std=1.0, q_mean=x, q_std=-1.0), "^q_std must be finite and > 0"),
        (lambda x: fj.kl(x, std=1.0, q_mean=x * np.nan, q_std=1.0), "^q_mean must be finite"),
        (lambda x: fj.kl(x, std=1.0, q_mean=x, q_cov=-jnp.eye(3)), "^q_cov must be positive def"),
        (lambda x: fj.kl(x, std=-1.0, q_mean=x, q_std=1.0), "^std must be finite and > 0"),
        (lambda x: fj.categorical_kl(logits=x, q_probs=x), "^q_probs must be finite and >= 0"),
        (lambda x: fj.wae_mmd(x * np.nan, x), r"^z holds 15 NaN.*clean the data$"),
        (lambda x: fj.mmd2(x, x * np.nan), r"^y holds 15 NaN.*clean the data$"),
    ],
)
def test_errors_name_the_arguments_of_the_call(call, message):
    with pytest.raises(ValueError, match=message):
        call(X)


def test_an_empty_mask_in_a_batch_of_calls_is_refused():
    where = jnp.array([[True] * 5, [False] * 5])
    with pytest.raises(jax.errors.JaxRuntimeError, match="at least one item"):
        jax.vmap(lambda w: fj.kl(X, logvar=0.0, where=w, reduce="mean"))(where)


@pytest.mark.parametrize(
    "second", [lambda f: jax.grad(lambda x: jax.grad(f)(x).sum()), jax.hessian]
)
def test_second_derivatives_are_refused(second):
    with pytest.raises(NotImplementedError, match="no second derivatives"):
        second(lambda x: fj.mmd2(x, Y, RBF(1.0)))(X)
