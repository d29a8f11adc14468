"""
Divergences as differentiable functions of PyTorch tensors on the CPU.

`mmd2`, `energy_distance`, `wae_mmd` and `kl_flow` call those of `fastdiv`, without a copy of the
data, and have their arguments but for `nan_policy` and `progress`. They take one kernel: neither a
sequence nor a `Callback` nor a subclass of your own. `grad_convention` is about complex samples.
`kl` takes the parameters of `fastdiv.Gaussian` and `categorical_kl` those of
`fastdiv.Categorical`, where `fastdiv.kl` takes distributions. Parameters of kernels and other
options are constants.

Gradients flow to every tensor that requires grad and to no other. float32 and float64 are computed
as they are, half types as float32, and integers as float64. Tensors of different dtypes are
computed together as float64. The value has the wider of these dtypes, a gradient that of its
tensor. Second derivatives are an error, and so are transformations of `torch.func`.

Everything works inside `torch.compile`, which sees one opaque operation. A kernel with a bandwidth
per feature breaks the graph unless it is made outside. A second derivative by ``backward()`` is an
error there too, and so is one by ``torch.autograd.grad`` with respect to inputs of the compiled
function. For tensors computed within, ``torch.autograd.grad`` of PyTorch 2.13 takes it as 0 without
an error, as it does for functions of its own.

Tensors must be dense and on the CPU. Needs PyTorch: ``pip install 'fastdiv[torch]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastdiv.frameworks import arguments, calls, docs, evaluation, functions
from fastdiv.kernels import Energy, Kernel
from fastdiv.kernels.radial import DEFAULT_KERNEL

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise ImportError("fastdiv.torch needs PyTorch: pip install 'fastdiv[torch]'") from error

__all__ = ["categorical_kl", "energy_distance", "kl", "kl_flow", "mmd2", "wae_mmd"]

_documented = docs.documented_for(docs.TORCH)


@_documented
def mmd2(
    x: Tensor, y: Tensor, kernel: Kernel = DEFAULT_KERNEL, *, estimator: str = "unbiased",
    x_weights: Tensor | None = None, y_weights: Tensor | None = None, n_threads: int | None = None,
    grad_convention: str = "torch",
) -> Tensor:  # fmt: skip
    """
    Estimate the squared maximum mean discrepancy between two samples.

    {sections}

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
    options = {"kernel": kernel, "estimator": estimator, "n_threads": n_threads}
    return _TORCH.mmd2(x, y, x_weights, y_weights, grad_convention, options)


@_documented
def energy_distance(
    x: Tensor, y: Tensor, *, exponent: float = 1.0, estimator: str = "biased",
    x_weights: Tensor | None = None, y_weights: Tensor | None = None, n_threads: int | None = None,
    grad_convention: str = "torch",
) -> Tensor:  # fmt: skip
    """
    Estimate the energy distance 2E‖X − Y‖^β − E‖X − X'‖^β − E‖Y − Y'‖^β.

    {sections}

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import energy_distance
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> energy_distance(x, torch.tensor([2.0, 3.0])).backward()
    >>> x.grad
    tensor([-0.5000, -1.5000])
    """
    options = {"kernel": Energy(exponent), "estimator": estimator, "n_threads": n_threads}
    return _TORCH.mmd2(x, y, x_weights, y_weights, grad_convention, options)


@_documented
def wae_mmd(
    z: Tensor, z_prior: Tensor, *, kernel: str = "imq", prior: str = "normal",
    sigma2_p: float = 1.0, n_threads: int | None = None, grad_convention: str = "torch",
) -> Tensor:  # fmt: skip
    """
    Compute the MMD penalty of Wasserstein autoencoders between latents and draws of the prior.

    {sections}

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import wae_mmd
    >>> z = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> wae_mmd(z, torch.tensor([[0.5, 0.5], [-1.0, 0.0]])).backward()
    >>> z.grad.shape
    torch.Size([2, 2])
    """
    options = {"kernel": kernel, "prior": prior, "sigma2_p": sigma2_p, "n_threads": n_threads}
    return _TORCH.wae_mmd(z, z_prior, grad_convention, options)


