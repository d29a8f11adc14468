"""
Hold the docstrings that `fastdiv.torch` and `fastdiv.jax` share, each written once.

A function holds its own summary and examples. `documented_for` puts all other sections in the place
of ``{sections}``, in the words of a framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Template
from typing import Any, TypeVar

from fastdiv import _docs

SECTIONS = {
    "mmd2": """\
Parameters
----------
x, y : $array, shapes (n, ...) and (m, ...)
    Samples, as in `fastdiv.mmd2`. A complex feature counts as two real ones, its real and
    imaginary part, which preserves distances. Beside complex samples, real ones have the
    imaginary part 0.
kernel : Kernel, default RBF()
    A single kernel other than `Callback`. A median bandwidth counts as a constant.
estimator : {"unbiased", "biased", "paired"}, default "unbiased"
    As in `fastdiv.mmd2`.
x_weights, y_weights : $array, shapes (n,) and (m,), optional
    As in `fastdiv.mmd2`.
{n_threads}
grad_convention : $conventions
    $grad_convention

Returns
-------
$array, shape ()
    MMD² in the units of the kernel.

Raises
------
TypeError, ValueError, OverflowError
    As `fastdiv.mmd2`, or if $refused_data
$notes
{References: gretton_2012}
Equations 3 to 5.""",
    "energy_distance": """\
Rows that coincide have the subgradient 0, because their distance has no derivative.

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
$array, shape ()
    Energy distance in the units of the data to the power β.

Raises
------
TypeError, ValueError, OverflowError
    As `mmd2`.

{References: szekely_2013}""",
    "wae_mmd": """\
Parameters
----------
z, z_prior : $array, shapes (n, ...) and (m, ...)
    Latents of a batch and draws of the prior. Trailing axes are flattened to d features, twice
    as many if complex.
kernel : {"imq", "rbf"}, default "imq"
    As in `fastdiv.wae_mmd`. The bandwidth of "rbf" counts as a constant.
prior : {"normal", "sphere", "uniform"}, default "normal"
    As in `fastdiv.wae_mmd`.
sigma2_p : float, default 1.0
    Variance of the prior.
{n_threads}
grad_convention : $conventions
    Convention of gradients with respect to complex latents, as in `mmd2`.

Returns
-------
$array, shape ()
    The penalty. It may be negative.

Raises
------
TypeError, ValueError, OverflowError
    As `fastdiv.wae_mmd`$refused
$notes
{References: tolstikhin_2018}""",
    "kl": """\
The scale of p is given by exactly one argument, in the words of `fastdiv.Gaussian`, that of q
by exactly one of those with the prefix ``q_``.

Parameters
----------
mean, q_mean : $array, shape (..., d)
    Means; the batch shapes of all arguments broadcast.
std, var, logstd, logvar, q_std, q_var, q_logstd, q_logvar : $array or float, shape (..., d)
    Standard deviations, variances, or their natural logarithms; a scalar serves all features.
cov, scale_tril, precision, q_cov, q_scale_tril, q_precision : $array, shape (..., d, d)
    Matrices. Gradients with respect to cov and precision are symmetric, those with respect to
    scale_tril lower triangular.
where : $array of bool, optional
    Mask that broadcasts to the batch shape. Items that it leaves out have value and gradient
    0, whatever their parameters (NaN included), and do not count in a mean.
reduce : {"none", "sum", "mean"}, default "none"
    Return one value per item, or the sum or mean over the items of the mask.
{n_threads}

Returns
-------
$array, shape of the batch or ()
    Divergences in nats.

Raises
------
TypeError, ValueError, OverflowError
    As `fastdiv.Gaussian` and `fastdiv.kl`$refused
$notes
References
----------
D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR (2014), appendix B.""",
    "categorical_kl": """\
Parameters
----------
probs, logits : $array, shape (..., k)
    p, by exactly one of them, as in `fastdiv.Categorical`.
q_probs, q_logits : $array, shape (..., k)
    q, by exactly one of them. The batch shapes of p and q broadcast.
where, reduce, n_threads
    As in `kl`.

Returns
-------
$array, shape of the batch or ()
    Divergences in nats. One is +inf, without a gradient, if p > 0 = q in a category.

Raises
------
TypeError, ValueError
    As `kl`, but with `fastdiv.Categorical`; or if the gradient of an infinite divergence is
    required.

{References: hinton_2015}""",
    "kl_flow": """\
Parameters
----------
z_p, mean_p, logstd_p, logstd_q, noise_q : $array, shape (b, h, t)
    As in `fastdiv.kl_flow`.
log_det : float or $array, shape (), (b,) or (b, 1, t), default 0
    As in `fastdiv.kl_flow`.
mask : $array of bool, 0 or 1, shape (b, 1, t), optional
    Valid frames. It has no gradient.
estimator : {"hybrid", "k1"}, default "hybrid"
    As in `fastdiv.kl_flow`.
reduce : {"per_frame", "per_element", "per_item", "none"}, default "per_frame"
    As in `fastdiv.kl_flow`.

Returns
-------
$array, shape (), (b,) for "per_item" or (b, h, t) for "none"
    Divergence in nats. It may be negative.

Raises
------
TypeError, ValueError, OverflowError
    As `fastdiv.kl_flow`$refused

{References: kim_2021}""",
}

TORCH = {
    "array": "Tensor",
    "conventions": '{"torch", "jax"}, default "torch"',
    "grad_convention": """\
The gradient with respect to a complex z = a + bi is ∂L/∂a + i ∂L/∂b, the direction of
    steepest ascent, as everywhere in torch; or its conjugate, as in JAX.""",
    "refused": ", or if a tensor is not dense and on the CPU.",
    "refused_data": "a tensor is not dense and on the CPU.",
    "notes": """
Notes
-----
A second derivative is an error. Under `torch.compile`, ``torch.autograd.grad`` takes it as 0
in silence for tensors that the compiled function computes. ``backward()`` does not.
""",
}

JAX = {
    "array": "Array",
    "conventions": '{"jax", "torch"}, default "jax"',
    "grad_convention": """\
The gradient with respect to a complex z = a + bi is ∂L/∂a − i ∂L/∂b, as everywhere in
    JAX; or its conjugate, the direction of steepest ascent, as in torch.""",
    "refused": "; see `mmd2`.",
    "refused_data": """\
something but the data is a tracer. Under ``jax.jit`` words, shapes
    and dtypes are checked where JAX traces the call. An error about values reaches the caller
    as JAX's run-time error, with the message.""",
    "notes": "",
}


_Function = TypeVar("_Function", bound=Callable[..., Any])


def documented_for(words: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Return a decorator that puts the shared sections into a docstring, in these words."""

    def fill(function: _Function) -> _Function:
        sections = Template(SECTIONS[function.__name__]).substitute(words)
        return _docs.documented(function, {**_docs.PASSAGES, "sections": sections})

    return fill
