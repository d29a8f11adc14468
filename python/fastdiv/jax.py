"""
Divergences as differentiable functions of JAX arrays on the CPU.

The functions have the names and arguments of those of `fastdiv.torch`, work under ``jax.jit``,
``jax.grad`` and ``jax.vmap``, and call fastdiv on the host. Gradients are computed with respect to
what is differentiated and nothing else. float32 and float64 are computed as they are, half types
as float32, integers in JAX's default type, and arrays of different dtypes together as float64; the
value has the wider of these dtypes, a gradient that of its array. Without
``jax.config.update("jax_enable_x64", True)`` JAX makes all of them float32. There are no second
derivatives and no forward mode.

A batch of calls by ``jax.vmap`` is one call to the host, and is computed as one: pairs of samples
are one stack for the engine, which takes small items on one thread each, large ones one after the
other on all. (A batch with arguments of more than 16 MB, what its items share counted for each, is
cut.) Kernels, words and numbers other than the data have to be concrete.

Needs JAX: ``pip install 'fastdiv[jax]'``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastdiv import _inputs
from fastdiv.distributions.divergences import REDUCTIONS
from fastdiv.frameworks import calls
from fastdiv.kernels import RBF, Energy, Kernel

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("fastdiv.jax needs JAX: pip install 'fastdiv[jax]'") from error

__all__ = ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"]

_DEFAULT = RBF()


def mmd2(
    x: jax.Array,
    y: jax.Array,
    kernel: Kernel = _DEFAULT,
    *,
    estimator: str = "unbiased",
    x_weights: jax.Array | None = None,
    y_weights: jax.Array | None = None,
    n_threads: int | None = None,
    grad_convention: str = "jax",
) -> jax.Array:
    """
    Estimate the squared maximum mean discrepancy between two samples.

    Parameters
    ----------
    x, y : Array, shapes (n, ...) and (m, ...)
        Samples, as in `fastdiv.mmd2`. Complex samples count as twice as many real features, the
        real and the imaginary parts, which preserves distances; beside complex samples, real ones
        have the imaginary part 0.
    kernel : Kernel, default RBF()
        A single kernel other than `Callback`. A median bandwidth counts as a constant.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        As in `fastdiv.mmd2`.
    x_weights, y_weights : Array, shapes (n,) and (m,), optional
        As in `fastdiv.mmd2`.
    n_threads : int, optional
        Number of threads; see `fastdiv.set_num_threads`.
    grad_convention : {"jax", "torch"}, default "jax"
        The gradient with respect to a complex z = a + bi is ∂L/∂a − i ∂L/∂b, as everywhere in
        JAX; or its conjugate, the direction of steepest ascent, as in torch.

    Returns
    -------
    Array, shape ()
        MMD² in the units of the kernel.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.mmd2`, or if something but the data is a tracer. What is wrong with values
        under ``jax.jit`` reaches the caller as JAX's run-time error, with the message; words,
        shapes and dtypes are checked where JAX traces the call.

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", JMLR 13 (2012) 723–773, equations 3 to 5.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv import RBF
    >>> from fastdiv.jax import mmd2
    >>> x, y = jnp.array([[0.0], [1.0]]), jnp.array([[2.0], [3.0]])
    >>> jax.jit(jax.grad(mmd2), static_argnums=2)(x, y, RBF(1.0)).round(4)
    Array([[ 0.4545],
           [-1.0451]], dtype=float32)
    """
    options = {"kernel": calls.kernel(kernel), "estimator": estimator, "n_threads": n_threads}
    samples = _real({"x": x, "y": y}, grad_convention)
    return _call(
        "mmd2", samples | _arrays({"x_weights": x_weights, "y_weights": y_weights}), options
    )


def energy_distance(
    x: jax.Array,
    y: jax.Array,
    *,
    exponent: float = 1.0,
    estimator: str = "biased",
    x_weights: jax.Array | None = None,
    y_weights: jax.Array | None = None,
    n_threads: int | None = None,
    grad_convention: str = "jax",
) -> jax.Array:
    """
    Estimate the energy distance 2E‖X − Y‖^β − E‖X − X'‖^β − E‖Y − Y'‖^β.

    Where rows coincide and the distance has no derivative, its subgradient 0 is taken.

    Parameters
    ----------
    x, y, x_weights, y_weights, n_threads, grad_convention
        As in `mmd2`.
    exponent : float, default 1.0
        β in the open interval (0, 2).
    estimator : {"biased", "unbiased", "paired"}, default "biased"
        As in `fastdiv.energy_distance`.

    Returns
    -------
    Array, shape ()
        Energy distance in the units of the data to the power β.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `mmd2`.

    References
    ----------
    G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on
    distances", J. Stat. Plan. Inference 143 (2013) 1249–1272.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import energy_distance
    >>> energy_distance(jnp.array([0.0, 1.0]), jnp.array([2.0, 3.0]))
    Array(3., dtype=float32)
    """
    return mmd2(
        x,
        y,
        Energy(exponent),
        estimator=estimator,
        x_weights=x_weights,
        y_weights=y_weights,
        n_threads=n_threads,
        grad_convention=grad_convention,
    )


def wae_mmd(
    z: jax.Array,
    z_prior: jax.Array,
    *,
    kernel: str = "imq",
    prior: str = "normal",
    sigma2_p: float = 1.0,
    n_threads: int | None = None,
    grad_convention: str = "jax",
) -> jax.Array:
    """
    Compute the MMD penalty of Wasserstein autoencoders between latent codes and prior draws.

    Parameters
    ----------
    z, z_prior : Array, shapes (n, ...) and (m, ...)
        Codes of a batch and draws of the prior; trailing axes are flattened to d features, twice
        as many if complex.
    kernel : {"imq", "rbf"}, default "imq"
        As in `fastdiv.wae_mmd`. The bandwidth of "rbf" counts as a constant.
    prior : {"normal", "sphere", "uniform"}, default "normal"
        As in `fastdiv.wae_mmd`.
    sigma2_p : float, default 1.0
        Variance of the prior.
    n_threads : int, optional
        Number of threads; see `fastdiv.set_num_threads`.
    grad_convention : {"jax", "torch"}, default "jax"
        Of gradients with respect to complex codes, as in `mmd2`.

    Returns
    -------
    Array, shape ()
        The penalty. It may be negative.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.wae_mmd`; see `mmd2`.

    References
    ----------
    I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf, "Wasserstein auto-encoders", ICLR (2018).

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import wae_mmd
    >>> z, z_prior = jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[0.5, 0.5], [-1.0, 0.0]])
    >>> jax.grad(wae_mmd)(z, z_prior).shape
    (2, 2)
    """
    variance = _inputs.positive(sigma2_p, "sigma2_p")
    options = {"kernel": kernel, "prior": prior, "sigma2_p": variance, "n_threads": n_threads}
    return _call("wae_mmd", _real({"z": z, "z_prior": z_prior}, grad_convention), options)


def kl(
    mean: jax.Array,
    *,
    std: jax.Array | float | None = None,
    var: jax.Array | float | None = None,
    logstd: jax.Array | float | None = None,
    logvar: jax.Array | float | None = None,
    cov: jax.Array | None = None,
    scale_tril: jax.Array | None = None,
    precision: jax.Array | None = None,
    q_mean: jax.Array | None = None,
    q_std: jax.Array | float | None = None,
    q_var: jax.Array | float | None = None,
    q_logstd: jax.Array | float | None = None,
    q_logvar: jax.Array | float | None = None,
    q_cov: jax.Array | None = None,
    q_scale_tril: jax.Array | None = None,
    q_precision: jax.Array | None = None,
    where: jax.Array | None = None,
    reduce: str = "none",
    n_threads: int | None = None,
) -> jax.Array:
    """
    Compute KL(p ‖ q) between Gaussians; q is the standard normal unless it is given.

    The scale of p is given by exactly one argument, in the words of `fastdiv.Gaussian`, that of q
    by exactly one of those with the prefix ``q_``.

    Parameters
    ----------
    mean, q_mean : Array, shape (..., d)
        Means; the batch shapes of all arguments broadcast.
    std, var, logstd, logvar, q_std, q_var, q_logstd, q_logvar : Array or float, shape (..., d)
        Standard deviations, variances, or their natural logarithms; a scalar serves all features.
    cov, scale_tril, precision, q_cov, q_scale_tril, q_precision : Array, shape (..., d, d)
        Matrices. Gradients with respect to cov and precision are symmetric, those with respect to
        scale_tril lower triangular.
    where : Array of bool, optional
        Mask that broadcasts to the batch shape. Items that it leaves out have value and gradient
        0, whatever their parameters (NaN included), and do not count in a mean.
    reduce : {"none", "sum", "mean"}, default "none"
        Return one value per item, or the sum or mean over the items of the mask.
    n_threads : int, optional
        Number of threads; see `fastdiv.set_num_threads`.

    Returns
    -------
    Array, shape of the batch or ()
        Divergences in nats.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.Gaussian` and `fastdiv.kl`; see `mmd2`.

    References
    ----------
    D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR (2014), appendix B.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import kl
    >>> mean = jnp.array([[0.0, 0.0], [1.0, 2.0]])
    >>> kl(mean, logvar=0.0)
    Array([0. , 2.5], dtype=float32)
    >>> jax.grad(lambda m: kl(m, logvar=0.0, q_mean=mean[0], q_std=2.0, reduce="mean"))(mean)
    Array([[0.   , 0.   ],
           [0.125, 0.25 ]], dtype=float32)
    """
    scales = std, var, logstd, logvar, cov, scale_tril, precision
    q_scales = q_std, q_var, q_logstd, q_logvar, q_cov, q_scale_tril, q_precision
    arguments = calls.gaussian_arguments(mean, scales, q_mean, q_scales)
    return _divergence(arguments, where, reduce, n_threads)


def categorical_kl(
    *,
    probs: jax.Array | None = None,
    logits: jax.Array | None = None,
    q_probs: jax.Array | None = None,
    q_logits: jax.Array | None = None,
    where: jax.Array | None = None,
    reduce: str = "none",
    n_threads: int | None = None,
) -> jax.Array:
    """
    Compute KL(p ‖ q) between categorical distributions.

    Parameters
    ----------
    probs, logits : Array, shape (..., k)
        p, by exactly one of them, as in `fastdiv.Categorical`.
    q_probs, q_logits : Array, shape (..., k)
        q, by exactly one of them. The batch shapes of p and q broadcast.
    where, reduce, n_threads
        As in `kl`.

    Returns
    -------
    Array, shape of the batch or ()
        Divergences in nats; +inf, without a gradient, where p > 0 = q.

    Raises
    ------
    TypeError, ValueError
        As `fastdiv.Categorical` and `fastdiv.kl`, or if a gradient is wanted of an infinite
        divergence; see `mmd2`.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network" (2015),
    arXiv:1503.02531.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import categorical_kl
    >>> teacher = jnp.array([1.0, 0.0])
    >>> jax.grad(lambda q: categorical_kl(probs=teacher, q_logits=q))(jnp.zeros(2))
    Array([-0.5,  0.5], dtype=float32)
    """
    arguments = calls.categorical_arguments(
        {"probs": probs, "logits": logits}, {"q_probs": q_probs, "q_logits": q_logits}
    )
    return _divergence(arguments, where, reduce, n_threads)


def kl_flow(
    z_p: jax.Array,
    *,
    mean_p: jax.Array,
    logstd_p: jax.Array,
    logstd_q: jax.Array,
    log_det: jax.Array | float = 0,
    mask: jax.Array | None = None,
    noise_q: jax.Array | None = None,
    estimator: str = "hybrid",
    reduce: str = "per_frame",
) -> jax.Array:
    """
    Estimate KL(q ‖ p) of a Gaussian posterior and a prior behind a flow: the loss of VITS.

    Parameters
    ----------
    z_p, mean_p, logstd_p, logstd_q, noise_q : Array, shape (b, h, t)
        As in `fastdiv.kl_flow`.
    log_det : float or Array, shape (), (b,) or (b, 1, t), default 0
        As in `fastdiv.kl_flow`.
    mask : Array of bool, 0 or 1, shape (b, 1, t), optional
        Valid frames. It has no gradient.
    estimator : {"hybrid", "k1"}, default "hybrid"
        As in `fastdiv.kl_flow`.
    reduce : {"per_frame", "per_element", "per_item", "none"}, default "per_frame"
        As in `fastdiv.kl_flow`.

    Returns
    -------
    Array, shape (), (b,) for "per_item" or (b, h, t) for "none"
        In nats. It may be negative.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.kl_flow`; see `mmd2`.

    References
    ----------
    J. Kim, J. Kong, J. Son, "Conditional variational autoencoder with adversarial learning for
    end-to-end text-to-speech" (VITS), ICML 2021, equations (3) and (4).

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import kl_flow
    >>> p = {"mean_p": jnp.zeros((1, 1, 2)), "logstd_p": jnp.zeros((1, 1, 2))}
    >>> jax.grad(lambda z: kl_flow(z, **p, logstd_q=p["logstd_p"]))(jnp.array([[[1.0, -2.0]]]))
    Array([[[ 0.5, -1. ]]], dtype=float32)
    """
    given = {"z_p": z_p, "mean_p": mean_p, "logstd_p": logstd_p, "logstd_q": logstd_q}
    arrays = _arrays({**given, "noise_q": noise_q})
    arrays["log_det"] = _number_or_array(log_det, "log_det", arrays["z_p"])
    if reduce == "per_item" and arrays["log_det"].ndim == 0:
        arrays["log_det"] = jnp.broadcast_to(arrays["log_det"], z_p.shape[:1])
    if mask is not None:
        arrays["mask"] = jax.lax.stop_gradient(_on_cpu(mask, "mask"))
    return _call("kl_flow", arrays, {"estimator": estimator, "reduce": reduce})


# --- arguments -------------------------------------------------------------------------


def _arrays(arguments: Mapping[str, object]) -> dict[str, jax.Array]:
    """Check the arrays that were given, and bring them to float32 or float64."""
    return {name: _checked(value, name) for name, value in arguments.items() if value is not None}


def _checked(value: object, name: str) -> jax.Array:
    a = _on_cpu(value, name)
    if a.dtype in (jnp.float32, jnp.float64):
        return a
    if jnp.issubdtype(a.dtype, jnp.floating):
        return a.astype(jnp.float32)
    if jnp.issubdtype(a.dtype, jnp.integer):
        return a.astype(float)
    raise TypeError(f"{name} must hold real numbers; got dtype {a.dtype}")


def _on_cpu(value: object, name: str) -> jax.Array:
    if not isinstance(value, (jax.Array, np.ndarray)):
        raise TypeError(f"{name} must be a jax.Array or numpy.ndarray; got {type(value).__name__}")
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        platforms = {device.platform for device in value.devices()}
        if platforms != {"cpu"}:
            raise TypeError(
                f"{name} is on {' and '.join(sorted(platforms))}, and fastdiv computes on the CPU; "
                f"pass jax.device_put({name}, jax.devices('cpu')[0])"
            )
    return jnp.asarray(value)


def _number_or_array(value: object, name: str, like: jax.Array) -> jax.Array:
    if isinstance(value, calls.NUMBERS):
        return jnp.asarray(value, dtype=like.dtype)
    return _checked(value, name)


def _real(samples: dict[str, jax.Array], convention: str) -> dict[str, jax.Array]:
    """Return samples as real ones, whose last axis holds real and imaginary parts if need be."""
    _inputs.choice(convention, calls.GRAD_CONVENTIONS, "grad_convention")
    arrays = {name: _on_cpu(value, name) for name, value in samples.items()}
    if not any(jnp.iscomplexobj(a) for a in arrays.values()):
        return _arrays(arrays)
    return {name: _parts(a, name, convention) for name, a in arrays.items()}


def _parts(value: jax.Array, name: str, convention: str) -> jax.Array:
    calls.require_rows(value.shape, name)
    if not jnp.iscomplexobj(value):
        value = _checked(value, name)
    parts = jnp.stack([value.real, value.imag], axis=-1)
    if convention == "jax":
        return parts
    sign = jnp.asarray([1.0, -1.0], parts.dtype)
    return sign * parts + jax.lax.stop_gradient((1 - sign) * parts)


# --- distributions ---------------------------------------------------------------------


def _divergence(
    arguments: dict[str, object], where: jax.Array | None, reduce: str, n_threads: int | None
) -> jax.Array:
    """Compute the divergences of a batch, to whose shape all arguments are broadcast first."""
    _inputs.choice(reduce, REDUCTIONS, "reduce")
    (name, value), *others = arguments.items()
    first = _checked(value, name)
    arrays = {name: first} | {name: _number_or_array(value, name, first) for name, value in others}
    batch, shapes = calls.expanded({name: a.shape for name, a in arrays.items()})
    arrays = {name: jnp.broadcast_to(a, shapes[name]) for name, a in arrays.items()}
    if where is not None:
        mask = _on_cpu(where, "where")
        calls.require_batch(mask.shape, batch)
        arrays["where"] = jnp.broadcast_to(mask, batch)
    values = _call("kl", arrays, {"n_threads": n_threads})
    result: jax.Array = calls.reduced(values, arrays.get("where"), reduce)
    return result


# --- the operation ---------------------------------------------------------------------


def _call(function: str, arrays: dict[str, jax.Array], options: Mapping[str, object]) -> jax.Array:
    numbers: list[float] = []
    text = calls.encode((function, tuple(arrays), dict(options)), numbers)
    value: jax.Array = _evaluate(text, tuple(numbers), *arrays.values())
    return value


def _value(text: str, numbers: tuple[float, ...], *arrays: jax.Array) -> Any:
    return _on_host(text, numbers, (False,) * len(arrays), *arrays)[0]


def _forward(text: str, numbers: tuple[float, ...], *primals: Any) -> Any:
    wrt = tuple(each.perturbed for each in primals)
    value, *gradients = _on_host(text, numbers, wrt, *[each.value for each in primals])
    found = iter(gradients)
    return value, [next(found) if each else None for each in wrt]


def _backward(text: str, numbers: tuple[float, ...], gradients: list[Any], of_value: Any) -> Any:
    if isinstance(of_value, jax.custom_derivatives.SymbolicZero):
        return (None,) * len(gradients)
    return tuple(None if each is None else _times(of_value, each) for each in gradients)


def _times(of_value: jax.Array, gradient: jax.Array) -> jax.Array:
    """Multiply by what comes from above; the axes of the value are the first of the array."""
    trailing = (1,) * (gradient.ndim - of_value.ndim)
    return (of_value.reshape(of_value.shape + trailing) * gradient).astype(gradient.dtype)


_evaluate: Any = jax.custom_vjp(_value, nondiff_argnums=(0, 1))
_evaluate.defvjp(_forward, _backward, symbolic_zeros=True)


def _callback(
    text: str, numbers: tuple[float, ...], wrt: tuple[bool, ...], *arrays: jax.Array
) -> Any:
    ndims = [a.ndim for a in arrays]

    def host(*batched: Any) -> list[Any]:
        values = [np.asarray(a) for a in batched]
        return calls.evaluate(text, numbers, values, wrt, ndims)

    if not any(isinstance(a, jax.core.Tracer) for a in arrays):
        return [jnp.asarray(each) for each in host(*arrays)]  # errors reach the caller as they are
    calls.rehearse(text, numbers, [a.shape for a in arrays], [a.dtype for a in arrays])
    floats = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.floating)]
    value_shape = calls.value_shape(text, numbers, [a.shape for a in arrays])
    wanted = [a for a, each in zip(arrays, wrt, strict=True) if each]
    described: Any = jax.ShapeDtypeStruct
    results = [
        described(value_shape, jnp.result_type(*floats)),
        *[described(a.shape, a.dtype) for a in wanted],
    ]
    return jax.pure_callback(host, results, *arrays, vmap_method="expand_dims")


def _no_derivative(*_: object) -> Any:
    raise NotImplementedError("functions of fastdiv.jax have no second derivatives")


_on_host: Any = jax.custom_jvp(_callback, nondiff_argnums=(0, 1, 2))
_on_host.defjvp(_no_derivative)