@_documented
def kl(
    mean: Tensor, *, std: Tensor | float | None = None, var: Tensor | float | None = None,
    logstd: Tensor | float | None = None, logvar: Tensor | float | None = None,
    cov: Tensor | None = None, scale_tril: Tensor | None = None, precision: Tensor | None = None,
    q_mean: Tensor | None = None, q_std: Tensor | float | None = None,
    q_var: Tensor | float | None = None, q_logstd: Tensor | float | None = None,
    q_logvar: Tensor | float | None = None, q_cov: Tensor | None = None,
    q_scale_tril: Tensor | None = None, q_precision: Tensor | None = None,
    where: Tensor | None = None, reduce: str = "none", n_threads: int | None = None,
) -> Tensor:  # fmt: skip
    """
    Compute KL(p ‖ q) between Gaussians. By default q is the standard normal.

    {sections}

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
    return _TORCH.kl(mean, scales, q_mean, q_scales, where, reduce, n_threads)


@_documented
def categorical_kl(
    *, probs: Tensor | None = None, logits: Tensor | None = None, q_probs: Tensor | None = None,
    q_logits: Tensor | None = None, where: Tensor | None = None, reduce: str = "none",
    n_threads: int | None = None,
) -> Tensor:  # fmt: skip
    """
    Compute KL(p ‖ q) between categorical distributions.

    {sections}

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import categorical_kl
    >>> student = torch.zeros(3, requires_grad=True)
    >>> categorical_kl(probs=torch.tensor([0.5, 0.5, 0.0]), q_logits=student).backward()
    >>> student.grad
    tensor([-0.1667, -0.1667,  0.3333])
    """
    p, q = {"probs": probs, "logits": logits}, {"q_probs": q_probs, "q_logits": q_logits}
    return _TORCH.categorical_kl(p, q, where, reduce, n_threads)


@_documented
def kl_flow(
    z_p: Tensor, *, mean_p: Tensor, logstd_p: Tensor, logstd_q: Tensor,
    log_det: Tensor | float = 0, mask: Tensor | None = None, noise_q: Tensor | None = None,
    estimator: str = "hybrid", reduce: str = "per_frame",
) -> Tensor:  # fmt: skip
    """
    Estimate KL(q ‖ p) of a Gaussian posterior and a prior behind a flow: the loss of VITS.

    {sections}

    Examples
    --------
    >>> import torch
    >>> from fastdiv.torch import kl_flow
    >>> zeros, z_p = torch.zeros(1, 1, 2), torch.tensor([[[1.0, -2.0]]], requires_grad=True)
    >>> kl_flow(z_p, mean_p=zeros, logstd_p=zeros, logstd_q=zeros).backward()
    >>> z_p.grad
    tensor([[[ 0.5000, -1.0000]]])
    """
    options = {"estimator": estimator, "reduce": reduce}
    return _TORCH.kl_flow(z_p, mean_p, logstd_p, logstd_q, noise_q, log_det, mask, options)


# --- tensors ---------------------------------------------------------------------------


class _Torch(functions.Framework[Tensor]):
    """The functions over tensors."""

    grad_convention = "torch"

    def dense(self, value: object, name: str) -> Tensor:
        """Return a tensor, after refusing everything that fastdiv cannot read."""
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
            raise TypeError(
                f"{name} must be dense; got layout {value.layout}; pass {name}.to_dense()"
            )
        return value

    def checked(self, value: object, name: str) -> Tensor:
        """Return a real tensor as float32 or float64."""
        tensor = self.dense(value, name)
        if tensor.dtype in (torch.float32, torch.float64):
            return tensor
        if tensor.is_complex() or tensor.dtype == torch.bool:
            raise TypeError(f"{name} must hold real numbers; got dtype {tensor.dtype}")
        return tensor.float() if tensor.is_floating_point() else tensor.double()

    def mask(self, value: object, name: str) -> Tensor:
        """Return a tensor that requires no grad."""
        tensor = self.dense(value, name)
        if tensor.requires_grad:
            raise TypeError(f"{name} requires grad, but has no gradient; pass {name}.detach()")
        return tensor

    def constant(self, value: object, like: Tensor) -> Tensor:
        """Return numbers as a tensor of the dtype of another."""
        return like.new_tensor(value)

    def log_det(self, value: object, like: Tensor) -> object:
        """Return a log-determinant as a tensor. Accept lists and NumPy arrays."""
        return value if isinstance(value, Tensor) else self.constant(value, like)

    def expanded(self, a: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Broadcast a tensor to a shape."""
        return a.expand(shape)

    def without_gradient(self, a: Tensor) -> Tensor:
        """Return a tensor as a constant."""
        return a.detach()

    def is_complex(self, a: Tensor) -> bool:
        """Return whether a tensor is complex."""
        return bool(a.is_complex())

    def parts(self, a: Tensor) -> Tensor:
        """Put real and imaginary parts along a new last axis."""
        if not a.is_complex():
            return torch.stack([a, torch.zeros_like(a)], -1)
        if a.dtype == torch.complex32:
            a = a.to(torch.complex64)
        return torch.view_as_real(a.resolve_conj())

    def call(
        self,
        function: str,
        arrays: dict[str, Tensor],
        options: Mapping[str, object],
        reduce: str = "none",
    ) -> Tensor:
        """Evaluate a call, or record it inside `torch.compile`, and reduce its values."""
        tensors = arrays.values()
        wrt = [torch.is_grad_enabled() and tensor.requires_grad for tensor in tensors]
        if torch.compiler.is_compiling():
            text, numbers = calls.described(function, arrays, options)
            traced = _evaluate(text, numbers, list(tensors), wrt)[0]
            recorded: Tensor = arguments.reduced(traced, arrays.get("where"), reduce)
            return recorded
        call = calls.call_of(function, arrays, options)
        try:
            value: Tensor = _apply((call, wrt, arrays.get("where"), reduce), *tensors)
        except RuntimeError as error:
            if "functorch" not in str(error):
                raise
            raise NotImplementedError(
                "functions of fastdiv.torch have no transformations of torch.func, such as grad "
                "and vmap; use backward() or torch.autograd.grad, and a loop over a batch of "
                "samples"
            ) from error
        return value


