"""
Divergences as differentiable functions of PyTorch tensors on the CPU.

`mmd2`, `energy_distance`, `wae_mmd` and `kl_flow` call those of `fastdiv`, without a copy of the
data, and have their arguments but for `nan_policy` and `progress`. They take one kernel: neither a
sequence nor a `Callback` nor a subclass of your own. `grad_convention` is about complex samples.
`kl` takes the parameters of `fastdiv.Gaussian` and `categorical_kl` those of
`fastdiv.Categorical`, where `fastdiv.kl` takes distributions. Parameters of kernels and other
options are constants.

Gradients flow to every tensor that requires grad and to no other. float32 and
float64 are computed as they are, half types as float32, integers as float64, and tensors of
different dtypes together as float64; the value has the wider of these dtypes, a gradient that of
its tensor. There are no second derivatives, which are an error, and no transformations of
`torch.func`.

Everything works inside `torch.compile`, which sees one opaque operation, but a kernel with a
bandwidth per feature has to be made outside if the graph must not break. There too a second
derivative by ``backward()`` is an error, and by ``torch.autograd.grad`` if the tensors are inputs
of the compiled function. For tensors computed within, ``torch.autograd.grad`` of PyTorch 2.13 takes
it as 0 without an error, as it does for functions of its own.

Tensors must be dense and on the CPU. Needs PyTorch: ``pip install 'fastdiv[torch]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastdiv import _inputs
from fastdiv.distributions.divergences import REDUCTIONS
from fastdiv.frameworks import calls
from fastdiv.kernels import RBF, Energy, Kernel

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise ImportError("fastdiv.torch needs PyTorch: pip install 'fastdiv[torch]'") from error

__all__ = ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"]

_DEFAULT = RBF()


def mmd2(
    x: Tensor,
    y: Tensor,
    kernel: Kernel = _DEFAULT,
    *,
    estimator: str = "unbiased",
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    n_threads: int | None = None,
    grad_convention: str = "torch",
) -> Tensor:
    """
    Estimate the squared maximum mean discrepancy between two samples.

    Parameters
    ----------
    x, y : Tensor, shapes (n, ...) and (m, ...)
        Samples, as in `fastdiv.mmd2`. Complex samples count as twice as many real features, the
        real and the imaginary parts, which preserves distances; beside complex samples, real ones
        have the imaginary part 0.
    kernel : Kernel, default RBF()
        A single kernel other than `Callback`. A median bandwidth counts as a constant.
    estimator : {"unbiased", "biased", "paired"}, default "unbiased"
        As in `fastdiv.mmd2`.
    x_weights, y_weights : Tensor, shapes (n,) and (m,), optional
        As in `fastdiv.mmd2`.
    n_threads : int, optional
        Number of threads; see `fastdiv.set_num_threads`.
    grad_convention : {"torch", "jax"}, default "torch"
        The gradient with respect to a complex z = a + bi is ∂L/∂a + i ∂L/∂b, the direction of
        steepest ascent, as everywhere in torch; or its conjugate, as in JAX.

    Returns
    -------
    Tensor, shape ()
        MMD² in the units of the kernel.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.mmd2`, or if a tensor is not dense and on the CPU.

    Notes
    -----
    A second derivative is an error; but where `torch.compile` compiles a function that computes
    the samples within, ``torch.autograd.grad`` takes it as 0 in silence. ``backward()`` does not.

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
    test", JMLR 13 (2012) 723–773, equations 3 to 5.

    Examples
    --------
    >>> import torch
    >>> from fastdiv import RBF
    >>> from fastdiv.torch import mmd2
    >>> x = torch.tensor([[0.0], [1.0]], requires_grad=True)
    >>> loss = mmd2(x, torch.tensor([[2.0], [3.0]]), RBF(1.0))
    >>> loss.backward()
    >>> x.grad.round(decimals=4)
    tensor([[ 0.4545],
            [-1.0451]])
    """
    options = {"kernel": calls.kernel(kernel), "estimator": estimator, "n_threads": n_threads}
    samples = _real({"x": x, "y": y}, grad_convention)
    return _call(
        "mmd2", samples | _tensors({"x_weights": x_weights, "y_weights": y_weights}), options
    )


def energy_distance(
    x: Tensor,
    y: Tensor,
    *,
    exponent: float = 1.0,
    estimator: str = "biased",
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
    n_threads: int | None = None,
    grad_convention: str = "torch",
) -> Tensor:
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
    Tensor, shape ()
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
    >>> import torch
    >>> from fastdiv.torch import energy_distance
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> energy_distance(x, torch.tensor([2.0, 3.0])).backward()
    >>> x.grad
    tensor([-0.5000, -1.5000])
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
    z: Tensor,
    z_prior: Tensor,
    *,
    kernel: str = "imq",
    prior: str = "normal",
    sigma2_p: float = 1.0,
    n_threads: int | None = None,
    grad_convention: str = "torch",
) -> Tensor:
    """
    Compute the MMD penalty of Wasserstein autoencoders between latent codes and prior draws.

    Parameters
    ----------
    z, z_prior : Tensor, shapes (n, ...) and (m, ...)
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
    grad_convention : {"torch", "jax"}, default "torch"
        Of gradients with respect to complex codes, as in `mmd2`.

    Returns
    -------
    Tensor, shape ()
        The penalty. It may be negative.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.wae_mmd`, or if a tensor is not dense and on the CPU.

    Notes
    -----
    A second derivative is an error; but where `torch.compile` compiles a function that computes
    the codes within, ``torch.autograd.grad`` takes it as 0 in silence. ``backward()`` does not.

    References
    ----------
    I. Tolstikhin, O. Bousquet, S. Gelly, B. Schölkopf, "Wasserstein auto-encoders", ICLR (2018).

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import wae_mmd
    >>> z = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> wae_mmd(z, torch.tensor([[0.5, 0.5], [-1.0, 0.0]])).backward()
    >>> z.grad.shape
    torch.Size([2, 2])
    """
    variance = _inputs.positive(sigma2_p, "sigma2_p")
    options = {"kernel": kernel, "prior": prior, "sigma2_p": variance, "n_threads": n_threads}
    return _call("wae_mmd", _real({"z": z, "z_prior": z_prior}, grad_convention), options)


def kl(
    mean: Tensor,
    *,
    std: Tensor | float | None = None,
    var: Tensor | float | None = None,
    logstd: Tensor | float | None = None,
    logvar: Tensor | float | None = None,
    cov: Tensor | None = None,
    scale_tril: Tensor | None = None,
    precision: Tensor | None = None,
    q_mean: Tensor | None = None,
    q_std: Tensor | float | None = None,
    q_var: Tensor | float | None = None,
    q_logstd: Tensor | float | None = None,
    q_logvar: Tensor | float | None = None,
    q_cov: Tensor | None = None,
    q_scale_tril: Tensor | None = None,
    q_precision: Tensor | None = None,
    where: Tensor | None = None,
    reduce: str = "none",
    n_threads: int | None = None,
) -> Tensor:
    """
    Compute KL(p ‖ q) between Gaussians; q is the standard normal unless it is given.

    The scale of p is given by exactly one argument, in the words of `fastdiv.Gaussian`, that of q
    by exactly one of those with the prefix ``q_``.

    Parameters
    ----------
    mean, q_mean : Tensor, shape (..., d)
        Means; the batch shapes of all arguments broadcast.
    std, var, logstd, logvar, q_std, q_var, q_logstd, q_logvar : Tensor or float, shape (..., d)
        Standard deviations, variances, or their natural logarithms; a scalar serves all features.
    cov, scale_tril, precision, q_cov, q_scale_tril, q_precision : Tensor, shape (..., d, d)
        Matrices. Gradients with respect to cov and precision are symmetric, those with respect to
        scale_tril lower triangular.
    where : Tensor of bool, optional
        Mask that broadcasts to the batch shape. Items that it leaves out have value and gradient
        0, whatever their parameters (NaN included), and do not count in a mean.
    reduce : {"none", "sum", "mean"}, default "none"
        Return one value per item, or the sum or mean over the items of the mask.
    n_threads : int, optional
        Number of threads; see `fastdiv.set_num_threads`.

    Returns
    -------
    Tensor, shape of the batch or ()
        Divergences in nats.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.Gaussian` and `fastdiv.kl`, or if a tensor is not dense and on the CPU.

    Notes
    -----
    A second derivative is an error; but where `torch.compile` compiles a function that computes
    parameters within, ``torch.autograd.grad`` takes it as 0 in silence. ``backward()`` does not.

    References
    ----------
    D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR (2014), appendix B.

    Examples
    --------
    The loss of a variational autoencoder, and one with a learned prior:

    >>> import torch
    >>> from fastdiv.torch import kl
    >>> mean, logvar = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3)
    >>> kl(mean, logvar=logvar).detach()
    tensor([0., 0.])
    >>> kl(mean, logvar=0.0, q_mean=torch.ones(3), q_logvar=0.0, reduce="mean").backward()
    >>> mean.grad
    tensor([[-0.5000, -0.5000, -0.5000],
            [-0.5000, -0.5000, -0.5000]])
    """
    scales = std, var, logstd, logvar, cov, scale_tril, precision
    q_scales = q_std, q_var, q_logstd, q_logvar, q_cov, q_scale_tril, q_precision
    arguments = calls.gaussian_arguments(mean, scales, q_mean, q_scales)
    return _divergence(arguments, where, reduce, n_threads)


def categorical_kl(
    *,
    probs: Tensor | None = None,
    logits: Tensor | None = None,
    q_probs: Tensor | None = None,
    q_logits: Tensor | None = None,
    where: Tensor | None = None,
    reduce: str = "none",
    n_threads: int | None = None,
) -> Tensor:
    """
    Compute KL(p ‖ q) between categorical distributions.

    Parameters
    ----------
    probs, logits : Tensor, shape (..., k)
        p, by exactly one of them, as in `fastdiv.Categorical`.
    q_probs, q_logits : Tensor, shape (..., k)
        q, by exactly one of them. The batch shapes of p and q broadcast.
    where, reduce, n_threads
        As in `kl`.

    Returns
    -------
    Tensor, shape of the batch or ()
        Divergences in nats; +inf, without a gradient, where p > 0 = q.

    Raises
    ------
    TypeError, ValueError
        As `fastdiv.Categorical` and `fastdiv.kl`, if a tensor is not dense and on the CPU, or if
        a gradient is wanted of an infinite divergence.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network" (2015),
    arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import categorical_kl
    >>> student = torch.zeros(3, requires_grad=True)
    >>> categorical_kl(probs=torch.tensor([0.5, 0.5, 0.0]), q_logits=student).backward()
    >>> student.grad
    tensor([-0.1667, -0.1667,  0.3333])
    """
    arguments = calls.categorical_arguments(
        {"probs": probs, "logits": logits}, {"q_probs": q_probs, "q_logits": q_logits}
    )
    return _divergence(arguments, where, reduce, n_threads)


def kl_flow(
    z_p: Tensor,
    *,
    mean_p: Tensor,
    logstd_p: Tensor,
    logstd_q: Tensor,
    log_det: Tensor | float = 0,
    mask: Tensor | None = None,
    noise_q: Tensor | None = None,
    estimator: str = "hybrid",
    reduce: str = "per_frame",
) -> Tensor:
    """
    Estimate KL(q ‖ p) of a Gaussian posterior and a prior behind a flow: the loss of VITS.

    Parameters
    ----------
    z_p, mean_p, logstd_p, logstd_q, noise_q : Tensor, shape (b, h, t)
        As in `fastdiv.kl_flow`.
    log_det : float or Tensor, shape (), (b,) or (b, 1, t), default 0
        As in `fastdiv.kl_flow`.
    mask : Tensor of bool, 0 or 1, shape (b, 1, t), optional
        Valid frames. It has no gradient.
    estimator : {"hybrid", "k1"}, default "hybrid"
        As in `fastdiv.kl_flow`.
    reduce : {"per_frame", "per_element", "per_item", "none"}, default "per_frame"
        As in `fastdiv.kl_flow`.

    Returns
    -------
    Tensor, shape (), (b,) for "per_item" or (b, h, t) for "none"
        In nats. It may be negative.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As `fastdiv.kl_flow`, or if a tensor is not dense and on the CPU.

    References
    ----------
    J. Kim, J. Kong, J. Son, "Conditional variational autoencoder with adversarial learning for
    end-to-end text-to-speech" (VITS), ICML 2021, equations (3) and (4).

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import kl_flow
    >>> zeros, z_p = torch.zeros(1, 1, 2), torch.tensor([[[1.0, -2.0]]], requires_grad=True)
    >>> kl_flow(z_p, mean_p=zeros, logstd_p=zeros, logstd_q=zeros).backward()
    >>> z_p.grad
    tensor([[[ 0.5000, -1.0000]]])
    """
    given = {"z_p": z_p, "mean_p": mean_p, "logstd_p": logstd_p, "logstd_q": logstd_q}
    tensors = _tensors({**given, "noise_q": noise_q})
    log = log_det if isinstance(log_det, Tensor) else tensors["z_p"].new_tensor(log_det)
    tensors["log_det"] = _checked(log, "log_det")
    if reduce == "per_item" and log.ndim == 0:
        tensors["log_det"] = tensors["log_det"].expand(z_p.shape[:1])
    if mask is not None:
        tensors["mask"] = _mask(mask, "mask")
    return _call("kl_flow", tensors, {"estimator": estimator, "reduce": reduce})


# --- arguments -------------------------------------------------------------------------


def _tensors(arguments: Mapping[str, object]) -> dict[str, Tensor]:
    """Check the tensors that were given, and bring them to float32 or float64."""
    return {name: _checked(value, name) for name, value in arguments.items() if value is not None}


def _checked(value: object, name: str) -> Tensor:
    tensor = _dense(value, name)
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers; got dtype {tensor.dtype}")
    return tensor.float() if tensor.is_floating_point() else tensor.double()


def _dense(value: object, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(value).__name__}")
    if value.is_nested:
        raise TypeError(f"{name} must be a dense tensor; got a nested one")
    if value.is_meta:
        raise TypeError(
            f"{name} is on device meta, which holds no values; pass a tensor on the CPU"
        )
    if value.device.type != "cpu":
        raise TypeError(
            f"{name} is on device {value.device}, and fastdiv computes on the CPU; "
            f"pass {name}.cpu()"
        )
    if value.is_quantized:
        raise TypeError(f"{name} is quantized; pass {name}.dequantize()")
    if value.layout != torch.strided:
        raise TypeError(f"{name} must be dense; got layout {value.layout}; pass {name}.to_dense()")
    return value


def _mask(value: object, name: str) -> Tensor:
    tensor = _dense(value, name)
    if tensor.requires_grad:
        raise TypeError(f"{name} requires grad, but has no gradient; pass {name}.detach()")
    return tensor


def _real(samples: dict[str, Tensor], convention: str) -> dict[str, Tensor]:
    """Return samples as real ones, whose last axis holds real and imaginary parts if need be."""
    _inputs.choice(convention, calls.GRAD_CONVENTIONS, "grad_convention")
    dense = {name: _dense(value, name) for name, value in samples.items()}
    if not any([value.is_complex() for value in dense.values()]):
        return _tensors(dense)
    return {name: _parts(value, name, convention) for name, value in dense.items()}


def _parts(value: Tensor, name: str, convention: str) -> Tensor:
    calls.require_rows(value.shape, name)
    if not value.is_complex():
        real = _checked(value, name)
        return torch.stack([real, torch.zeros_like(real)], -1)
    if value.dtype == torch.complex32:
        value = value.to(torch.complex64)
    parts = torch.view_as_real(value.resolve_conj())
    if convention == "torch":
        return parts
    sign = parts.new_tensor([1.0, -1.0])
    return sign * parts + ((1 - sign) * parts).detach()


# --- distributions ---------------------------------------------------------------------


def _divergence(
    arguments: dict[str, object], where: Tensor | None, reduce: str, n_threads: int | None
) -> Tensor:
    """Compute the divergences of a batch, to whose shape all arguments are expanded first."""
    _inputs.choice(reduce, REDUCTIONS, "reduce")
    tensors: dict[str, Tensor] = {}
    for name, value in arguments.items():
        if isinstance(value, calls.NUMBERS) and tensors:
            value = torch.tensor(value, dtype=next(iter(tensors.values())).dtype)
        tensors[name] = _checked(value, name)
    batch, shapes = calls.expanded({name: t.shape for name, t in tensors.items()})
    tensors = {  # no view where none is needed: see _multiply
        name: t if t.shape == shapes[name] else t.expand(shapes[name])
        for name, t in tensors.items()
    }
    if where is not None:
        mask = _mask(where, "where")
        calls.require_batch(mask.shape, batch)
        tensors["where"] = mask.expand(batch)
    values = _call("kl", tensors, {"n_threads": n_threads})
    result: Tensor = calls.reduced(values, tensors.get("where"), reduce)
    return result


# --- the operation ---------------------------------------------------------------------


def _call(function: str, tensors: dict[str, Tensor], options: Mapping[str, object]) -> Tensor:
    numbers: list[float] = []
    text = calls.encode((function, tuple(tensors), dict(options)), numbers)
    wrt = [torch.is_grad_enabled() and each.requires_grad for each in tensors.values()]
    if torch.compiler.is_compiling():
        traced: Tensor = _evaluate(text, numbers, list(tensors.values()), wrt)[0]
        return traced
    try:
        value: Tensor = _apply(text, numbers, wrt, *tensors.values())
    except RuntimeError as error:
        if "functorch" not in str(error):
            raise
        raise NotImplementedError(
            "functions of fastdiv.torch have no transformations of torch.func, such as grad and "
            "vmap; use backward() or torch.autograd.grad, and a loop over a batch of samples"
        ) from error
    return value


def _on_arrays(
    text: str, numbers: list[float], tensors: Sequence[Tensor], wrt: list[bool]
) -> list[Tensor]:
    arrays = [each.detach().resolve_neg().numpy() for each in tensors]
    return [torch.from_numpy(a) for a in calls.evaluate(text, numbers, arrays, wrt)]


def _times(of_value: Tensor, gradient: Tensor) -> Tensor:
    """Multiply by what comes from above; the axes of the value are the first of the tensor."""
    trailing = (1,) * (gradient.ndim - of_value.ndim)
    return (of_value.reshape(of_value.shape + trailing) * gradient).to(gradient.dtype)


class _Function(torch.autograd.Function):
    """A call outside torch.compile, where it costs less than the operation below."""

    @staticmethod
    def forward(
        ctx: Any, text: str, numbers: list[float], wrt: list[bool], *tensors: Tensor
    ) -> Tensor:
        value, *gradients = _on_arrays(text, numbers, tensors, wrt)
        wanted = [each for each, flag in zip(tensors, wrt, strict=True) if flag]
        ctx.save_for_backward(*gradients, *wanted)
        ctx.wrt = wrt
        return value

    @staticmethod
    def backward(ctx: Any, *of_values: Tensor) -> Any:
        (of_value,), saved = of_values, ctx.saved_tensors  # which may be read once only
        gradients, tensors = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        if torch.is_grad_enabled():  # the gradient is to be differentiated
            found = iter([_multiply(of_value, each, tensors) for each in gradients])
        else:
            found = iter([_times(of_value, each) for each in gradients])
        return (None, None, None, *[next(found) if wanted else None for wanted in ctx.wrt])


_apply: Any = _Function.apply
_NO_SECOND = "functions of fastdiv.torch have no second derivatives"

# The same as one operation of torch.compile: the value, and the gradients that are wanted.
_evaluate = torch.library.custom_op(
    "fastdiv::evaluate",
    _on_arrays,
    mutates_args=(),
    schema="(str text, float[] numbers, Tensor[] tensors, bool[] wrt) -> Tensor[]",
)


def _shapes(text: str, numbers: list[float], tensors: list[Tensor], wrt: list[bool]) -> Any:
    shape = calls.value_shape(text, numbers, [each.shape for each in tensors])
    floats = [each.dtype for each in tensors if each.is_floating_point()]
    dtype = torch.float64 if torch.float64 in floats else torch.float32
    wanted = [each for each, flag in zip(tensors, wrt, strict=True) if flag]
    return [
        tensors[0].new_empty(shape, dtype=dtype),
        *[each.new_empty(each.shape) for each in wanted],
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    _, numbers, tensors, ctx.wrt = inputs
    ctx.no_numbers = None if numbers else []  # an empty list passes for one of tensors
    ctx.set_materialize_grads(False)
    wanted = [each for each, flag in zip(tensors, ctx.wrt, strict=True) if flag]
    ctx.save_for_backward(*output[1:], *wanted)


def _backward(ctx: Any, grads: list[Tensor | None]) -> Any:
    of_value, *of_gradients = grads
    if of_value is None or any([each is not None for each in of_gradients]):
        raise NotImplementedError(_NO_SECOND)
    saved = ctx.saved_tensors
    gradients, tensors = saved[: len(saved) // 2], saved[len(saved) // 2 :]
    found = iter([_multiply(of_value, each, tensors) for each in gradients])
    return None, ctx.no_numbers, [next(found) if each else None for each in ctx.wrt], None


_evaluate.register_fake(_shapes)
_evaluate.register_autograd(_backward, setup_context=_keep)


def _times_of(of_value: Tensor, gradient: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    return _times(of_value, gradient)


def _no_second(ctx: Any, *grads: Tensor) -> Any:
    raise NotImplementedError(_NO_SECOND)


# A gradient as a function of all tensors, whose derivative is not known; without them as
# arguments it would count as 0. (torch.compile refuses second derivatives if an input of the
# compiled function is kept for the backward pass as it is, which these are then.)
_multiply = torch.library.custom_op(
    "fastdiv::multiply",
    _times_of,
    mutates_args=(),
    schema="(Tensor of_value, Tensor gradient, Tensor[] tensors) -> Tensor",
)
_multiply.register_fake(lambda of_value, gradient, tensors: torch.empty_like(gradient))
_multiply.register_autograd(_no_second)
