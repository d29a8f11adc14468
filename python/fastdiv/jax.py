"""
Divergences as differentiable functions of JAX arrays on the CPU.

The functions have the names and arguments of those of `fastdiv.torch`, work under ``jax.jit``,
``jax.grad`` and ``jax.vmap``, and call fastdiv on the host. Gradients are computed with respect to
what is differentiated and nothing else. float32 and float64 are computed as they are, half types
as float32, and integers in JAX's default type. Arrays of different dtypes are computed together as
float64. The value has the wider of these dtypes, a gradient that of its array. Without
``jax.config.update("jax_enable_x64", True)`` JAX makes all of them float32. There are no second
derivatives and no forward mode.

A batch of calls by ``jax.vmap`` is one call to the host, and is computed as one. Pairs of samples
are one stack for the engine, which takes small items on one thread each, large ones one after the
other on all. A batch whose arguments hold more than two million numbers is cut; shared ones count
for each item. Kernels, words and numbers other than the data have to be concrete.

Needs JAX: ``pip install 'fastdiv[jax]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastdiv.frameworks import arguments, calls, docs, evaluation, functions
from fastdiv.kernels import Energy, Kernel
from fastdiv.kernels.radial import DEFAULT_KERNEL

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("fastdiv.jax needs JAX: pip install 'fastdiv[jax]'") from error

__all__ = ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"]

_documented = docs.documented_for(docs.JAX)


@_documented
def mmd2(
    x: jax.Array, y: jax.Array, kernel: Kernel = DEFAULT_KERNEL, *, estimator: str = "unbiased",
    x_weights: jax.Array | None = None, y_weights: jax.Array | None = None,
    n_threads: int | None = None, grad_convention: str = "jax",
) -> jax.Array:  # fmt: skip
    """
    Estimate the squared maximum mean discrepancy between two samples.

    {sections}

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
    options = {"kernel": kernel, "estimator": estimator, "n_threads": n_threads}
    return _JAX.mmd2(x, y, x_weights, y_weights, grad_convention, options)


@_documented
def energy_distance(
    x: jax.Array, y: jax.Array, *, exponent: float = 1.0, estimator: str = "biased",
    x_weights: jax.Array | None = None, y_weights: jax.Array | None = None,
    n_threads: int | None = None, grad_convention: str = "jax",
) -> jax.Array:  # fmt: skip
    """
    Estimate the energy distance 2E‖X − Y‖^β − E‖X − X'‖^β − E‖Y − Y'‖^β.

    {sections}

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import energy_distance
    >>> energy_distance(jnp.array([0.0, 1.0]), jnp.array([2.0, 3.0]))
    Array(3., dtype=float32)
    """
    options = {"kernel": Energy(exponent), "estimator": estimator, "n_threads": n_threads}
    return _JAX.mmd2(x, y, x_weights, y_weights, grad_convention, options)


@_documented
def wae_mmd(
    z: jax.Array, z_prior: jax.Array, *, kernel: str = "imq", prior: str = "normal",
    sigma2_p: float = 1.0, n_threads: int | None = None, grad_convention: str = "jax",
) -> jax.Array:  # fmt: skip
    """
    Compute the MMD penalty of Wasserstein autoencoders between latents and draws of the prior.

    {sections}

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import wae_mmd
    >>> z, z_prior = jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[0.5, 0.5], [-1.0, 0.0]])
    >>> jax.grad(wae_mmd)(z, z_prior).shape
    (2, 2)
    """
    options = {"kernel": kernel, "prior": prior, "sigma2_p": sigma2_p, "n_threads": n_threads}
    return _JAX.wae_mmd(z, z_prior, grad_convention, options)