_TORCH = _Torch()


# --- the operation ---------------------------------------------------------------------


def _evaluated(call: calls.Call, tensors: Sequence[Tensor], wrt: Sequence[bool]) -> list[Tensor]:
    """Evaluate a call on the memory of tensors."""
    arrays = [tensor.numpy(force=True) for tensor in tensors]
    return [torch.from_numpy(a) for a in evaluation.evaluate(call, arrays, wrt)]


def _times(upstream: Tensor, gradient: Tensor) -> Tensor:
    """Multiply a gradient by that of the value."""
    product: Tensor = functions.times(upstream, gradient).to(gradient.dtype)
    return product


class _Function(torch.autograd.Function):
    """A call outside torch.compile. Its values are reduced here, which saves a step backwards."""

    @staticmethod
    def forward(ctx: Any, request: tuple[Any, ...], *tensors: Tensor) -> Tensor:
        call, wrt, where, reduce = request
        values, *gradients = _evaluated(call, tensors, wrt)
        ctx.save_for_backward(*gradients, *evaluation.only_required(tensors, wrt))
        ctx.wrt, ctx.items = wrt, arguments.items_per_value(values, where, reduce)
        value: Tensor = arguments.reduced(values, where, reduce)
        return value

    @staticmethod
    def backward(ctx: Any, *upstreams: Tensor) -> Any:
        (upstream,), saved = upstreams, ctx.saved_tensors  # which may be read only once
        if ctx.items is not None:
            upstream = upstream / ctx.items
        gradients, tensors = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        if torch.is_grad_enabled():  # the gradient is to be differentiated
            products = [_multiply(upstream, gradient, tensors) for gradient in gradients]
        else:
            products = [_times(upstream, gradient) for gradient in gradients]
        return None, *evaluation.placed(products, ctx.wrt)


_apply: Any = _Function.apply
_NO_SECOND = "functions of fastdiv.torch have no second derivatives"


def _of_text(
    text: str, numbers: list[float], tensors: Sequence[Tensor], wrt: list[bool]
) -> list[Tensor]:
    """Evaluate a call that is described."""
    return _evaluated(calls.decode(text, tuple(numbers)), tensors, wrt)


# A call as one operation of torch.compile: the values, and the required gradients.
_evaluate = torch.library.custom_op(
    "fastdiv::evaluate",
    _of_text,
    mutates_args=(),
    schema="(str text, float[] numbers, Tensor[] tensors, bool[] wrt) -> Tensor[]",
)


def _shapes(text: str, numbers: list[float], tensors: list[Tensor], wrt: list[bool]) -> Any:
    """Return empty results of a call."""
    call = calls.decode(text, tuple(numbers))
    shape = calls.value_shape(call, [tensor.shape for tensor in tensors])
    floats = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    dtype = torch.float64 if torch.float64 in floats else torch.float32
    return [
        tensors[0].new_empty(shape, dtype=dtype),
        *[tensor.new_empty(tensor.shape) for tensor in evaluation.only_required(tensors, wrt)],
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    """Keep the gradients of a call, and the tensors that they belong to."""
    _, numbers, tensors, ctx.wrt = inputs
    ctx.no_numbers = None if numbers else []  # an empty list passes for one of tensors
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*output[1:], *evaluation.only_required(tensors, ctx.wrt))


def _backward(ctx: Any, grads: list[Tensor | None]) -> Any:
    """Multiply the gradients by that of the value. Refuse second derivatives."""
    upstream, *second = grads
    if upstream is None or any([grad is not None for grad in second]):
        raise NotImplementedError(_NO_SECOND)
    saved = ctx.saved_tensors
    gradients, tensors = saved[: len(saved) // 2], saved[len(saved) // 2 :]
    products = [_multiply(upstream, gradient, tensors) for gradient in gradients]
    return None, ctx.no_numbers, evaluation.placed(products, ctx.wrt), None


_evaluate.register_fake(_shapes)
_evaluate.register_autograd(_backward, setup_context=_keep)


def _times_of(upstream: Tensor, gradient: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """Like `_times`, but as a function of the tensors too."""
    return _times(upstream, gradient)


def _no_second(ctx: Any, *grads: Tensor) -> Any:
    """Refuse a second derivative."""
    raise NotImplementedError(_NO_SECOND)


# A gradient as a function of all tensors, whose derivative is not known. Without them as
# arguments it would count as 0. (torch.compile refuses second derivatives if an input of the
# compiled function is kept for the backward pass as it is, which these are then.)
_multiply = torch.library.custom_op(
    "fastdiv::multiply",
    _times_of,
    mutates_args=(),
    schema="(Tensor upstream, Tensor gradient, Tensor[] tensors) -> Tensor",
)
_multiply.register_fake(lambda upstream, gradient, tensors: torch.empty_like(gradient))
_multiply.register_autograd(_no_second)
