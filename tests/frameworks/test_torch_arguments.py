"""Wrong arguments of fastdiv.torch, each refused with its name."""

import numpy as np
import pytest
from tensors import X, Y, normal, torch

import fastdiv.torch as ft
from fastdiv import (
    RBF,
    Callback,
    Categorical,
    Matern,
    Sum,
)


class Own(RBF):
    """A kernel that decode does not know."""


FLOW = {"mean_p": X[None], "logstd_p": X[None], "logstd_q": X[None]}
SPARSE = torch.eye(4).to_sparse()


def nested():
    return torch.nested.nested_tensor([X[0], X[1]])


def quantized():
    return torch.quantize_per_tensor(torch.eye(4), 0.1, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ft.mmd2(X.to("meta"), Y), TypeError, "x is on device meta, .* pass a tensor on"),
        (lambda: ft.mmd2(nested(), Y), TypeError, "x must be a dense tensor; got a nested one"),
        (lambda: ft.mmd2(X[0, 0] * 1j, Y), ValueError, "x must be an array of rows"),
        (lambda: ft.mmd2(X, Y / 0), ValueError, "^y holds 12 NaN or inf.*clean the data$"),
        (lambda: ft.wae_mmd(X, Y / 0), ValueError, "^z_prior holds 12 NaN or inf.*clean the data$"),
        (lambda: ft.kl(X, std=1.0, q_mean=X, q_std=-1.0), ValueError, "^q_std must be finite"),
        (lambda: ft.kl(X, std=1.0, q_mean=X, q_cov=-torch.eye(3)), ValueError, "^q_cov must be"),
        (
            lambda: ft.kl(X, std=1.0, q_mean=X[0, :2], q_std=1.0),
            ValueError,
            "same dimension; got 3",
        ),
        (lambda: ft.kl(X, logvar=X.to("meta")), TypeError, "logvar is on device meta"),
        (lambda: ft.mmd2(X, Y.numpy()), TypeError, r"y must be a torch.Tensor; got ndarray"),
        (lambda: ft.mmd2(X, SPARSE), TypeError, r"y must be dense.*y.to_dense\(\)"),
        (lambda: ft.mmd2(quantized(), Y), TypeError, r"x is quantized; pass x.dequantize\(\)"),
        (lambda: ft.mmd2(torch.tensor(1.0), Y), ValueError, "x must be an array of rows"),
        (lambda: ft.mmd2(X, Y[:, :2]), ValueError, "same number of features; got 3 and 2"),
        (lambda: ft.mmd2(X > 0, Y), TypeError, "x must hold real numbers; got dtype torch.bool"),
        (lambda: ft.mmd2(X * float("nan"), Y), ValueError, "x holds 15 NaN"),
        (lambda: ft.wae_mmd(X > 0, Y), TypeError, "z must hold real numbers"),
        (lambda: ft.mmd2(X, Y, Callback(np.dot)), TypeError, "kernel must have a gradient"),
        (
            lambda: ft.mmd2(X, Y, Sum([RBF(1.0), Callback(np.dot)])),
            TypeError,
            "kernels must have a gradient; got a Callback",
        ),
        (lambda: ft.mmd2(X, Y, Own(1.0)), TypeError, "kernel must be one of fastdiv.kernels; got"),
        (
            lambda: ft.mmd2(X, Y, Sum([Own(1.0)])),
            TypeError,
            "must be one of fastdiv.kernels; got O",
        ),
        (lambda: ft.mmd2(X, Y, [RBF(1.0)]), TypeError, "kernel must be a single kernel"),
        (lambda: ft.mmd2(X, Y, "rbf"), TypeError, "kernel must be a fastdiv kernel"),
        (lambda: ft.mmd2(X, Y, RBF(normal(3).sum())), TypeError, r"wrt='bandwidth'\)"),
        (lambda: ft.mmd2(X, Y, Matern(normal(3).sum())), TypeError, "nu must be made of concrete"),
        (lambda: ft.mmd2(X, Y, estimator="u"), ValueError, "estimator must be one of"),
        (lambda: ft.mmd2(X, Y, estimator="100%s'"), ValueError, "estimator must be one of"),
        (lambda: ft.mmd2(X, Y, n_threads=0), ValueError, "n_threads must be"),
        (lambda: ft.mmd2(X, Y, n_threads=True), TypeError, "n_threads must be"),
        (lambda: ft.mmd2(X, Y, grad_convention="tf"), ValueError, "grad_convention must be"),
        (lambda: ft.mmd2(X, Y, x_weights=Y[:, 0]), ValueError, "x_weights"),
        (lambda: ft.energy_distance(X, Y, exponent=2), ValueError, "exponent must be > 0 and < 2"),
        (lambda: ft.energy_distance(X, Y, exponent=normal(1)), TypeError, "exponent must be made"),
        (lambda: ft.wae_mmd(X, Y, sigma2_p=normal(1)), TypeError, "sigma2_p must be made"),
        (lambda: ft.wae_mmd(X, Y, sigma2_p=-1), ValueError, "sigma2_p must be > 0"),
        (lambda: ft.wae_mmd(X, Y, kernel="x"), ValueError, "kernel must be one of"),
        (lambda: ft.wae_mmd(X, Y, prior="x"), ValueError, "prior must be one of"),
        (lambda: ft.kl(X), TypeError, "exactly one of std, .* must be given; got none"),
        (lambda: ft.kl(X, std=1.0, var=1.0), TypeError, "got std and var"),
        (lambda: ft.kl(X, std=1.0, q_std=1.0), TypeError, "with q_mean, .* got q_std"),
        (lambda: ft.kl(X, std=1.0, q_mean=X), TypeError, "with q_mean, .* got q_mean"),
        (lambda: ft.kl(X[0, 0], std=1.0), ValueError, r"mean must have shape \(..., d\)"),
        (lambda: ft.kl(X, cov=X[0]), ValueError, r"cov must have shape \(..., 3, 3\)"),
        (lambda: ft.kl(X, std=X[:, :2]), ValueError, r"std must have shape \(..., 3\)"),
        (lambda: ft.kl(X, logvar=Y), ValueError, "the batch shapes of mean and logvar"),
        (lambda: ft.kl(X, std=-1.0), ValueError, "std must be finite and > 0"),
        (lambda: ft.kl(X, std=1.0, where=X[:, 0]), TypeError, "where must be a boolean mask"),
        (lambda: ft.kl(X, std=1.0, where=Y[:, 0] > 0), ValueError, "where must broadcast"),
        (lambda: ft.kl(X, std=1.0, where=X[:, 0] > 99), ValueError, "at least one item"),
        (lambda: ft.kl(X, std=1.0, where=normal(5)), TypeError, "where requires grad"),
        (lambda: ft.kl(X, std=1.0, reduce="max"), ValueError, "reduce must be one of"),
        (lambda: ft.kl(X[:0], std=1.0, reduce="mean"), ValueError, "the batch is empty"),
        (lambda: ft.categorical_kl(logits=X), TypeError, "exactly one of q_probs, q_logits"),
        (lambda: ft.categorical_kl(q_logits=X), TypeError, "exactly one of probs, logits"),
        (lambda: ft.kl_flow(X[None], **FLOW, estimator="k1"), TypeError, "needs noise_q"),
        (lambda: ft.kl_flow(X[None], **FLOW, mask=normal(1, 1, 3)), TypeError, "mask requires"),
        (lambda: ft.kl_flow(X, **FLOW), ValueError, r"z_p must have shape \(b, h, t\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"std": -1.0}, "^std must be finite and > 0; got -1.0 at batch index"),
        ({"var": 0.0}, "^var must be finite and > 0"),
        ({"logvar": X * float("nan")}, "^logvar must be finite"),
        ({"std": 1.0, "q_mean": X / 0, "q_std": 1.0}, "^q_mean must be finite"),
        ({"std": -1.0, "q_mean": X, "q_std": -1.0}, "^std must be finite and > 0"),
        ({"logstd": 0.0, "q_mean": X, "q_var": -1.0}, "^q_var must be finite and > 0"),
    ],
)
def test_wrong_parameters_of_what_has_a_gradient(arguments, message):
    for dtype in (torch.float32, torch.float64):
        typed = {name: a.to(dtype) if a is X else a for name, a in arguments.items()}
        with pytest.raises(ValueError, match=message):
            ft.kl(X.to(dtype, copy=True).requires_grad_(), **typed)