@_documented
def kl(
    mean: jax.Array, *, std: jax.Array | float | None = None, var: jax.Array | float | None = None,
    logstd: jax.Array | float | None = None, logvar: jax.Array | float | None = None,
    cov: jax.Array | None = None, scale_tril: jax.Array | None = None,
    precision: jax.Array | None = None, q_mean: jax.Array | None = None,
    q_std: jax.Array | float | None = None, q_var: jax.Array | float | None = None,
    q_logstd: jax.Array | float | None = None, q_logvar: jax.Array | float | None = None,
    q_cov: jax.Array | None = None, q_scale_tril: jax.Array | None = None,
    q_precision: jax.Array | None = None, where: jax.Array | None = None, reduce: str = "none",
    n_threads: int | None = None,
) -> jax.Array:  # fmt: skip
    """
    Compute KL(p ‖ q) between Gaussians. By default q is the standard normal.

    {sections}

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
    return _JAX.kl(mean, scales, q_mean, q_scales, where, reduce, n_threads)


@_documented
def categorical_kl(
    *, probs: jax.Array | None = None, logits: jax.Array | None = None,
    q_probs: jax.Array | None = None, q_logits: jax.Array | None = None,
    where: jax.Array | None = None, reduce: str = "none", n_threads: int | None = None,
) -> jax.Array:  # fmt: skip
    """
    Compute KL(p ‖ q) between categorical distributions.

    {sections}

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import categorical_kl
    >>> teacher = jnp.array([1.0, 0.0])
    >>> jax.grad(lambda q: categorical_kl(probs=teacher, q_logits=q))(jnp.zeros(2))
    Array([-0.5,  0.5], dtype=float32)
    """
    p, q = {"probs": probs, "logits": logits}, {"q_probs": q_probs, "q_logits": q_logits}
    return _JAX.categorical_kl(p, q, where, reduce, n_threads)


@_documented
def kl_flow(
    z_p: jax.Array, *, mean_p: jax.Array, logstd_p: jax.Array, logstd_q: jax.Array,
    log_det: jax.Array | float = 0, mask: jax.Array | None = None,
    noise_q: jax.Array | None = None, estimator: str = "hybrid", reduce: str = "per_frame",
) -> jax.Array:  # fmt: skip
    """
    Estimate KL(q ‖ p) of a Gaussian posterior and a prior behind a flow: the loss of VITS.

    {sections}

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fastdiv.jax import kl_flow
    >>> p = {"mean_p": jnp.zeros((1, 1, 2)), "logstd_p": jnp.zeros((1, 1, 2))}
    >>> jax.grad(lambda z: kl_flow(z, **p, logstd_q=p["logstd_p"]))(jnp.array([[[1.0, -2.0]]]))
    Array([[[ 0.5, -1. ]]], dtype=float32)
    """
    options = {"estimator": estimator, "reduce": reduce}
    return _JAX.kl_flow(z_p, mean_p, logstd_p, logstd_q, noise_q, log_det, mask, options)


# --- arrays ----------------------------------------------------------------------------


class _Jax(functions.Framework[jax.Array]):
    """The functions over JAX arrays."""

    grad_convention = "jax"

    def dense(self, value: object, name: str) -> jax.Array:
        """Return an array, after refusing everything that is not on the CPU."""
        if not isinstance(value, (jax.Array, np.ndarray)):
            raise TypeError(
                f"{name} must be a jax.Array or numpy.ndarray; got {type(value).__name__}"
            )
        if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
            platforms = {device.platform for device in value.devices()}
            if platforms != {"cpu"}:
                raise TypeError(
                    f"{name} is on {' and '.join(sorted(platforms))}, and fastdiv computes on the "
                    f"CPU; pass jax.device_put({name}, jax.devices('cpu')[0])"
                )
        return jnp.asarray(value)

    def checked(self, value: object, name: str) -> jax.Array:
        """Return a real array as float32 or float64."""
        a = self.dense(value, name)
        if a.dtype in (jnp.float32, jnp.float64):
            return a
        if jnp.issubdtype(a.dtype, jnp.floating):
            return a.astype(jnp.float32)
        if jnp.issubdtype(a.dtype, jnp.integer):
            return a.astype(float)
        raise TypeError(f"{name} must hold real numbers; got dtype {a.dtype}")

    def mask(self, value: object, name: str) -> jax.Array:
        """Return an array without a gradient."""
        return self.without_gradient(self.dense(value, name))

    def constant(self, value: object, like: jax.Array) -> jax.Array:
        """Return numbers as an array of the dtype of another."""
        return jnp.asarray(value, like.dtype)

    def expanded(self, a: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Broadcast an array to a shape."""
        return jnp.broadcast_to(a, shape)

    def without_gradient(self, a: jax.Array) -> jax.Array:
        """Return an array as a constant."""
        constant: jax.Array = jax.lax.stop_gradient(a)
        return constant

    def is_complex(self, a: jax.Array) -> bool:
        """Return whether an array is complex."""
        return bool(jnp.iscomplexobj(a))

    def parts(self, a: jax.Array) -> jax.Array:
        """Put real and imaginary parts along a new last axis."""
        return jnp.stack([a.real, a.imag], axis=-1)

    def call(
        self,
        function: str,
        arrays: dict[str, jax.Array],
        options: Mapping[str, object],
        reduce: str = "none",
    ) -> jax.Array:
        """Evaluate a call, or record it where JAX traces one, and reduce its values."""
        call = calls.call_of(function, arrays, options)
        values = _evaluate(call, *arrays.values())
        value: jax.Array = arguments.reduced(values, arrays.get("where"), reduce)
        return value


_JAX = _Jax()


# --- the operation ---------------------------------------------------------------------


def _value(call: calls.Call, *arrays: jax.Array) -> Any:
    """Evaluate a call without gradients."""
    return _on_host(call, (False,) * len(arrays), *arrays)[0]


def _forward(call: calls.Call, *primals: Any) -> Any:
    """Evaluate a call with the gradients that JAX asks for."""
    wrt = tuple(primal.perturbed for primal in primals)
    value, *gradients = _on_host(call, wrt, *[primal.value for primal in primals])
    return value, evaluation.placed(gradients, wrt)


def _backward(call: calls.Call, gradients: list[Any], upstream: Any) -> Any:
    """Multiply the gradients by that of the value."""
    if isinstance(upstream, jax.custom_derivatives.SymbolicZero):
        return (None,) * len(gradients)
    return tuple(
        None if gradient is None else functions.times(upstream, gradient).astype(gradient.dtype)
        for gradient in gradients
    )


_differentiated: Any = jax.custom_vjp(_value, nondiff_argnums=(0,))
_differentiated.defvjp(_forward, _backward, symbolic_zeros=True)


def _evaluate(call: calls.Call, *arrays: jax.Array) -> Any:
    """Evaluate a call, now if there are values."""
    return (_differentiated if _are_traced(arrays) else _value)(call, *arrays)


def _on_host(call: calls.Call, wrt: tuple[bool, ...], *arrays: jax.Array) -> Any:
    """Evaluate a call with some gradients, now if there are values."""
    if _are_traced(arrays):
        return _recorded(call, wrt, *arrays)
    # Errors reach the caller as they are.
    results = evaluation.evaluate(call, [np.asarray(a) for a in arrays], wrt)
    return [jnp.asarray(result) for result in results]


def _are_traced(arrays: Sequence[jax.Array]) -> bool:
    """Tell whether JAX traces an array, which has no values then."""
    return any([isinstance(a, jax.core.Tracer) for a in arrays])


def _record(call: calls.Call, wrt: tuple[bool, ...], *arrays: jax.Array) -> Any:
    """Record that the host has to evaluate a call when there are values."""
    ndims = [a.ndim for a in arrays]

    def host(*batched: Any) -> list[Any]:
        return evaluation.evaluate(call, [np.asarray(a) for a in batched], wrt, ndims)

    calls.rehearse(call, [a.shape for a in arrays], [a.dtype for a in arrays])
    floats = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.floating)]
    value_shape = calls.value_shape(call, [a.shape for a in arrays])
    described: Any = jax.ShapeDtypeStruct
    results = [
        described(value_shape, jnp.result_type(*floats)),
        *[described(a.shape, a.dtype) for a in evaluation.only_required(arrays, wrt)],
    ]
    return jax.pure_callback(host, results, *arrays, vmap_method="expand_dims")


def _no_derivative(*_: object) -> Any:
    """Refuse a second derivative."""
    raise NotImplementedError("functions of fastdiv.jax have no second derivatives")


_recorded: Any = jax.custom_jvp(_record, nondiff_argnums=(0, 1))
_recorded.defjvp(_no_derivative)