def test_gradients_too_large_for_their_type():
    """A float32 divergence that fits, by a mean whose gradient does not."""
    mean = torch.full((2, 3), 1e-20, requires_grad=True)
    scale = torch.full((2, 3), -140.0)
    q = {"q_mean": torch.zeros(2, 3), "q_logvar": scale}
    assert torch.isfinite(ft.kl(mean.detach(), logvar=scale, **q)).all()
    with pytest.raises(OverflowError, match=r"^a gradient is too large for float32; rescale, or"):
        ft.kl(mean, logvar=scale, **q)
    ft.kl(mean.double(), logvar=scale.double(), **{k: a.double() for k, a in q.items()})


def test_an_infinite_divergence_has_a_value_and_no_gradient():
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    assert ft.categorical_kl(probs=p, q_probs=q) == float("inf")
    with pytest.raises(ValueError, match="must be finite to have a gradient"):
        ft.categorical_kl(probs=p.requires_grad_(), q_probs=q)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tolerances_of_half_types(dtype):
    """Probabilities of half types sum to 1 within the rounding of these, not of float32."""
    logits = torch.randn(2, 50, 10, generator=torch.Generator().manual_seed(0))
    p, q = logits.to(dtype).softmax(-1)
    p = p + p * 2**-10
    assert (p.sum(-1, dtype=torch.float32) - 1).abs().max() > 2**-11
    q.requires_grad_()
    values = ft.categorical_kl(probs=p, q_probs=q)
    values.sum().backward()
    assert q.grad.dtype == dtype
    expected = ft.categorical_kl(logits=p.double().log(), q_logits=q.detach().double().log())
    torch.testing.assert_close(values, expected.float(), rtol=1e-4, atol=1e-5)
    compiled = torch.compile(
        lambda a, b: ft.categorical_kl(probs=a, q_probs=b), fullgraph=True, backend="eager"
    )
    torch.testing.assert_close(compiled(p, q.detach()), values.detach(), rtol=0, atol=0)
    theirs = torch.distributions.Categorical(probs=p, validate_args=False).probs
    assert Categorical(probs=theirs).batch_shape == (50,)
